/**
 * The ledger of lives that were simulated: docs/simulation-ledger.md, a table with one row for each range of seeds
 * and the commit that they ran on. `npm run sim -- --ledger` adds to it, and nothing else should: a row says that
 * these seeds ran on this very tree, so a tree with changes that no commit has is refused (run.ts).
 *
 * Seeds of one commit are counted once: ranges of one commit never overlap, and adjacent ones become one row.
 */
export type Entry = {
  readonly commit: string
  readonly first: bigint
  readonly seeds: number
  readonly commands: number
  readonly crashes: number
  readonly failures: number
  /** YYYY-MM-DD of the newest run. */
  readonly date: string
  /** The first of those that failed. */
  readonly failed: readonly string[]
}

/** How many failed seeds a row names. */
const MOST_NAMED = 50

const HEAD = ['commit', 'first seed', 'seeds', 'commands', 'crashes', 'failures', 'date', 'failed seeds']
const ROW =
  /^\| *([0-9a-f]{7,40}) *\| *(\d+) *\| *(\d+) *\| *(\d+) *\| *(\d+) *\| *(\d+) *\| *(\d{4}-\d\d-\d\d) *\| *([\d ]*?) *\|$/

const INTRODUCTION = `# Ledger of simulated lives

Each life is a whole host from a seed: at least 50 commands and one crash (\`test/simulation/storm.ts\`). A row is a range
of seeds and the commit that they ran on; \`npm run sim -- --seeds N --ledger\` adds one, and only on a tree without
changes. To live one again: check out the commit, \`npm run sim -- --seed S\`.
`

/** @throws naming the line that is no row */
export function parseLedger(text: string): Entry[] {
  const lines = text.split('\n')
  const rule = lines.findIndex((line) => /^\|[-: |]+\|$/.test(line))
  if (rule < 0) throw new Error('the ledger has no table')
  const entries: Entry[] = []
  for (const [i, line] of lines.slice(rule + 1).entries()) {
    if (line === '') break
    const [, commit = '', first = '', ...rest] = ROW.exec(line) ?? []
    if (commit === '') throw new Error(`line ${rule + 2 + i} of the ledger is no row: ${line}`)
    const [seeds, commands, crashes, failures] = rest.map(Number)
    const [date = '', failed = ''] = rest.slice(4)
    entries.push({
      commit,
      first: BigInt(first),
      seeds: seeds ?? 0,
      commands: commands ?? 0,
      crashes: crashes ?? 0,
      failures: failures ?? 0,
      date,
      failed: failed.split(' ').filter((seed) => seed !== ''),
    })
  }
  return entries
}

const end = ({ first, seeds }: Entry): bigint => first + BigInt(seeds)
const isSameCommit = (a: Entry, b: Entry): boolean =>
  a.commit.startsWith(b.commit) || b.commit.startsWith(a.commit)

/** Two rows that count the same lives; null when there are none. */
export function overlapOf(entries: readonly Entry[]): readonly [Entry, Entry] | null {
  for (const [i, one] of entries.entries()) {
    const other = entries
      .slice(i + 1)
      .find((it) => isSameCommit(it, one) && it.first < end(one) && one.first < end(it))
    if (other) return [one, other]
  }
  return null
}

/** @throws when these lives are in the ledger already */
export function added(entries: readonly Entry[], entry: Entry): Entry[] {
  const overlap = overlapOf([entry, ...entries.filter((it) => isSameCommit(it, entry))])
  if (overlap) {
    const [, { commit, first, seeds }] = overlap
    throw new Error(`seeds ${first} to ${first + BigInt(seeds) - 1n} of ${commit} are in the ledger already`)
  }
  const before = entries.find((it) => isSameCommit(it, entry) && end(it) === entry.first)
  if (!before) return [...entries, entry]
  const joined: Entry = {
    ...before,
    seeds: before.seeds + entry.seeds,
    commands: before.commands + entry.commands,
    crashes: before.crashes + entry.crashes,
    failures: before.failures + entry.failures,
    date: entry.date,
    failed: [...before.failed, ...entry.failed].slice(0, MOST_NAMED),
  }
  return entries.map((it) => (it === before ? joined : it))
}

/** The file: equal entries give equal text. */
export function formatLedger(entries: readonly Entry[]): string {
  const sum = (count: (entry: Entry) => number): number => entries.reduce((n, entry) => n + count(entry), 0)
  const total = `${sum((it) => it.seeds)} lives, ${sum((it) => it.commands)} commands, ${sum((it) => it.crashes)} crashes, ${sum((it) => it.failures)} failures.`
  const rows = entries.map((it) => [
    it.commit,
    `${it.first}`,
    ...[it.seeds, it.commands, it.crashes, it.failures].map(String),
    it.date,
    it.failed.slice(0, MOST_NAMED).join(' '),
  ])
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = line(HEAD.map((_, i) => (i >= 1 && i <= 5 ? '--:' : '---')))
  return `${INTRODUCTION}\n${total}\n\n${[line(HEAD), rule, ...rows.map(line)].join('\n')}\n`
}
