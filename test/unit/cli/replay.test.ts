/** `osctl replay` with the real osctl-replay behind it, and what writes its files. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { ExportHeader, ReplaySummary } from '../../../src/rpc/results.ts'
import { type Golden, golden } from '../offline/files.ts'
import { run, runAlone } from './harness.ts'

let log: Golden
let file = ''
before(async () => {
  log = await golden()
  file = log.write('all.log', `${log.lines.join('\n')}\n`)
})
after(() => log.close())

describe('osctl replay', () => {
  it('tells what a file is; the exit status is 1 when its chain is broken', async () => {
    const whole = await runAlone(['replay', file])
    assert.equal(whole.status, 0, whole.err)
    assert.match(whole.out, /^ +log of: {2}pool tank\n +from: {2}node1\n/)
    assert.match(whole.out, /\n +chain: {2}verified\n/)
    const [summary] = JSON.parse((await runAlone(['-j', 'replay', file])).out) as ReplaySummary[]
    assert.deepEqual(summary?.head, log.log.head())
    const cut = log.write('cut.log', `${log.lines.slice(0, 100).join('\n')}\n`)
    const broken = await runAlone(['replay', cut])
    assert.equal(broken.status, 1)
    assert.match(
      broken.out,
      /chain: {2}BROKEN at tank:100: the file ends at 99, its header says 273: it was cut\n/,
    )
  })

  it('answers as a host would: tables, -o, -s, --at, --json, help', async () => {
    const list = await runAlone(['replay', file, 'ct', 'ls', '-H', '-o', 'id,state,memory', '-s', 'id'])
    assert.equal(list.status, 0, list.err)
    assert.match(list.out, /^\S+ +\w+ +-\n/)
    const then = await runAlone(['-j', 'replay', file, 'ct', 'ls', '--at', '20'])
    assert.deepEqual(JSON.parse(then.out), [])
    for (const words of [
      'history',
      'event ls -n 3',
      'op ls --all',
      'diff 20 100',
      'pool ls',
      'user ls',
      'trash-bin ls',
      'event verify',
    ]) {
      const { status, err, out } = await runAlone(['replay', file, ...words.split(' ')])
      assert.equal(status, 0, `${words}: ${err}`)
      assert.ok(out.split('\n').length > 1, words)
    }
    assert.match((await runAlone(['replay', file, 'ct', 'ls', '--help'])).out, /osctl ct ls/)
  })

  it('changes nothing, and says so in one line', async () => {
    for (const words of [
      'ct start 101',
      'ct del -f 101',
      'repo add x http://x',
      'pool export tank',
      'healthcheck',
    ]) {
      const { status, err, out } = await runAlone(['replay', file, ...words.split(' ')])
      assert.equal(status, 1, words)
      assert.equal(out, '', words)
      assert.match(err, /^error: .*is replayed, not a host: it is only read[^\n]*\n$/, words)
    }
  })

  it('reads a directory, and tells of what cannot be read', async () => {
    const list = await runAlone([
      'replay',
      '--pool-snapshot',
      join(log.dir, 'events'),
      'pool',
      'ls',
      '-H',
      '-o',
      'name',
    ])
    assert.equal(list.out, 'tank\n', list.err)
    const none = await runAlone(['replay', '/nonexistent'])
    assert.deepEqual([none.status, none.out], [1, ''])
    assert.match(none.err, /^error: ENOENT[^\n]*\n$/)
    assert.equal((await runAlone(['replay'])).status, 64)
    assert.equal((await runAlone(['replay', file, 'no-such-command'])).status, 64)
  })
})

describe('osctl event export and incident', () => {
  const header = { ...(JSON.parse('{}') as ExportHeader) }
  const handlers = () => ({
    'pool.list': async () => [{ name: 'tank' }] as never,
    'export.open': async ({ since }: { since?: number | undefined }) =>
      ({
        ...(JSON.parse(log.lines[0] ?? '') as ExportHeader),
        ...header,
        incident: since === undefined ? null : { since, status: { problems: [] }, health: [], boots: [] },
      }) as never,
    'export.read': async ({ part, from, to }: { part: string; from: number; to: number }) =>
      part === 'events'
        ? {
            lines: log.lines.slice(from, Math.min(from + 50, to + 1)),
            next: from + 50 <= to ? from + 50 : null,
          }
        : { lines: [], next: null },
  })

  it('write a file that nobody else may read, and never over another', async () => {
    const path = join(log.dir, 'written.log')
    const { status, err } = await run(['event', 'export', path], handlers())
    assert.equal(status, 0, err)
    assert.equal(
      readFileSync(path, 'utf8'),
      readFileSync(file, 'utf8').replace(
        /^.*\n/,
        `${JSON.stringify({ ...JSON.parse(log.lines[0] ?? ''), incident: null })}\n`,
      ),
    )
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const again = await run(['event', 'export', path], handlers())
    assert.equal(again.status, 1)
    assert.match(again.err, /exists already/)
    const printed = await run(['event', 'export'], handlers())
    assert.equal(printed.out, readFileSync(path, 'utf8'))
  })

  it('leave no half file behind', async () => {
    const path = join(log.dir, 'half.log')
    const failing = {
      ...handlers(),
      'export.read': async () => {
        throw new Error('no')
      },
    }
    const { status } = await run(['event', 'export', path], failing)
    assert.equal(status, 1)
    assert.ok(!existsSync(path))
  })

  it('an incident needs a time, and is opened like any other file', async () => {
    assert.equal((await run(['incident'], handlers())).status, 64)
    assert.equal((await run(['incident', '--since', 'soonish'], handlers())).status, 64)
    const path = join(log.dir, 'incident.log')
    const { status, err } = await run(['incident', '--since', '1 hour ago', path], handlers())
    assert.equal(status, 0, err)
    assert.match((await runAlone(['replay', path])).out, /\n +since: {2}\d/)
  })
})
