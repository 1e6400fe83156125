/**
 * A reporter for `node --test`: one line for each file, failures in full as they happen (a run that is
 * killed has told them), their names at the end, and what was skipped and why.
 *
 * With OSCTL_TEST_REPORT=FILE it also writes counts, the files that ended and the names of the failed tests there, as
 * JSON, for scripts/test-layers.ts: anew whenever a file ends. One without `finished` means that the run was cut short.
 */
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

export type TestReport = {
  passed: number
  failed: number
  skipped: number
  failures: { file: string; name: string }[]
  /** Files that ended, passed or not. */
  ended: string[]
  finished: boolean
}

type Outcome = Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>['data']
type FileCount = { passed: number; failed: number; skipped: number; ms: number }

const place = (file: string | undefined) => (file ? relative(process.cwd(), file) : '(no file)')
const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`

/** The error that the test threw, without the runner's own wrapping and Node's own frames. */
function reason(data: Outcome): string {
  const { error } = data.details as { error?: Error & { cause?: unknown } }
  if (error === undefined) return ''
  const thrown = error.cause ?? error.message
  const isAssertion = thrown instanceof Error && thrown.name === 'AssertionError'
  const text = isAssertion ? (thrown.stack ?? thrown.message) : inspect(thrown, { depth: 6 })
  const lines = (typeof thrown === 'string' ? thrown : text).split('\n')
  return lines
    .filter((each) => !/^\s+at .*\(?node:internal\//.test(each))
    .map((each) => `    ${each}`)
    .join('\n')
}

function count(report: TestReport, counts: FileCount, data: Outcome, passed: boolean): void {
  const skipped = data.skip !== undefined || data.todo !== undefined
  const key = skipped ? 'skipped' : passed ? 'passed' : 'failed'
  report[key] += 1
  counts[key] += 1
}

/** A suite counts as its tests do; a file that dies before its first test is one failed test. */
const isSuite = (data: Outcome) => (data.details as { type?: string }).type === 'suite'
const isOwnFailure = (data: Outcome) =>
  (data.details as { error?: { failureType?: string } }).error?.failureType !== 'subtestsFailed'

const line = (file: string, { passed, failed, skipped, ms }: FileCount) =>
  `${failed > 0 ? '✘' : '✔'} ${file}  ${passed} passed` +
  `${failed > 0 ? `, ${failed} failed` : ''}${skipped > 0 ? `, ${skipped} skipped` : ''}  ${seconds(ms)}\n`

// biome-ignore lint/style/noDefaultExport: node --test takes a reporter's default export
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const report: TestReport = { passed: 0, failed: 0, skipped: 0, failures: [], ended: [], finished: false }
  const files = new Map<string, FileCount>()
  const failures: string[] = []
  const skips: string[] = []
  const trail: string[] = []
  const target = process.env['OSCTL_TEST_REPORT']
  const write = (finished: boolean) => {
    if (target) writeFileSync(target, JSON.stringify({ ...report, finished }))
  }

  for await (const { type, data } of source) {
    if (type === 'test:start') {
      trail[data.nesting] = data.name
      trail.length = data.nesting + 1
    } else if (type === 'test:pass' || type === 'test:fail') {
      const file = place(data.file)
      const counts = files.get(file) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 }
      files.set(file, counts)
      if (data.nesting === 0) counts.ms += data.details.duration_ms
      const name = [...trail.slice(0, data.nesting), data.name].join(' › ')
      const failed = type === 'test:fail' && isOwnFailure(data)
      if (failed || (type === 'test:pass' && !isSuite(data)))
        count(report, counts, data, type === 'test:pass')
      if (failed && data.todo === undefined) {
        report.failures.push({ file, name })
        failures.push(`✘ ${file}: ${name}\n`)
        yield `  ✘ ${name}\n${reason(data)}\n\n`
      }
      if (data.skip !== undefined || data.todo !== undefined) {
        const why = data.skip ?? data.todo
        skips.push(`  ${file}: ${name}${typeof why === 'string' ? ` (${why})` : ''}\n`)
      }
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      yield data.message
    } else if (type === 'test:summary' && data.file !== undefined) {
      const file = place(data.file)
      const counts = files.get(file)
      if (counts) yield line(file, counts)
      report.ended.push(file)
      write(false)
    }
  }
  if (skips.length > 0) yield `\nskipped:\n${skips.join('')}`
  if (failures.length > 0) yield `\n${failures.join('')}`
  write(true)
}
