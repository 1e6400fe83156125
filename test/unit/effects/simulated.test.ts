/** The simulated machine itself: what outlives a daemon, what a power cut takes, and that it is honest. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type HookReport, HostError } from '../../../src/effects/host.ts'
import { simulatedHost } from '../../../src/effects/simulated/host.ts'
import { brokenInvariants } from '../../../src/effects/simulated/invariants.ts'
import { fromJSON, SimulatedMachine, toJSON } from '../../../src/effects/simulated/machine.ts'
import { createSandbox, DEFAULT_REPOSITORY, sandboxLatency } from '../../../src/effects/simulated/sandbox.ts'
import type { SimulatedDataset } from '../../../src/effects/simulated/state.ts'
import {
  CT,
  containerDataset,
  contextOn,
  datasetsOf,
  essenceOf,
  newLab,
  ports,
  runContainer,
  spec,
} from './lab.ts'

const REF = { pool: 'tank', ...CT }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a helper that outlives its daemon', () => {
  it('may still do its work, unless its intent is fenced first', async () => {
    for (const fenced of [false, true]) {
      const lab = await newLab()
      const dying = lab.host((point) => (point.changes ? { crash: true, orphan: true } : 'ok'))
      void dying.zfs.create('tank/ct/a', { mount: true, properties: {} }, contextOn(dying).fence)
      const next = lab.host()
      assert.equal(await next.fence('some other'), 0)
      if (fenced) assert.equal(await next.fence(contextOn(next).intent), 1)
      assert.equal(lab.machine.finishHelpers(), fenced ? 0 : 1)
      assert.equal((await next.zfs.get('tank/ct/a'))?.mounted, !fenced)
    }
  })

  it('belongs to nobody after a daemon was killed in the middle of a call', async () => {
    const lab = await newLab()
    let wake: () => void = () => undefined
    const slow = { ...ports, sleep: () => new Promise<void>((resolve) => (wake = resolve)) }
    const host = simulatedHost(lab.machine, slow, { latency: () => 5 })
    let heard = false
    void host.zfs.snapshot('tank/ct@s', contextOn(host).fence).then(() => (heard = true))
    await turn()
    host.kill()
    wake()
    await turn()
    const next = lab.host()
    assert.equal(await next.zfs.get('tank/ct@s'), null)
    assert.equal(lab.machine.finishHelpers(), 1)
    assert.notEqual(await next.zfs.get('tank/ct@s'), null)
    assert.equal(heard, false)
  })
})

describe('a helper that is fenced while its daemon waits', () => {
  it('is cancelled, and leaves what its death leaves', async () => {
    const lab = await newLab()
    await containerDataset(lab)
    let wake: () => void = () => undefined
    const slow = { ...ports, sleep: () => new Promise<void>((resolve) => (wake = resolve)) }
    const host = simulatedHost(lab.machine, slow, { latency: (op) => (op === 'lxc.start' ? 300 : 0) })
    await host.materialise.container(spec, 'r1')
    const starting = host.lxc.start(spec, 'r1', 10, contextOn(host).fence)
    await turn()
    assert.equal((await host.lxc.inspect(REF)).state, 'starting')
    assert.equal(await host.fence(contextOn(host).intent), 1)
    assert.equal((await host.lxc.inspect(REF)).state, 'stopped')
    wake()
    await assert.rejects(starting, { code: 'E_ABORTED', failure: 'cancelled' })
    assert.equal((await host.lxc.inspect(REF)).state, 'stopped')
  })
})

describe('a daemon that died', () => {
  it('never hears an answer, a report or an error again', async () => {
    const lab = await newLab()
    const heard: string[] = []
    let crashes = 0
    const host = lab.host(
      (point) => (point.op === 'zfs.list' ? { crash: true } : 'ok'),
      () => crashes++,
    )
    await host.watchSpool((report) => heard.push(report.last))
    void host.zfs.list('tank').then(() => heard.push('answer'))
    void host.zfs.get('tank').then(() => heard.push('answer'))
    await runContainer(lab, 'r1')
    await turn()
    assert.deepEqual(heard, [])
    assert.equal(crashes, 1)
  })
})

describe('containers that act by themselves', () => {
  it('report a reboot and a stop in the spool, now and to who comes later', async () => {
    const lab = await newLab()
    await runContainer(lab, 'r1')
    const host = lab.host()
    const heard: HookReport[] = []
    const stop = await host.watchSpool((report) => heard.push(report))
    lab.machine.containerExits(REF, 'reboot')
    lab.machine.containerExits(REF, 'stop')
    await turn()
    const words = heard.map((report) => `${report.last} ${report.inits}`)
    assert.deepEqual(words, ['started 1', 'reboot 1', 'started 2', 'stop 2'])
    assert.notEqual(heard[0]?.initPid, heard[2]?.initPid)
    const late: string[] = []
    await lab.host().watchSpool((report) => late.push(report.last))
    assert.deepEqual(late, ['stop'])
    await stop()
    await host.close()
  })

  it('empty their cgroup without a report when the monitor is killed', async () => {
    const lab = await newLab()
    await runContainer(lab, 'r1')
    const host = lab.host()
    let emptied = 0
    const stop = host.watchRun(REF, () => emptied++)
    lab.machine.containerExits(REF, 'crash')
    await turn()
    assert.equal(emptied, 1)
    assert.equal(lab.machine.state.spool[`tank:${CT.id}`]?.last, 'started')
    assert.equal((await host.lxc.inspect(REF)).state, 'stopped')
    stop()
  })
})

describe('a power cut', () => {
  it('takes everything that ran and keeps everything that was synced', async () => {
    const lab = await newLab()
    await runContainer(lab, 'r1')
    const host = lab.host()
    const bootId = host.bootId()
    const before = datasetsOf(lab)
    lab.machine.powerCut()
    const next = lab.host()
    assert.notEqual(next.bootId(), bootId)
    assert.equal((await next.lxc.inspect(REF)).state, 'stopped')
    assert.deepEqual(lab.machine.state.derived, {})
    assert.deepEqual(lab.machine.state.spool, {})
    assert.deepEqual(datasetsOf(lab), before)
    assert.equal((await next.zfs.get('tank/ct'))?.mounted, true)
    assert.equal((await next.zfs.get('tank/ct/web'))?.mounted, false)
    assert.deepEqual(brokenInvariants(lab.machine.state), [])
  })
})

describe('faults', () => {
  it('can make the host say done to what it did not do', async () => {
    const lab = await newLab()
    const host = lab.host((point) => (point.phase === 'before' ? 'lie' : 'ok'))
    const before = essenceOf(lab)
    await host.zfs.snapshot('tank/ct@s', contextOn(host).fence)
    await host.zfs.create('tank/ct/a', { mount: true, properties: {} }, contextOn(host).fence)
    assert.deepEqual(essenceOf(lab), before)
  })

  it('can fail a call with any error of the port', async () => {
    const lab = await newLab()
    const error = { code: 'E_TIMEOUT', failure: 'permanent', message: 'took too long' } as const
    const host = lab.host((point) => (point.op === 'zfs.set' ? { error } : 'ok'))
    await assert.rejects(host.zfs.set('tank', { a: 'b' }), error)
  })
})

describe('a suspended or vanished pool', () => {
  it('takes no change until its disk is back', async () => {
    const lab = await newLab()
    const host = lab.host()
    lab.machine.setZpool('tank', { health: 'SUSPENDED' })
    const create = () => host.zfs.create('tank/ct/a', { mount: true, properties: {} }, contextOn(host).fence)
    await assert.rejects(create(), { code: 'E_IO', failure: 'transient' })
    assert.equal((await host.zfs.pool('tank'))?.health, 'SUSPENDED')
    lab.machine.setZpool('tank', { health: 'ONLINE' })
    await create()
  })
})

describe('the sandbox', () => {
  it('offers busybox and debian in the repository default, and times like a small machine', async () => {
    const machine = createSandbox()
    const host = simulatedHost(machine, ports)
    const index = await host.images.index(DEFAULT_REPOSITORY, new AbortController().signal)
    assert.match(JSON.stringify(index), /"busybox".*"debian"/)
    assert.equal(
      sandboxLatency('lxc.start', () => 0.5),
      300,
    )
    await assert.rejects(host.images.index('https://none.example', new AbortController().signal), {
      code: 'E_NETWORK',
      failure: 'transient',
    })
  })

  it('survives in a file, containers and all, and refuses a file that is something else', async () => {
    const lab = await newLab()
    await runContainer(lab, 'r1')
    let changes = 0
    lab.machine.onChange(() => changes++)
    lab.machine.setStubborn(CT.id, true)
    const copy = fromJSON(toJSON(lab.machine), { now: ports.now })
    assert.deepEqual(copy.state, lab.machine.state)
    assert.equal((await simulatedHost(copy, ports).lxc.inspect(REF)).runName, 'r1')
    assert.throws(() => fromJSON('{"format":2}'), /not a simulated machine/)
    await contextOn(lab.host()).host.zfs.mount('tank')
    assert.ok(changes > 0)
  })

  it('comes back from its file without the starts and stops that were under way', async () => {
    const lab = await newLab()
    await containerDataset(lab)
    const dying = lab.host((point) => (point.op === 'lxc.start' ? { crash: true, orphan: true } : 'ok'))
    await dying.materialise.container(spec, 'r1')
    void dying.lxc.start(spec, 'r1', 10, contextOn(dying).fence)
    assert.equal(lab.machine.container(REF)?.state, 'starting')
    assert.equal(fromJSON(toJSON(lab.machine)).container(REF), null)
    lab.machine.finishHelpers()
    const ct = lab.machine.container(REF)
    if (ct) ct.state = 'stopping'
    assert.equal(fromJSON(toJSON(lab.machine)).container(REF)?.state, 'running')
  })

  it('starts the debian image, whose init lies behind two symlinks', async () => {
    const machine = createSandbox()
    const host = simulatedHost(machine, ports)
    const context = contextOn(host)
    const file = `${DEFAULT_REPOSITORY}/v1/vpsadminos/minimal/x86_64/debian/13/image-archive.tar`
    for (const name of ['tank/log', 'tank/ct', 'tank/ct/web']) {
      await host.zfs.create(name, { mount: true, properties: {} }, context.fence)
    }
    await host.images.unpack(file, 'tank/ct/web', spec.map, context.fence)
    await host.materialise.pool('tank', 'tank')
    await host.materialise.container(spec, 'r1')
    await host.lxc.start(spec, 'r1', 10, context.fence)
    assert.equal(machine.container(REF)?.state, 'running')
    assert.equal(machine.state.datasets['tank/ct/web']?.files['private/etc/hostname'], 'web\n')
  })
})

const NAMES = ['tank', 'tank/a', 'tank/a/b', 'tank/c', 'tank/c/d', 'tank/e']
const name = fc.constantFrom(...NAMES)
const snap = fc.tuple(name, fc.constantFrom('s', 't')).map(([d, s]) => `${d}@${s}`)
const step = fc.oneof(
  fc.record({ op: fc.constant('create' as const), name }),
  fc.record({ op: fc.constant('clone' as const), name, snap }),
  fc.record({ op: fc.constant('snapshot' as const), snap }),
  fc.record({ op: fc.constant('rename' as const), name, to: name }),
  fc.record({ op: fc.constant('destroy' as const), name: fc.oneof(name, snap) }),
  fc.record({ op: fc.constant('unmount' as const), name }),
  fc.record({ op: fc.constant('powerCut' as const) }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

async function perform(machine: SimulatedMachine, s: Step): Promise<void> {
  const host = simulatedHost(machine, ports)
  const { fence } = contextOn(host)
  if (s.op === 'create') await host.zfs.create(s.name, { mount: true, properties: {} }, fence)
  else if (s.op === 'clone') await host.zfs.clone(s.snap, s.name, {}, fence)
  else if (s.op === 'snapshot') await host.zfs.snapshot(s.snap, fence)
  else if (s.op === 'rename') await host.zfs.rename(s.name, s.to, fence)
  else if (s.op === 'unmount') await host.zfs.unmount(s.name)
  else if (s.op === 'destroy') await host.zfs.destroy(s.name, (await host.zfs.get(s.name))?.guid ?? '', fence)
  else machine.powerCut()
  await host.close()
}

describe('the model of ZFS', () => {
  it('moves children and the origins of clones along with a dataset', async () => {
    const lab = await newLab()
    const host = lab.host()
    const { fence } = contextOn(host)
    for (const made of ['tank/image/a', 'tank/image/a/sub']) {
      await host.zfs.create(made, { mount: false, properties: {} }, fence)
    }
    await host.zfs.snapshot('tank/image/a/sub@s', fence)
    await host.zfs.clone('tank/image/a/sub@s', 'tank/ct/c', {}, fence)
    await host.zfs.rename('tank/image/a', 'tank/image/b', fence)
    assert.equal((await host.zfs.get('tank/ct/c'))?.origin, 'tank/image/b/sub@s')
    await assert.rejects(host.zfs.rename('tank/image/b', 'tank/image/b/sub/x', fence), { code: 'E_FAILED' })
    await assert.rejects(host.zfs.destroy('tank', (await host.zfs.get('tank'))?.guid ?? '', fence), {
      message: "cannot destroy 'tank': operation does not apply to pools",
    })
  })

  it('refuses a clone across pools', async () => {
    const lab = await newLab()
    lab.machine.addZpool('other')
    const host = lab.host()
    const { fence } = contextOn(host)
    await host.zfs.snapshot('tank/ct@s', fence)
    await assert.rejects(host.zfs.clone('tank/ct@s', 'other/c', {}, fence), {
      message: "cannot create 'other/c': source and target pools differ",
    })
  })

  it('tells of a dataset the user properties that were set on it, and the native ones that are in effect', async () => {
    const lab = await newLab()
    const host = lab.host()
    await host.zfs.set('tank', { 'org.example:mark': 'x', canmount: 'noauto', readonly: 'on' })
    const { fence } = contextOn(host)
    await host.zfs.snapshot('tank@s', fence, { 'org.example:other': 'y' })
    assert.deepEqual((await host.zfs.get('tank/ct'))?.properties, { readonly: 'on' })
    assert.deepEqual((await host.zfs.get('tank@s'))?.properties, { 'org.example:other': 'y' })
    await host.zfs.set('tank', { readonly: null })
    assert.deepEqual((await host.zfs.get('tank/ct'))?.properties, {})
  })
})

/** A rename unmounts before it is refused, as `zfs unmount` and `zfs rename -u` after one another do. */
const withoutMounts = (datasets: Readonly<Record<string, SimulatedDataset>>): unknown =>
  Object.values(datasets).map(({ mounted: _, directory: __, ...rest }) => rest)

describe('the model of ZFS, for any sequence of commands', () => {
  it('keeps a parent for each dataset, unique names and guids, and an origin for each clone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const machine = new SimulatedMachine()
        machine.addZpool('tank')
        for (const s of steps) {
          const before = structuredClone(machine.state.datasets)
          try {
            await perform(machine, s)
          } catch (error) {
            assert(error instanceof HostError)
            assert.deepEqual(
              withoutMounts(machine.state.datasets),
              withoutMounts(before),
              'a refusal changes nothing',
            )
          }
          assert.deepEqual(brokenInvariants(machine.state), [])
        }
      }),
      { numRuns: 150 },
    )
  })

  it('gives equal machines for equal calls', async () => {
    const made = []
    for (let n = 0; n < 2; n++) {
      const lab = await newLab()
      await containerDataset(lab)
      await runContainerAgain(lab.machine)
      made.push(toJSON(lab.machine))
    }
    assert.equal(made[0], made[1])
  })
})

async function runContainerAgain(machine: SimulatedMachine): Promise<void> {
  const host = simulatedHost(machine, ports)
  await host.materialise.container(spec, 'r1')
  await host.lxc.start(spec, 'r1', 10, contextOn(host).fence)
}
