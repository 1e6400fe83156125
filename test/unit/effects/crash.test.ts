/**
 * Every kind of effect, at every boundary of every port call that it makes: the daemon dies, or the host
 * fails, and what recovery is allowed to do (fence, probe, run again, undo) brings it to the end.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type EffectContext, isNone } from '../../../src/effects/effect.ts'
import { HostError } from '../../../src/effects/host.ts'
import type { Fault, FaultPoint } from '../../../src/effects/simulated/faults.ts'
import type { SimulatedHost } from '../../../src/effects/simulated/host.ts'
import { brokenInvariants } from '../../../src/effects/simulated/invariants.ts'
import { toJSON } from '../../../src/effects/simulated/machine.ts'
import {
  type Evidence,
  INTENT_KINDS,
  type IntentArgs,
  type IntentKind,
} from '../../../src/events/types/intents.ts'
import { datasetsOf, essenceOf, given, INTENT, type Lab, newLab } from './lab.ts'
import { type Scenario, scenarios } from './scenarios.ts'

type Prepared<K extends IntentKind> = { lab: Lab; args: IntentArgs<K> }

async function prepare<K extends IntentKind>(scenario: Scenario<K>): Promise<Prepared<K>> {
  const lab = await newLab({ laidOut: scenario.bare !== true })
  return { lab, args: await scenario.prepare(lab) }
}

/** What the machine is like after a run that nothing disturbed. */
async function undisturbed<K extends IntentKind>(scenario: Scenario<K>): Promise<unknown> {
  const { lab, args } = await prepare(scenario)
  await scenario.effect.run(args, lab.context(lab.host()))
  return essenceOf(lab)
}

/** The boundaries that a run crosses, counted by running it once. */
async function boundaries<K extends IntentKind>(scenario: Scenario<K>): Promise<FaultPoint[]> {
  const { lab, args } = await prepare(scenario)
  const seen: FaultPoint[] = []
  const host = lab.host((point) => {
    seen.push(point)
    return 'ok'
  })
  await scenario.effect.run(args, lab.context(host))
  return seen
}

/** Runs until the world stops at boundary n, or to the end. */
async function runUntil<K extends IntentKind>(
  scenario: Scenario<K>,
  { lab, args }: Prepared<K>,
  at: number,
  fault: Fault,
): Promise<Evidence<K> | HostError | 'crashed'> {
  let n = 0
  let crashed: () => void = () => undefined
  const crash = new Promise<'crashed'>((resolve) => {
    crashed = () => resolve('crashed')
  })
  const host = lab.host(
    () => (n++ === at ? fault : 'ok'),
    () => crashed(),
  )
  const run = scenario.effect.run(args, lab.context(host)).catch((error: unknown) => {
    if (error instanceof HostError) return error
    throw error
  })
  return await Promise.race([run, crash])
}

/** What the daemon does about an intent without outcome. */
async function settle<K extends IntentKind>(
  scenario: Scenario<K>,
  args: IntentArgs<K>,
  context: EffectContext,
): Promise<Evidence<K>> {
  const { effect } = scenario
  assert(!isNone(effect.probe))
  const probe = await effect.probe(args, context)
  if (probe.is === 'done') return probe.evidence
  assert.notEqual(probe.is, 'unknown', JSON.stringify(probe))
  if (probe.is === 'partial' && effect.idempotence === 'once') {
    assert(!isNone(effect.undo))
    await effect.undo(args, null, context)
  }
  return await effect.run(args, context)
}

async function assertEnded<K extends IntentKind>(
  scenario: Scenario<K>,
  { lab, args }: Prepared<K>,
  host: SimulatedHost,
): Promise<void> {
  const { effect } = scenario
  assert.deepEqual(brokenInvariants(lab.machine.state), [])
  assert.equal(lab.machine.helpers.size, 0)
  assert.deepEqual(essenceOf(lab), await undisturbed(scenario))
  if (scenario.kind === 'pool.layout' || isNone(effect.probe)) return
  assert.equal((await effect.probe(args, lab.context(host))).is, 'done')
}

function suite<K extends IntentKind>(scenario: Scenario<K>): void {
  const { effect, kind } = scenario
  describe(kind, () => {
    it('is done after run, and running again changes nothing', async () => {
      const { lab, args } = await prepare(scenario)
      const host = lab.host()
      const evidence = await effect.run(args, lab.context(host))
      await assertEnded(scenario, { lab, args }, host)
      const before = datasetsOf(lab)
      const again = await effect.run(args, lab.context(host))
      assert.deepEqual(datasetsOf(lab), before)
      if (kind !== 'lxc.stop' && kind !== 'pool.layout') assert.deepEqual(again, evidence)
    })

    it('is probed without changing anything, before and after', async () => {
      const { lab, args } = await prepare(scenario)
      const context = lab.context(lab.host())
      for (const ran of [false, true]) {
        if (ran) await effect.run(args, context)
        const before = toJSON(lab.machine)
        await given(effect.probe)(args, context)
        assert.equal(toJSON(lab.machine), before)
      }
    })

    it('ends well when the daemon dies at any boundary, its helper dead, alive, or fenced', async () => {
      const count = (await boundaries(scenario)).length
      for (const orphan of ['none', 'finishes', 'fenced'] as const) {
        for (let at = 0; at < count; at++) {
          const prepared = await prepare(scenario)
          const fault: Fault = { crash: true, orphan: orphan !== 'none' }
          assert.equal(await runUntil(scenario, prepared, at, fault), 'crashed')
          if (orphan === 'finishes') prepared.lab.machine.finishHelpers()
          const host = prepared.lab.host()
          await host.fence(INTENT)
          await settle(scenario, prepared.args, prepared.lab.context(host))
          await assertEnded(scenario, prepared, host)
        }
      }
    })

    it('ends well when any call fails, applied or not, and the intent is settled afterwards', async () => {
      const count = (await boundaries(scenario)).length
      for (const fault of ['fail-before', 'fail-after'] as const) {
        for (let at = 0; at < count; at++) {
          const prepared = await prepare(scenario)
          const outcome = await runUntil(scenario, prepared, at, fault)
          assert(outcome instanceof HostError)
          assert.equal(outcome.failure, 'transient')
          const host = prepared.lab.host()
          await settle(scenario, prepared.args, prepared.lab.context(host))
          await assertEnded(scenario, prepared, host)
        }
      }
    })

    it('is cancelled by its signal when a call hangs, and settled afterwards', async () => {
      const points = await boundaries(scenario)
      for (const [at, point] of points.entries()) {
        if (point.phase !== 'before' || !point.changes || point.intent === null) continue
        const prepared = await prepare(scenario)
        let n = 0
        const abort = new AbortController()
        const host = prepared.lab.host(() => (n++ === at ? 'hang' : 'ok'))
        const run = effect.run(prepared.args, prepared.lab.context(host, INTENT, abort.signal))
        setImmediate(() => abort.abort())
        await assert.rejects(run, { code: 'E_ABORTED', failure: 'cancelled' })
        await settle(scenario, prepared.args, prepared.lab.context(host))
        await assertEnded(scenario, prepared, host)
      }
    })

    if (!isNone(effect.undo)) undoSuite(scenario)
  })
}

function undoSuite<K extends IntentKind>(scenario: Scenario<K>): void {
  const { effect } = scenario
  const { undo } = effect
  if (isNone(undo)) return

  it('is undone, once or twice, to what was before', async () => {
    const { lab, args } = await prepare(scenario)
    const before = datasetsOf(lab)
    const context = lab.context(lab.host())
    const evidence = await effect.run(args, context)
    await undo(args, evidence, context)
    await undo(args, evidence, context)
    assert.deepEqual(datasetsOf(lab), before)
    assert(!isNone(effect.probe))
    const probe = await effect.probe(args, context)
    assert.equal(probe.is, 'not-started')
  })

  it('is undone without evidence after the daemon died at any boundary', async () => {
    const count = (await boundaries(scenario)).length
    for (let at = 0; at < count; at++) {
      const prepared = await prepare(scenario)
      const before = datasetsOf(prepared.lab)
      await runUntil(scenario, prepared, at, { crash: true, orphan: true })
      const host = prepared.lab.host()
      await host.fence(INTENT)
      await undo(prepared.args, null, prepared.lab.context(host))
      assert.deepEqual(datasetsOf(prepared.lab), before, `boundary ${at}`)
    }
  })
}

describe('every effect survives a crash at every boundary', () => {
  for (const kind of INTENT_KINDS) {
    const run = <K extends IntentKind>(name: K): void => suite<K>(scenarios[name])
    run(kind)
  }
})
