/** Why a container is as it is, asked after whatever can happen to one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Why } from '../../src/rpc/results.ts'
import { NOTHING } from './boundary.ts'
import { inside, row, running, scene } from './scenes.ts'
import type { World } from './world.ts'

const alice = { sudoUser: 'alice', sshClient: '10.0.0.5', reason: 'ticket 7' }
const ALICE = /^alice from 10\.0\.0\.5 gave the command: (.*) \(reason: ticket 7\)$/

const SIGN = /^the last that is known of the boot before: ./

const why = async (world: World, id: string, column = 'state', value?: string): Promise<Why> =>
  (await world.must('ct.why', { id, column, ...(value === undefined ? {} : { value }) })).result as Why

/** Sentences of the links, the newest first, each fitting its pattern. */
function tells({ links }: Why, ...patterns: RegExp[]): void {
  const sentences = links.map(({ what }) => what)
  assert.equal(sentences.length, patterns.length, sentences.join('\n'))
  for (const [i, pattern] of patterns.entries())
    assert.match(sentences[i] ?? '', pattern, sentences.join('\n'))
  const seqs = links.map(({ position }) => Number(position.split(':')[1]))
  assert.deepEqual(
    seqs,
    seqs.toSorted((a, b) => b - a),
  )
}

/** What `why` says of the present is what `show` says. */
async function agrees(world: World, id: string): Promise<void> {
  const shown = await row(world, id)
  for (const [column, value] of Object.entries(shown)) {
    if (column === 'attrs') continue
    const text = value === null || value === '' ? '-' : String(value)
    assert.equal((await why(world, id, column)).present, text, column)
  }
}

async function web(): Promise<World> {
  const world = await scene()
  await world.must('ct.new', { id: 'web', distribution: 'busybox' })
  await world.must('ct.start', { id: 'web', meta: alice })
  return world
}

describe('Why it is so', () => {
  it('leads from a start to the command and the person', async () => {
    const world = await web()
    const answer = await why(world, 'web')
    assert.deepEqual([answer.present, answer.value, answer.until], ['running', 'running', null])
    tells(answer, /^it started \(init \d+\)$/, ALICE)
    tells(await why(world, 'web', 'running'), /^it started/, ALICE)
    await agrees(world, 'web')
  })

  it('leads from a death to the run that ended with it', async () => {
    const world = await web()
    inside(world, 'web', 'crash')
    await world.settle()
    tells(await why(world, 'web'), /^it died: .* nobody had asked for it \(found so by osctld\)$/, ALICE)
    await agrees(world, 'web')
  })

  it('names who was inside when it shut down, and nobody who had left before', async () => {
    const world = await web()
    const exec = async (program: string) =>
      (await world.must('ct.exec', { id: 'web', program, meta: { sudoUser: 'eve' } })).result as {
        session: string
      }
    const { session } = await exec('ls')
    await world.must('ct.session-ended', { session, status: 0 })
    await world.pass(60_000)
    await exec('poweroff')
    inside(world, 'web', 'stop')
    await world.settle()
    const answer = await why(world, 'web', 'running')
    tells(answer, /^it shut down from inside/, /^eve was inside: ct exec: poweroff$/, ALICE)
    assert.equal(answer.links[1]?.actor, 'eve')
  })

  it('leads from a power cut to the last sign of the boot before', async () => {
    const world = await web()
    world.powerCut()
    await world.boot()
    await world.settle()
    tells(await why(world, 'web'), /^stopped: the host died$/, /^pool imported after the host died$/, SIGN)
    await agrees(world, 'web')
  })

  it('leads from an autostart over its plan to the power cut', async () => {
    const world = await web()
    await world.must('ct.set', { id: 'web', set: { autostart: { priority: 1, delay: 0 } }, meta: alice })
    world.powerCut()
    await world.boot()
    await world.settle()
    const answer = await why(world, 'web')
    assert.equal(answer.present, 'running')
    tells(
      answer,
      /^it started/,
      /^system:autostart gave the command: ct start web$/,
      /^autostart of 1 container was planned$/,
      /^pool imported after the host died$/,
      SIGN,
    )
    tells(await why(world, 'web', 'autostart'), /^set autostart: - → \{.*\}$/, ALICE)
    await agrees(world, 'web')
  })

  it('tells why nothing started it again: who took its autostart away, when, and with which command', async () => {
    const cases: [string, (world: World) => Promise<unknown>, RegExp, boolean][] = [
      [
        'never',
        async () => undefined,
        /^not started again: no autostart, and nobody ever gave it one$/,
        false,
      ],
      [
        'taken away',
        async (world) => {
          await world.must('ct.set', { id: 'web', set: { autostart: { priority: 1, delay: 0 } } })
          await world.must('ct.set', { id: 'web', set: { autostart: null }, meta: alice })
          await world.must('ct.set', { id: 'web', set: { hostname: 'x' } })
        },
        /^not started again: no autostart$/,
        true,
      ],
    ]
    for (const [name, prepare, what, isLinked] of cases) {
      const world = await web()
      await prepare(world)
      world.powerCut()
      await world.boot()
      await world.must('ct.set', { id: 'web', set: { autostart: { priority: 9, delay: 0 } } })
      await world.settle()
      const { not_started: not } = await why(world, 'web')
      assert.match(not?.what ?? '', what, name)
      assert.equal(not?.since !== null, isLinked)
      if (isLinked) {
        assert.match(not?.links[0]?.what ?? '', /^set autostart: \{.*\} → -$/)
        assert.match(not?.links[1]?.what ?? '', ALICE)
      } else assert.deepEqual(not?.links, [])
    }
  })

  it('tells that nothing was to start, that it failed, and nothing of one that runs again', async () => {
    const world = await web()
    await world.must('ct.set', { id: 'web', set: { autostart: { priority: 1, delay: 0 } } })
    world.powerCut()
    await world.boot({ autostart: false })
    await world.settle()
    assert.match((await why(world, 'web')).not_started?.what ?? '', /osctl\.autostart=0 or --no-autostart/)
    await world.must('pool.autostart-trigger', { name: 'tank' })
    await world.settle()
    assert.equal((await why(world, 'web')).not_started, null)
    world.powerCut()
    world.plan = ({ what, phase }) =>
      what === 'lxc.start' && phase === 'before'
        ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
        : NOTHING
    await world.boot()
    await world.pass(120_000)
    assert.match(
      (await why(world, 'web', 'running', 'false')).links[0]?.what ?? '',
      /^stopped: the host died$/,
    )
    const { not_started: not } = await why(world, 'web', 'running', 'false')
    assert.equal(not?.what, 'not started again: failed: injected E_FAILED')
  })

  it('leads from a restarted daemon that found it running to the start', async () => {
    const world = await web()
    world.kill()
    await world.boot()
    await world.settle()
    tells(await why(world, 'web', 'running'), /^it started/, ALICE)
    await agrees(world, 'web')
  })

  it('leads from a failed start to the failure and the command', async () => {
    const world = await web()
    await world.must('ct.stop', { id: 'web' })
    world.plan = ({ what, phase }) =>
      what === 'lxc.start' && phase === 'before'
        ? { do: 'error', code: 'E_FAILED', failure: 'permanent' }
        : NOTHING
    await world.call('ct.start', { id: 'web', meta: alice })
    world.plan = () => NOTHING
    tells(await why(world, 'web'), /^lxc\.start failed: ./, ALICE)
  })

  it('leads from the export of a pool to who exported it', async () => {
    const world = await web()
    await world.must('pool.export', { name: 'tank', force: true, meta: alice })
    await world.must('pool.import', { name: 'tank', autostart: false })
    tells(
      await why(world, 'web'),
      /^it stopped \(clean\)$/,
      /^system:shutdown gave the command: ct stop web$/,
      /^the pool was to be exported$/,
      ALICE,
    )
  })

  it('tells of a setting who set it, and of an earlier value when it held', async () => {
    const world = await web()
    for (const hostname of ['one', 'two', 'three'])
      await world.must('ct.set', { id: 'web', set: { hostname }, meta: { sudoUser: hostname } })
    const now = await why(world, 'web', 'hostname')
    tells(now, /^set hostname: "two" → "three"$/, /^three gave the command/)
    const earlier = await why(world, 'web', 'hostname', 'one')
    assert.deepEqual([earlier.present, earlier.value], ['three', 'one'])
    assert.ok(earlier.until !== null)
    tells(earlier, /^set hostname: - → "one"$/, /^one gave the command/)
    const never = await why(world, 'web', 'hostname', 'four')
    assert.deepEqual([never.links, never.since], [[], null])
    await world.must('ct.set', { id: 'web', set: { attrs: { 'my.org:owner': 'eve' } } })
    tells(await why(world, 'web', 'my.org:owner'), /^set my\.org:owner: - → "eve"$/, /gave the command/)
  })

  it('tells why it was down when it runs again, and why a container is gone', async () => {
    const world = await web()
    inside(world, 'web', 'crash')
    await world.settle()
    await world.must('ct.start', { id: 'web' })
    const down = await why(world, 'web', 'running', 'false')
    assert.equal(down.present, 'true')
    tells(down, /^it died/, ALICE)
    await world.must('ct.delete', { id: 'web', force: true, meta: alice })
    const gone = await why(world, 'web')
    assert.equal(gone.present, 'gone')
    tells(gone, /^its dataset was moved to the trash$/, ALICE)
  })

  it('holds across segments and baselines, and refuses what is no column', async () => {
    const world = await web()
    await running(world, 'other')
    const before = await why(world, 'web')
    await world.until(world.daemon.pools.get('tank')?.upkeep.seal() ?? assert.fail())
    assert.deepEqual(await why(world, 'web'), before)
    await world.must('ct.freeze', { id: 'web' })
    tells(await why(world, 'web'), /^it was frozen$/, /gave the command: ct freeze web$/)
    const { error } = await world.call('ct.why', { id: 'web', column: 'colour' })
    assert.equal(error?.code, 'E_COLUMN')
    assert.match(error?.message ?? '', /legal: pool, id, .*running, or vendor:key/)
  })
})
