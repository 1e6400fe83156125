/** `--at` on the command line: what it takes, what it sends, what is shown. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseAt } from '../../../src/cli/at.ts'
import { ctRow, run, runAlone } from './harness.ts'

describe('--at', () => {
  it('takes positions and times', () => {
    const noon = Date.UTC(2026, 0, 31, 12)
    assert.deepEqual(parseAt('12', '--at'), { position: '12' })
    assert.deepEqual(parseAt('tank:12', '--at'), { position: 'tank:12' })
    assert.deepEqual(parseAt('10 minutes ago', '--at', noon), { time: noon - 600_000 })
    // A second as it is printed means all of it: an event in it is not later.
    assert.deepEqual(parseAt('2026-01-31 14:00:05Z', '--at'), { time: Date.UTC(2026, 0, 31, 14, 0, 5, 999) })
    for (const text of ['', 'x', 'tank:', '12:', 'tank:1x', '2026-13-40T00:00'])
      assert.throws(() => parseAt(text, '--at'), /^UsageError: invalid value for --at: /)
  })

  it('is sent by every ls and show that tells of states', async () => {
    const sent: [string, unknown][] = []
    const keep =
      <T>(method: string, answer: T) =>
      async (params: { at?: unknown }) => {
        sent.push([method, params.at])
        return answer
      }
    const pool = { name: 'tank', attrs: {} } as never
    const why = { column: 'state', value: 'running', present: 'running', links: [] } as never
    const handlers = {
      'ct.list': keep('ct.list', []),
      'ct.show': keep('ct.show', ctRow()),
      'pool.list': keep('pool.list', []),
      'pool.show': keep('pool.show', pool),
      'user.list': keep('user.list', []),
      'id-range.list': keep('id-range.list', []),
      'repo.list': keep('repo.list', []),
      'trash.list': keep('trash.list', []),
      'op.list': keep('op.list', []),
      'history.list': keep('history.list', []),
      'event.list': keep('event.list', []),
      'ct.why': keep('ct.why', why),
    }
    for (const words of [
      'ct ls',
      'ct show 101',
      'pool ls',
      'pool show tank',
      'user ls',
      'id-ranges ls',
      'repo ls',
      'trash-bin ls',
      'op ls',
      'history',
      'event ls',
      'why ct 101',
    ]) {
      const { status, err } = await run([...words.split(' '), '--at', 'tank:7'], handlers)
      assert.equal(status, 0, `${words}: ${err}`)
    }
    assert.deepEqual(
      sent,
      Object.keys(handlers).map((method) => [method, { position: 'tank:7' }]),
    )
  })

  it('shows nothing that is measured now', async () => {
    const running = ctRow({ state: 'running', init_pid: 1, group_path: '' })
    const handlers = { 'ct.list': async () => [running] }
    const now = await run(['ct', 'ls', '-H', '-o', 'id,memory'], handlers)
    const then = await run(['ct', 'ls', '-H', '-o', 'id,memory,nproc', '--at', '7'], handlers)
    assert.match(now.out, /^101/)
    assert.match(then.out, /^101 +- +-\n$/)
  })

  it('of what is over is not followed', async () => {
    const { status, err } = await runAlone(['history', '-f', '--at', '7'])
    assert.equal(status, 64)
    assert.match(err, /^error: either --at or --follow/)
  })

  it('that is none is a usage error', async () => {
    const { status, err } = await runAlone(['ct', 'ls', '--at', 'noon-ish'])
    assert.equal(status, 64)
    assert.match(err, /^error: invalid value for --at: not a time: 'noon-ish' /)
  })
})
