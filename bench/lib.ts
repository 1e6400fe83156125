/**
 * What every benchmark shares: interleaving, percentiles, figures with a bar, a table and JSON.
 *
 * A figure says where its clock starts and stops. What it is compared with is measured in the same run,
 * turn by turn with it, so that a busy neighbour hits both. A missed bar is printed as a miss.
 */
import { performance } from 'node:perf_hooks'

export type Samples = { readonly name: string; readonly ms: readonly number[] }

/** One timed thing: returns how long it took, in ms, so that it may set itself up outside the clock. */
export type Subject = { readonly name: string; run(): number | Promise<number> }

export const timed = (work: () => void): number => {
  const start = performance.now()
  work()
  return performance.now() - start
}

export const timedAsync = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Runs each subject once a round, in an order that rotates: nobody always follows the same neighbour. */
export async function interleave(
  subjects: readonly Subject[],
  { rounds, warmUp = 0 }: { rounds: number; warmUp?: number },
): Promise<Map<string, Samples>> {
  const samples = new Map(subjects.map(({ name }) => [name, [] as number[]]))
  for (let round = 0; round < rounds + warmUp; round++) {
    for (let i = 0; i < subjects.length; i++) {
      const subject = subjects[(i + round) % subjects.length]
      if (!subject) continue
      const ms = await subject.run()
      if (round >= warmUp) samples.get(subject.name)?.push(ms)
    }
  }
  return new Map([...samples].map(([name, ms]) => [name, { name, ms }]))
}

/** The p-th percentile (0..100) of samples; NaN of none. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((p / 100) * sorted.length))] ?? Number.NaN
}

export type Figure = {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly starts: string
  readonly stops: string
  /** What was measured beside it, and the value there. */
  readonly floor?: { readonly name: string; readonly value: number } | undefined
  readonly bar?: { readonly text: string; readonly isMet: boolean } | undefined
  readonly note?: string | undefined
}

export const atMost = (value: number, limit: number, text: string): Figure['bar'] => ({
  text,
  isMet: value <= limit,
})
export const atLeast = (value: number, limit: number, text: string): Figure['bar'] => ({
  text,
  isMet: value >= limit,
})

const digits = (value: number): string => {
  if (!Number.isFinite(value)) return String(value)
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return value.toPrecision(3)
}

const verdict = ({ bar }: Figure): string => (bar ? (bar.isMet ? 'pass' : 'MISS') : '')

export function table(figures: readonly Figure[]): string {
  const head = ['figure', 'value', 'floor of the run', 'ratio', 'bar', '']
  const rows = figures.map((figure) => [
    figure.name,
    `${digits(figure.value)} ${figure.unit}`,
    figure.floor ? `${figure.floor.name} ${digits(figure.floor.value)}` : '',
    figure.floor ? digits(figure.value / figure.floor.value) : '',
    figure.bar?.text ?? '',
    verdict(figure),
  ])
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => (row[i] ?? '').length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

/** Prints the table and one line of JSON. @returns whether every bar was met */
export function report(title: string, figures: readonly Figure[]): boolean {
  process.stdout.write(`${title}\n\n${table(figures)}\n\n`)
  for (const { name, starts, stops, note } of figures) {
    process.stdout.write(`${name}: from ${starts} to ${stops}${note ? `; ${note}` : ''}\n`)
  }
  process.stdout.write(`\n${JSON.stringify({ title, figures })}\n`)
  return figures.every(({ bar }) => bar?.isMet ?? true)
}
