/** The report of a run over many points: docs/power-cuts.md. Equal outcomes give equal text. @pure */
import type { Fate, Outcome } from './judge.ts'

export type Run = {
  readonly commit: string
  /** YYYY-MM-DD. */
  readonly date: string
  readonly seed: string
  /** How many were chosen; those that were not looked at yet are not in the report. */
  readonly points: number
  /** Writes and flushes of the whole recording. */
  readonly entries: number
}

const FATES: readonly Fate[] = ['done', 'undone', 'failed', 'no trace']

const INTRODUCTION = `# Power cuts

A script of commands runs in a virtual machine on a disk whose every write and flush QEMU records. A power cut at a
point of that record leaves what was flushed, and of the later writes any part. At each point such a disk is made, its
pool is imported by another boot of the image, and asked (\`test/vm/powercut/judge.ts\`): does the log verify, and hold
the last head that was seen before the cut; is every command that was answered done, and there; is the one under way
there, whole, or not there at all; is nothing in doubt, half made or left in staging, in one pass and without help; do
containers with autostart run. At some points \`healthcheck\` is asked, and a new container and all stopped ones are
started.

To run it again: \`npm run power-cuts -- --points 210 --report\`, on a tree without changes; ten to fifteen
seconds a point under emulation. With \`--dir DIR --minutes M\` in several goes. A few points are part of \`npm test -- vm\`.
`

const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const rule = head.map((_, i) => (rows.every((row) => typeof row[i] === 'number') ? '--:' : '---'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

function summary(outcomes: readonly Outcome[]): string {
  const commands = [...new Set(outcomes.map(({ command }) => command))]
  const rows = commands.map((command) => {
    const own = outcomes.filter((it) => it.command === command)
    const count = (holds: (outcome: Outcome) => boolean): number => own.filter(holds).length
    return [
      `\`${command}\``,
      count(({ kind }) => kind === 'flush'),
      count(({ kind }) => kind === 'between'),
      ...FATES.map((fate) => count((it) => it.fate === fate && it.wrong.length === 0)),
      count(({ wrong }) => wrong.length > 0),
    ]
  })
  return table(['under way', 'at a flush', 'between two', ...FATES, 'wrong'], rows)
}

const detail = (outcomes: readonly Outcome[]): string =>
  table(
    ['point', 'the command under way', 'containers started', 'wrong'],
    outcomes.map(({ name, fate, started, wrong }) => [name, fate, started, wrong.join('; ')]),
  )

export function formatReport(run: Run, outcomes: readonly Outcome[]): string {
  const distinct = new Set(outcomes.map(({ key }) => key)).size
  const wrong = outcomes.filter((it) => it.wrong.length > 0).length
  const started = outcomes.filter((it) => it.started > 0).length
  const flushes = outcomes.filter(({ kind }) => kind === 'flush').length
  return `${INTRODUCTION}
## Last run

Commit ${run.commit}, ${run.date}, seed ${run.seed}: ${distinct} distinct points, of ${run.points} that
were chosen among ${run.entries} writes and flushes, ${flushes} at a flush and ${outcomes.length - flushes} between two.
Containers were started at ${started}. ${wrong === 0 ? 'Nothing was wrong.' : `${wrong} were wrong.`}

${summary(outcomes)}

## Each point

${detail(outcomes)}
`
}
