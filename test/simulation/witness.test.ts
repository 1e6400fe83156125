/** Heads go to their witnesses at their own pace, a witness that fails stalls nothing, and one that keeps them tells. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { VerifyRow, WitnessRow } from '../../src/rpc/proof.ts'
import type { HealthRow } from '../../src/rpc/results.ts'
import { assertWell, count, running, scene } from './scenes.ts'
import type { World } from './world.ts'

const MINUTE = 60_000
const ANCHORED = 70_000
const SSH = 'ssh:root@node2'

const rows = async (world: World): Promise<WitnessRow[]> =>
  (await world.must('witness.list', {})).result as WitnessRow[]
const rowOf = async (world: World, name: string): Promise<WitnessRow> => {
  const found = (await rows(world)).find((row) => row.name === name)
  assert.ok(found)
  return found
}
const sentTo = (world: World, to: string): string[] =>
  world.machine.messages.filter((message) => message.to === to).map(({ text }) => text)
const seqs = (world: World, to: string): number[] =>
  sentTo(world, to).map((text) => (JSON.parse(text) as { seq: number }).seq)
const set = (world: World, hostname: string) => world.must('ct.set', { id: 'web', set: { hostname } })
const headNow = (world: World): number => [...world.disks.named('tank').rows()].length
const health = async (world: World): Promise<string[]> =>
  ((await world.must('healthcheck', {})).result as HealthRow[])
    .filter(({ entity }) => entity === 'witness')
    .map(({ id, problem }) => `${id}: ${problem}`)

async function witnessed(...targets: string[]): Promise<World> {
  const world = await scene()
  await running(world, 'web')
  for (const [index, target] of targets.entries())
    await world.must('witness.add', { name: `w${index}`, target })
  return world
}

describe('A head', () => {
  it('goes to syslog unasked, and to every witness, when it was anchored, at export, and never when idle', async () => {
    const world = await witnessed(SSH, 'https://notary.example.org/heads', 'syslog:logs')
    assert.deepEqual(
      (await rows(world)).map(({ state }) => state),
      ['new', 'new', 'new'],
    )
    await world.pass(ANCHORED)
    const seq = headNow(world)
    assert.deepEqual(seqs(world, 'ssh:node2'), [seq])
    assert.deepEqual(seqs(world, 'https://notary.example.org/heads'), [seq])
    for (const to of ['syslog', 'syslog:logs'])
      assert.match(
        sentTo(world, to).at(-1) ?? '',
        new RegExp(`^log head pool=tank guid=\\d+ seq=${seq} hash=[0-9a-f]{64}$`),
      )
    const row = await rowOf(world, 'w0')
    assert.deepEqual([row.state, row.error, row.target], ['ok', null, SSH])
    assert.match(row.last_head ?? '', new RegExp(`^${seq}:[0-9a-f]{16}$`))
    const before = world.machine.messages.length
    await world.pass(10 * MINUTE)
    assert.equal(world.machine.messages.length, before, 'nothing happened, nothing is sent')
    assert.equal(headNow(world), seq, 'and sending appended nothing')
    await world.must('pool.export', { name: 'tank', force: true })
    assert.equal(seqs(world, 'ssh:node2').at(-1), headNow(world), 'the last word')
  })

  it('goes to witnesses that witness ls --at names as they were, without what was sent', async () => {
    const world = await witnessed(SSH, 'syslog:logs')
    await world.pass(ANCHORED)
    const was = await rows(world)
    const at = { position: `tank:${headNow(world)}` }
    await world.must('witness.delete', { name: 'w0' })
    await world.must('witness.add', { name: 'later', target: 'syslog' })
    const then = (await world.must('witness.list', { at })).result
    const unsent = { state: null, last_head: null, sent_at: null, failures: null, error: null }
    assert.deepEqual(
      then,
      was.map((row) => ({ ...row, ...unsent })),
    )
  })

  it('is the newest alone, at most one in ten seconds', async () => {
    const world = await witnessed(SSH)
    await world.pass(ANCHORED)
    const start = world.machine.messages.length
    for (let i = 0; i < 30; i++) {
      for (let j = 0; j < 340; j++) await set(world, `h${i}-${j}`)
      await world.pass(1000)
    }
    const sent = world.machine.messages.slice(start).filter(({ to }) => to === 'ssh:node2')
    assert.ok(sent.length >= 2 && sent.length <= 4, `${sent.length} in 30 s`)
    await world.pass(2 * MINUTE)
    assert.equal(seqs(world, 'ssh:node2').at(-1), headNow(world))
  })
})

describe('A witness that fails', () => {
  it('stalls nothing, is shown with why, and gets the newest head when it is back', async () => {
    const world = await witnessed(SSH, 'syslog:logs')
    world.machine.deaf.add('ssh:node2')
    await world.pass(ANCHORED)
    const failing = await rowOf(world, 'w0')
    assert.equal(failing.state, 'failing')
    assert.match(failing.error ?? '', /Connection refused/)
    assert.equal((await rowOf(world, 'w1')).state, 'ok', 'the other one is not kept waiting')
    assert.match(
      (await health(world)).join(),
      /^w0: ssh:root@node2 does not take heads: .*Connection refused/,
    )
    const { error } = await world.call('witness.test', { name: 'w0' })
    assert.match(error?.message ?? '', /Connection refused/)
    await set(world, 'later')
    await world.pass(30 * MINUTE)
    const attempts = (await rowOf(world, 'w0')).failures
    assert.ok(attempts !== null && attempts > 5 && attempts < 20, `${attempts} attempts in half an hour`)
    world.machine.deaf.clear()
    await world.pass(11 * MINUTE)
    assert.deepEqual(seqs(world, 'ssh:node2'), [headNow(world)])
    assert.deepEqual([(await rowOf(world, 'w0')).state, await health(world)], ['ok', []])
  })

  it('that never answers keeps neither a command nor an export', async () => {
    const world = await witnessed(SSH)
    world.plan = ({ what, phase }) =>
      what === 'messages.send' && phase === 'before' ? { do: 'hang' } : { do: 'nothing' }
    await world.pass(ANCHORED)
    const from = world.time.now
    await set(world, 'quick')
    assert.ok(world.time.now - from < 1000)
    await world.must('pool.export', { name: 'tank', force: true })
    assert.ok(world.time.now - from < 10_000)
  })

  it('is sent to no more once it was deleted, and one of another address begins anew', async () => {
    const world = await witnessed(SSH)
    world.machine.deaf.add('ssh:node2')
    await world.pass(ANCHORED)
    await world.must('witness.delete', { name: 'w0' })
    await world.must('witness.add', { name: 'w0', target: 'ssh:node3' })
    assert.equal((await rowOf(world, 'w0')).state, 'new')
    world.machine.deaf.clear()
    await world.pass(20 * MINUTE)
    assert.deepEqual([seqs(world, 'ssh:node2'), seqs(world, 'ssh:node3')], [[], [headNow(world)]])
  })
})

describe('Witnesses', () => {
  it('are settings of the pool: there after a death and a seal, refused twice, taken back by revert', async () => {
    const world = await witnessed(SSH)
    const pool = world.daemon.pools.get('tank')
    assert.ok(pool)
    await world.until(pool.upkeep.seal())
    world.kill()
    await world.boot()
    assert.deepEqual(
      (await rows(world)).map(({ name, target }) => [name, target]),
      [['w0', SSH]],
    )
    const again = await world.must('witness.add', { name: 'w0', target: SSH })
    assert.equal((again.result as { result: string }).result, 'noop')
    const other = await world.call('witness.add', { name: 'w0', target: 'syslog' })
    assert.equal(other.error?.code, 'E_WITNESS_EXISTS')
    assert.equal((await world.call('witness.delete', { name: 'w7' })).error?.code, 'E_WITNESS_NOT_FOUND')
    assert.equal((await world.call('witness.test', { name: 'w7' })).error?.code, 'E_WITNESS_NOT_FOUND')
    const { result } = await world.must('witness.delete', { name: 'w0' })
    assert.deepEqual(await rows(world), [])
    await world.must('revert', { what: (result as { position: string }).position })
    assert.deepEqual(
      (await rows(world)).map(({ name, target }) => [name, target]),
      [['w0', SSH]],
    )
    await assertWell(world)
  })

  it('are given in one line or refused in one', async () => {
    const world = await scene()
    const { error } = await world.call('witness.add', { name: 'w', target: 'https://u:p@a/' })
    assert.deepEqual([error?.kind, error?.code], ['invalid', 'E_WITNESS'])
    for (let i = 0; i < 16; i++) await world.must('witness.add', { name: `w${i}`, target: `ssh:node${i}` })
    assert.equal(
      (await world.call('witness.add', { name: 'more', target: 'syslog' })).error?.code,
      'E_TOO_MANY',
    )
  })
})

describe('Another host as the witness', () => {
  /** What was sent to it arrives there. */
  async function arrived(from: World, at: World): Promise<(string | null)[]> {
    const complaints: (string | null)[] = []
    for (const text of sentTo(from, 'ssh:node2')) {
      const { complaint } = (await at.must('witness.keep', JSON.parse(text))).result as {
        complaint: string | null
      }
      complaints.push(complaint)
      await at.pass(MINUTE)
    }
    return complaints
  }
  const kept = async (at: World): Promise<{ guid: string; seq: number; hash: string }[]> =>
    (
      (await at.must('witness.heads', { of: 'tank' })).result as { guid: string; seq: number; hash: string }[]
    ).map(({ guid, seq, hash }) => ({ guid, seq, hash }))

  it('keeps heads that verify accepts, and by which it tells a log that was cut or written anew', async () => {
    const node1 = await witnessed(SSH)
    await node1.pass(ANCHORED)
    await set(node1, 'a')
    await node1.pass(ANCHORED)
    const node2 = await scene({ seed: 9n })
    assert.deepEqual(await arrived(node1, node2), [null, null])
    node2.kill()
    await node2.boot()
    const against = await kept(node2)
    assert.equal(against.length, 2)
    const verdict = async (): Promise<VerifyRow | undefined> =>
      ((await node1.must('event.verify', { against })).result as VerifyRow[])[0]
    assert.equal((await verdict())?.result, 'ok')
    // Root takes back the end of the log, and every anchor on the pool with it.
    node1.kill()
    node1.disks.named('tank').discard(2)
    const properties = node1.machine.state.datasets['tank']?.properties
    if (properties) delete properties['org.vpsadminos.osctl:head']
    await node1.boot()
    // It went on from there, so another event stands where the head was.
    assert.equal((await verdict())?.result, 'replaced')
  })

  it('says so as soon as a head comes that does not fit what it kept', async () => {
    const node2 = await scene()
    const head = { pool: 'tank', guid: '77', seq: 9, hash: 'a'.repeat(64), time: 1 }
    const keep = async (more: object): Promise<string> =>
      ((await node2.must('witness.keep', { ...head, ...more })).result as { complaint: string | null })
        .complaint ?? 'well'
    assert.equal(await keep({}), 'well')
    assert.equal(await keep({}), 'well')
    assert.match(await keep({ hash: 'b'.repeat(64) }), /another log than before: event 9/)
    assert.match(await keep({ seq: 8 }), /its end is lost.*event 9 was its head/)
    assert.equal(await keep({ seq: 8, guid: '78' }), 'well', 'of another log')
    const newest = (await node2.must('witness.heads', { of: '77', limit: 1 })).result as { seq: number }[]
    assert.deepEqual(
      newest.map(({ seq }) => seq),
      [8],
      'the newest of this log, though another came since',
    )
    node2.kill()
    await node2.boot()
    assert.match(await keep({ seq: 5 }), /event 9 was its head/, 'another daemon knows it too')
    assert.equal(count(node2, 'HeadKept'), 6, 'all of it is kept: it is what was said')
    await assertWell(node2)
  })

  it('is not flooded, and two hosts that witness each other come to rest', async () => {
    const node2 = await witnessed('ssh:node1')
    await node2.pass(ANCHORED)
    const sent = node2.machine.messages.length
    const head = { pool: 'tank', guid: '77', hash: 'a'.repeat(64), time: 1 }
    for (let seq = 1; seq <= 20; seq++) await node2.must('witness.keep', { ...head, seq })
    const { error } = await node2.call('witness.keep', { ...head, seq: 21 })
    assert.equal(error?.code, 'E_TOO_MANY')
    await node2.pass(10 * MINUTE)
    assert.equal(node2.machine.messages.length, sent, 'heads that are kept are not answered with heads')
    await node2.must('witness.keep', { ...head, seq: 21 })
  })
})
