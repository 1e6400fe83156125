/**
 * Runs test files in the order in which they are given, which `node --test` does not: it sorts them, and a long
 * file that is begun last keeps one core idle while it runs.
 *
 * usage: node scripts/run-files.ts --concurrency N [--grep PATTERN] FILE…
 */
import { run } from 'node:test'
import { parseArgs } from 'node:util'
import reporter from './reporter.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { concurrency: { type: 'string', default: '1' }, grep: { type: 'string' } },
})
const stream = run({
  files: positionals,
  concurrency: Number(values.concurrency),
  ...(values.grep === undefined ? {} : { testNamePatterns: values.grep }),
})
stream.on('test:fail', () => {
  process.exitCode = 1
})
stream.compose(reporter).pipe(process.stdout)
