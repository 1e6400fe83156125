/** The kinds that start, stop and freeze containers, and those that concern a pool. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EffectContext } from '../../../src/effects/effect.ts'
import { lxcFreeze } from '../../../src/effects/kinds/lxc-freeze.ts'
import { lxcStart } from '../../../src/effects/kinds/lxc-start.ts'
import { lxcStop } from '../../../src/effects/kinds/lxc-stop.ts'
import { lxcThaw } from '../../../src/effects/kinds/lxc-thaw.ts'
import { POOL_LAYOUT, poolLayout } from '../../../src/effects/kinds/pool-layout.ts'
import { poolMark } from '../../../src/effects/kinds/pool-mark.ts'
import { simulatedHost } from '../../../src/effects/simulated/host.ts'
import {
  CT,
  containerDataset,
  contextOn,
  foreignDataset,
  given,
  type Lab,
  newLab,
  ports,
  runContainer,
} from './lab.ts'

const REF = { pool: 'tank', ...CT }
const start = { ...CT, run: 'r1', timeoutSeconds: 10 }
const stop = { ...CT, run: 'r1', mode: 'stop' as const, timeoutSeconds: 10 }

async function setUp(): Promise<{ lab: Lab; context: EffectContext }> {
  const lab = await newLab()
  return { lab, context: contextOn(lab.host()) }
}

describe('lxc.start', () => {
  it('materialises the derived state, starts init, and leaves a report in the spool', async () => {
    const { lab, context } = await setUp()
    await containerDataset(lab)
    const evidence = await lxcStart.run(start, context)
    assert.equal(evidence.bootId, lab.machine.state.bootId)
    assert.ok(
      Object.values(lab.machine.state.derived).some((text) => text.includes('lxc.idmap = u 0 1000000 65536')),
    )
    const report = lab.machine.state.spool[`tank:${CT.id}`]
    assert.deepEqual(
      report && { run: report.run, inits: report.inits, last: report.last, pid: report.initPid },
      {
        run: 'r1',
        inits: 1,
        last: 'started',
        pid: evidence.initPid,
      },
    )
  })

  it('does not take over a container that runs by another name, and undo does not kill it', async () => {
    const { lab, context } = await setUp()
    await runContainer(lab, 'theirs')
    await assert.rejects(lxcStart.run(start, context), { code: 'E_REFUSED', failure: 'permanent' })
    assert.equal((await given(lxcStart.probe)(start, context)).is, 'unknown')
    await given(lxcStart.undo)(start, null, context)
    assert.equal(lab.machine.container(REF)?.run, 'theirs')
  })

  it('is partial while its monitor runs without init, and undo kills that', async () => {
    const { lab } = await setUp()
    await containerDataset(lab)
    const dying = lab.host((point) => (point.op === 'lxc.start' ? { crash: true, orphan: true } : 'ok'))
    void lxcStart.run(start, contextOn(dying))
    await new Promise((resolve) => setImmediate(resolve))
    const context = contextOn(lab.host())
    assert.equal((await given(lxcStart.probe)(start, context)).is, 'partial')
    await given(lxcStart.undo)(start, null, context)
    assert.equal(lab.machine.container(REF), null)
  })

  it('fails for good without an init to run, and leaves nothing running', async () => {
    const { lab, context } = await setUp()
    await foreignDataset(lab, 'tank/ct/web')
    await assert.rejects(lxcStart.run(start, context), {
      code: 'E_FAILED',
      failure: 'permanent',
      message: 'lxc-start: web: Failed to exec "/sbin/init": No such file or directory',
    })
    assert.equal(lab.machine.container(REF), null)
  })

  it('fails when the start takes longer than allowed', async () => {
    const { lab } = await setUp()
    await containerDataset(lab)
    const host = simulatedHost(lab.machine, ports, { latency: (op) => (op === 'lxc.start' ? 11_000 : 0) })
    await assert.rejects(lxcStart.run(start, contextOn(host)), { code: 'E_TIMEOUT' })
    assert.equal(lab.machine.container(REF), null)
  })

  it('is done, with the same evidence, when the container was frozen since', async () => {
    const { lab, context } = await setUp()
    await containerDataset(lab)
    const evidence = await lxcStart.run(start, context)
    await lxcFreeze.run({ ...CT, run: 'r1' }, context)
    assert.deepEqual(await given(lxcStart.probe)(start, context), { is: 'done', evidence })
  })
})

describe('lxc.stop', () => {
  it('stops cleanly, by force a stubborn init, at once when asked, and not at all when gone', async () => {
    for (const [stubborn, mode, how] of [
      [false, 'stop', 'clean'],
      [true, 'stop', 'killed'],
      [false, 'kill', 'killed'],
    ] as const) {
      const { lab, context } = await setUp()
      await runContainer(lab, 'r1')
      lab.machine.setStubborn(CT.id, stubborn)
      assert.deepEqual(await lxcStop.run({ ...stop, mode }, context), { how })
      assert.deepEqual(await lxcStop.run({ ...stop, mode }, context), { how: 'gone' })
      assert.equal(lab.machine.state.spool[`tank:${CT.id}`]?.last, 'stop')
    }
  })

  it('does not force what was asked to be a shutdown', async () => {
    const { lab, context } = await setUp()
    await runContainer(lab, 'r1')
    lab.machine.setStubborn(CT.id, true)
    await assert.rejects(lxcStop.run({ ...stop, mode: 'shutdown' }, context), {
      code: 'E_TIMEOUT',
      failure: 'permanent',
    })
    assert.equal(lab.machine.container(REF)?.state, 'running')
  })

  it('refuses to shut a frozen container down, and kills it when told to stop it', async () => {
    const { lab, context } = await setUp()
    await runContainer(lab, 'r1')
    await lxcFreeze.run({ ...CT, run: 'r1' }, context)
    await assert.rejects(lxcStop.run({ ...stop, mode: 'shutdown' }, context), {
      code: 'E_REFUSED',
      message: 'The container is frozen, unable to shutdown',
    })
    assert.deepEqual(await lxcStop.run(stop, context), { how: 'killed' })
  })

  it('does not stop another run of the container', async () => {
    const { lab, context } = await setUp()
    await runContainer(lab, 'theirs')
    await assert.rejects(lxcStop.run(stop, context), { code: 'E_REFUSED', failure: 'refused' })
    assert.equal((await given(lxcStop.probe)(stop, context)).is, 'unknown')
  })

  it('can be overtaken by a kill', async () => {
    const { lab } = await setUp()
    await runContainer(lab, 'r1')
    lab.machine.setStubborn(CT.id, true)
    let wake: () => void = () => undefined
    const asleep = new Promise<void>((resolve) => {
      wake = resolve
    })
    const host = simulatedHost(lab.machine, { ...ports, sleep: () => asleep })
    const stopping = lxcStop.run(stop, contextOn(host))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(lab.machine.container(REF)?.state, 'stopping')
    assert.deepEqual(await lxcStop.run({ ...stop, mode: 'kill' }, contextOn(lab.host(), 'other.1')), {
      how: 'killed',
    })
    wake()
    assert.deepEqual(await stopping, { how: 'gone' })
  })
})

describe('lxc.freeze and lxc.thaw', () => {
  const args = { ...CT, run: 'r1' }

  it('fail for good on a container that is stopped, and say in a probe that they did not start', async () => {
    const { lab, context } = await setUp()
    await containerDataset(lab)
    for (const effect of [lxcFreeze, lxcThaw]) {
      await assert.rejects(effect.run(args, context), {
        code: 'E_NOT_RUNNING',
        failure: 'permanent',
        message: 'web is not running',
      })
      assert.deepEqual(await given(effect.probe)(args, context), { is: 'not-started' })
      await given(effect.undo)(args, null, context)
    }
  })

  it('leave another run alone', async () => {
    const { lab, context } = await setUp()
    await runContainer(lab, 'theirs')
    for (const effect of [lxcFreeze, lxcThaw]) {
      await assert.rejects(effect.run(args, context), { code: 'E_REFUSED', failure: 'refused' })
      assert.equal((await given(effect.probe)(args, context)).is, 'unknown')
      await given(effect.undo)(args, {}, context)
    }
    assert.equal(lab.machine.container(REF)?.state, 'running')
  })
})

describe('pool.layout', () => {
  it('makes what is missing and repairs modes, in a scoped dataset too', async () => {
    const lab = await newLab({ laidOut: false })
    const host = lab.host()
    await foreignDataset(lab, 'tank/sub')
    const context = { ...contextOn(host), dataset: 'tank/sub', directory: '/tank/sub' }
    const first = await poolLayout.run({}, context)
    assert.deepEqual(first.created, Object.keys(POOL_LAYOUT))
    const ct = lab.machine.state.datasets['tank/sub/ct']
    if (ct) ct.modes['.'] = 0o777
    assert.deepEqual(await poolLayout.run({}, context), { created: [] })
    assert.equal(lab.machine.state.datasets['tank/sub/ct']?.modes['.'], 0o511)
  })

  it('mounts its own datasets and none of the containers in them', async () => {
    const { lab } = await setUp()
    await containerDataset(lab)
    lab.machine.powerCut({ boot: false })
    await poolLayout.run({}, contextOn(lab.host()))
    assert.equal(lab.machine.state.datasets['tank/ct']?.mounted, true)
    assert.equal(lab.machine.state.datasets['tank/ct/web']?.mounted, false)
  })
})

describe('pool.mark', () => {
  it('marks, scopes and unmarks the pool, which is then found or not', async () => {
    const { lab, context } = await setUp()
    await foreignDataset(lab, 'tank/sub')
    await poolMark.run({ active: true, dataset: 'tank/sub' }, context)
    const [marked] = await context.host.zfs.markedPools()
    assert.equal(marked?.dataset, 'tank/sub')
    assert.equal(marked?.mounted, true)
    await poolMark.run({ active: true, dataset: null }, context)
    assert.equal((await context.host.zfs.markedPools())[0]?.dataset, 'tank')
    await poolMark.run({ active: false, dataset: null }, context)
    assert.deepEqual(await context.host.zfs.markedPools(), [])
  })

  it('gives up for good on a read-only pool, and is in doubt without the pool', async () => {
    const { lab, context } = await setUp()
    lab.machine.setZpool('tank', { readOnly: true })
    const args = { active: true, dataset: null }
    await assert.rejects(poolMark.run(args, context), { code: 'E_READ_ONLY', failure: 'permanent' })
    const elsewhere = { ...context, pool: 'none' }
    assert.equal((await given(poolMark.probe)(args, elsewhere)).is, 'unknown')
    await given(poolMark.undo)(args, null, elsewhere)
  })
})
