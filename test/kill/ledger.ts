/**
 * The ledger of `kill -9` of whole daemons: docs/kills.md, one row for each run. `npm run kills -- --ledger` adds to it.
 * Runs of one commit differ by their seeds, and by the machine's own timing. @pure
 */
export type Row = {
  readonly commit: string
  readonly seed: string
  readonly kills: number
  /** Of the kills, those while the daemon started and recovered. */
  readonly whileStarting: number
  /** Commands that were acknowledged, and found again. */
  readonly acknowledged: number
  readonly failures: number
  /** YYYY-MM-DD. */
  readonly date: string
}

const HEAD = [
  'commit',
  'seed',
  'kills',
  'of them while starting',
  'acknowledged commands',
  'failures',
  'date',
]
const ROW =
  /^\| *([0-9a-f]{7,40}) *\| *(\d+) *\| *(\d+) *\| *(\d+) *\| *(\d+) *\| *(\d+) *\| *(\d{4}-\d\d-\d\d) *\|$/

const INTRODUCTION = `# Kills of the whole daemon

osctld on the simulated host, with its real log files, killed with \`kill -9\` at random moments: while clients send
commands, and while it starts and recovers. After each kill the next daemon is asked (\`test/kill/daemon-life.ts\`): is
every acknowledged command there, is the one under way of each client there, whole, or not at all, is nothing in doubt;
every 25 lives, and at the end, the whole log is verified. A run that failed ends there.

\`npm run kills -- --kills 250 --ledger\` adds a row, and only on a tree without changes; a second or two a kill. A seed
repeats the choice of moments and commands, not where in the daemon a moment falls. A few kills are part of
\`npm test -- kill\`.
`

/** @throws naming the line that is no row */
export function parseLedger(text: string): Row[] {
  const lines = text.split('\n')
  const rule = lines.findIndex((line) => /^\|[-: |]+\|$/.test(line))
  if (rule < 0) throw new Error('the ledger has no table')
  const rows = lines.slice(rule + 1).filter((line) => line !== '')
  return rows.map((line) => {
    const [, commit, seed, kills, whileStarting, acknowledged, failures, date] = ROW.exec(line) ?? []
    if (commit === undefined || seed === undefined || date === undefined)
      throw new Error(`no row of the ledger: ${line}`)
    return {
      commit,
      seed,
      kills: Number(kills),
      whileStarting: Number(whileStarting),
      acknowledged: Number(acknowledged),
      failures: Number(failures),
      date,
    }
  })
}

/** The file: equal rows give equal text. */
export function formatLedger(rows: readonly Row[]): string {
  const sum = (count: (row: Row) => number): number => rows.reduce((n, row) => n + count(row), 0)
  const total = `${sum((it) => it.kills)} kills, ${sum((it) => it.acknowledged)} acknowledged commands, ${sum((it) => it.failures)} failures.`
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
  const rule = line(HEAD.map((_, i) => (i >= 1 && i <= 5 ? '--:' : '---')))
  const cells = rows.map(({ commit, seed, kills, whileStarting, acknowledged, failures, date }) =>
    line([commit, seed, kills, whileStarting, acknowledged, failures, date]),
  )
  return `${INTRODUCTION}\n${total}\n\n${[line(HEAD), rule, ...cells].join('\n')}\n`
}
