/** Sizes: a file one reads in one sitting, a function one sees at once. Lines of code; comments are free. */
import ts from 'typescript'
import { OVERSIZED } from './allowed.ts'
import { codeLines, type Finding, lineOf, type Parsed } from './tree.ts'

const FILE_LINES = 300
const TEST_FILE_LINES = 500
const FUNCTION_LINES = 60

function nameOf(node: ts.Node, source: ts.SourceFile): string {
  const named = node as ts.Node & { name?: ts.Node }
  const owner = node.parent as (ts.Node & { name?: ts.Node }) | undefined
  return (named.name ?? owner?.name)?.getText(source) ?? '(anonymous)'
}

const isFunction = (node: ts.Node): boolean =>
  ts.isFunctionLike(node) && 'body' in node && node.body !== undefined

/** Lines of code of a function without those of the functions in it: a factory of small functions is small. */
function ownLines(node: ts.Node, source: ts.SourceFile, code: ReadonlySet<number>): number {
  const linesOf = (each: ts.Node): [number, number] => [
    lineOf(source, each.getStart(source)),
    lineOf(source, each.end),
  ]
  const inner: [number, number][] = []
  const visit = (child: ts.Node) => {
    if (isFunction(child)) inner.push(linesOf(child))
    else ts.forEachChild(child, visit)
  }
  ts.forEachChild(node, visit)
  const [first, last] = linesOf(node)
  const isInner = (line: number) => inner.some(([from, to]) => line > from && line <= to)
  return [...code].filter((line) => line >= first && line <= last && !isInner(line)).length
}

export function checkSizes(files: readonly Parsed[], wholeTree: boolean): Finding[] {
  const findings: Finding[] = []
  const exempted = new Set<string>()
  const tell = (finding: Finding, key: string) => {
    if (key in OVERSIZED) exempted.add(key)
    else findings.push(finding)
  }
  for (const { file, source } of files) {
    const code = codeLines(source)
    const isTest = file.startsWith('test/')
    const most = isTest ? TEST_FILE_LINES : FILE_LINES
    if (code.size > most) {
      tell({ file, line: 1, rule: 'file-size', what: `${code.size} lines of code, at most ${most}` }, file)
    }
    const visit = (node: ts.Node) => {
      if (isFunction(node)) {
        const first = lineOf(source, node.getStart(source))
        const lines = ownLines(node, source, code)
        if (lines > FUNCTION_LINES) {
          const name = nameOf(node, source)
          const what = `${name} has ${lines} lines of code, at most ${FUNCTION_LINES}`
          tell({ file, line: first, rule: 'function-size', what }, `${file} ${name}`)
        }
      }
      ts.forEachChild(node, visit)
    }
    if (!isTest) visit(source)
  }
  if (!wholeTree) return findings
  for (const key of Object.keys(OVERSIZED)) {
    if (exempted.has(key)) continue
    findings.push({
      file: 'scripts/tidy/allowed.ts',
      line: 0,
      rule: 'unused-exemption',
      what: `${key} is small enough`,
    })
  }
  return findings
}
