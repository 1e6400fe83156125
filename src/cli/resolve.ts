/**
 * From words to a command: exact names, aliases, and any unambiguous prefix, as the original allows
 * (`osctl ct sh 101`, `osctl id-range ls`).
 */
import { type CommandSpec, type GroupSpec, isGroup, type NodeSpec } from './spec.ts'
import { UsageError } from './usage-error.ts'

export type Resolved = {
  /** From the root down to where the words led. */
  readonly path: readonly NodeSpec[]
  readonly node: NodeSpec
  /** What is left of the words: the command's own options and arguments. */
  readonly rest: readonly string[]
}

/** Something is wrong with the words; `path` is how far they led. */
export class UnknownCommand extends UsageError {
  readonly path: readonly NodeSpec[]
  constructor(message: string, path: readonly NodeSpec[]) {
    super(message)
    this.path = path
  }
}

/** Walks down while words name commands; stops at a command, an option, or the end. */
export function resolve(root: GroupSpec, words: readonly string[]): Resolved {
  const path: NodeSpec[] = []
  let node: NodeSpec = root
  let at = 0
  while (isGroup(node) && at < words.length) {
    const word: string = words[at] ?? ''
    if (word.startsWith('-')) break
    node = child(node, word, path)
    path.push(node)
    at += 1
  }
  return { path, node, rest: words.slice(at) }
}

function child(group: GroupSpec, word: string, path: readonly NodeSpec[]): NodeSpec {
  const exact = group.commands.find((node) => namesOf(node).includes(word))
  if (exact !== undefined) return exact
  const begun = group.commands.filter(
    (node) => !node.hidden && namesOf(node).some((name) => name.startsWith(word)),
  )
  const [only] = begun
  if (only !== undefined && begun.length === 1) return only
  if (begun.length > 1) {
    const names = begun.map(({ name }) => name).join(', ')
    throw new UnknownCommand(`ambiguous command '${word}': it could be ${names}`, path)
  }
  const near = suggest(word, group.commands.filter((node) => !node.hidden).flatMap(namesOf))
  const hint = near === null ? '' : ` (did you mean ${near}?)`
  throw new UnknownCommand(`unknown command '${word}'${hint}`, path)
}

export function namesOf(node: NodeSpec): readonly string[] {
  return [node.name, ...(node.aliases ?? [])]
}

/** The name within two edits (one, for short words) that is nearest; null when none is. */
export function suggest(word: string, names: readonly string[]): string | null {
  const limit = word.length < 4 ? 1 : 2
  let best: string | null = null
  let least = limit + 1
  for (const name of names) {
    const distance = edits(word, name)
    if (distance < least) [best, least] = [name, distance]
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment). */
function edits(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (above[j - 1] ?? 0) + same,
        swap ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    before = above
    above = row
  }
  return above[b.length] ?? 0
}

/** Every command with its path, in the table's order. */
export function commandsOf(
  root: GroupSpec,
  withHidden = false,
): { path: readonly NodeSpec[]; command: CommandSpec }[] {
  const walk = (
    node: NodeSpec,
    path: readonly NodeSpec[],
  ): { path: readonly NodeSpec[]; command: CommandSpec }[] => {
    if (node.hidden && !withHidden) return []
    return isGroup(node)
      ? node.commands.flatMap((next) => walk(next, [...path, next]))
      : [{ path, command: node }]
  }
  return walk(root, [])
}
