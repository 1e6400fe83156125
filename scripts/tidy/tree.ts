/** Reading a tree for the tidy checks: its files, their syntax, and what a finding is. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'

export type Finding = { file: string; line: number; rule: string; what: string }

const SKIPPED = new Set(['node_modules', '.git', 'dist', 'out'])

/** Every file of the tree but what is generated, relative to its root, in order. */
export function filesOf(root: string): string[] {
  const files: string[] = []
  const walk = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (SKIPPED.has(entry.name) || entry.name.startsWith('.dist-')) continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) walk(path)
      else if (entry.isFile()) files.push(relative(root, path))
    }
  }
  walk(root)
  return files.sort()
}

export const read = (root: string, file: string) => readFileSync(join(root, file), 'utf8')

export type Parsed = { file: string; source: ts.SourceFile; checker: ts.TypeChecker }

/**
 * Parses and binds without libraries and without following imports: names that a file declares or imports
 * resolve, so whatever does not resolve is a global. Fast, since no type is ever computed.
 */
export function parse(root: string, files: readonly string[]): Parsed[] {
  const options: ts.CompilerOptions = {
    noLib: true,
    noResolve: true,
    types: [],
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    // Else a file without import or export would declare globals, and hide uses of them in all the others.
    moduleDetection: ts.ModuleDetectionKind.Force,
    allowJs: true,
  }
  const program = ts.createProgram(
    files.map((file) => join(root, file)),
    options,
  )
  const checker = program.getTypeChecker()
  return files.flatMap((file) => {
    const source = program.getSourceFile(join(root, file))
    return source ? [{ file, source, checker }] : []
  })
}

export const lineOf = (source: ts.SourceFile, position: number) =>
  source.getLineAndCharacterOfPosition(position).line + 1

/** Numbers of the lines that hold code: not blank, not comment alone. */
export function codeLines(source: ts.SourceFile): ReadonlySet<number> {
  const lines = new Set<number>()
  const visit = (node: ts.Node) => {
    if (ts.isToken(node) && node.kind !== ts.SyntaxKind.EndOfFileToken) {
      const last = lineOf(source, node.end)
      for (let line = lineOf(source, node.getStart(source)); line <= last; line++) lines.add(line)
    }
    // JSDoc comments are children too; they are not code.
    for (const child of node.getChildren(source)) if (!ts.isJSDoc(child)) visit(child)
  }
  visit(source)
  return lines
}
