/**
 * Settling what a death interrupted.
 *
 * Every intent without an outcome is fenced first: its cgroup is emptied, so that no helper that outlived
 * the daemon can still apply it behind our back. Only then is it probed, and settled by what is there:
 * done, to be run again, to be undone, or in doubt for the admin. Until then its container takes no
 * changes, because its operation is open; every other container works at once.
 */

import { type EffectKind, isNone, type Probe } from '../effects/effect.ts'
import type { HookReport } from '../effects/host.ts'
import type { Fact } from '../events/types/events.ts'
import { ctIdOfStream, type StreamId } from '../events/types/ids.ts'
import type { Evidence, IntentArgs, IntentKind } from '../events/types/intents.ts'
import type { Fold } from '../machines/fold.ts'
import { streamOfCt } from '../machines/fold.ts'
import type { PendingIntent } from '../machines/operation.ts'
import { classify, type Engine } from './engine.ts'
import type { Journal } from './journal.ts'
import type { DaemonPorts } from './ports.ts'

export type Settled = { readonly settled: number; readonly inDoubt: number }
type Open = { readonly stream: StreamId; readonly pending: PendingIntent }

/** Every intent that the fold left without an outcome. @pure */
export function openIntents(fold: Fold): Open[] {
  const found: Open[] = []
  const poolPending = fold.states.pool().context.op?.pending
  if (poolPending) found.push({ stream: 'pool', pending: poolPending })
  for (const ct of fold.states.all()) {
    const pending = ct.context.op?.pending
    if (pending && !fold.quarantined.has(streamOfCt(ct))) found.push({ stream: streamOfCt(ct), pending })
  }
  return found
}

/** What hooks said of containers while nobody listened, by container id. */
export type Reports = ReadonlyMap<string, HookReport>

/** Settles all open intents, each on its own; those that are in doubt already wait for the admin. */
export async function recover(
  ports: DaemonPorts,
  journal: Journal,
  engine: Engine,
  reports: Reports,
): Promise<Settled> {
  const results = await Promise.all(
    openIntents(journal.fold).map(async ({ stream, pending }) => {
      if (pending.inDoubt !== null) return 'in-doubt'
      return await settle(ports, journal, engine, stream, pending, reports)
    }),
  )
  return {
    settled: results.filter((result) => result === 'settled').length,
    inDoubt: results.filter((result) => result === 'in-doubt').length,
  }
}

/** Fences, probes and settles one intent. Never throws: what goes wrong puts the intent in doubt. */
export async function settle(
  ports: DaemonPorts,
  journal: Journal,
  engine: Engine,
  stream: StreamId,
  pending: PendingIntent,
  reports: Reports,
): Promise<'settled' | 'in-doubt'> {
  const facts: Fact[] = []
  try {
    const processes = await ports.host.fence(pending.intent)
    if (processes > 0) facts.push({ type: 'EffectFenced', intent: pending.intent, processes })
    facts.push(endedMeanwhile(pending, reports) ?? (await settled(ports, engine, stream, pending)))
  } catch (error) {
    facts.push({ type: 'EffectInDoubt', intent: pending.intent, why: classify(error).message })
  }
  const { extra: isAwaited } = await journal.submit((view) => {
    const state = stream === 'pool' ? view.pool() : view.ct(ctIdOfStream(stream))
    const awaited = state.context.op?.pending?.intent === pending.intent
    return { drafts: awaited ? facts.map((fact) => ({ stream, fact })) : [], extra: awaited }
  })
  // A kill may have overtaken the operation while its intent was probed.
  if (!isAwaited) return 'settled'
  const last = facts.at(-1)
  if (last?.type === 'EffectResumed') engine.resume(stream, pending)
  return last?.type === 'EffectInDoubt' ? 'in-doubt' : 'settled'
}

/** A container that started and ended again while nobody listened looks as if it had never started. @pure */
function endedMeanwhile({ intent, kind, args }: PendingIntent, reports: Reports): Fact | null {
  if (kind !== 'lxc.start') return null
  const { id, run } = args as IntentArgs<'lxc.start'>
  const report = reports.get(id)
  if (report?.run !== run || report.last !== 'stop') return null
  const message = 'it started, and ended by itself while osctld was down'
  return { type: 'EffectFailed', intent, kind, class: 'undone', message, by: 'probe' }
}

/** Half-done work that may not be done twice is undone on the way. */
async function settled(
  ports: DaemonPorts,
  engine: Engine,
  stream: StreamId,
  pending: PendingIntent,
): Promise<Fact> {
  const { fact, undo } = await verdict(ports, engine, stream, pending)
  await undo?.()
  return fact
}

type Verdict = { readonly fact: Fact; readonly undo?: () => Promise<void> }

/** What is to become of an intent, by what its probe sees now. Changes nothing. */
export async function verdict(
  ports: Pick<DaemonPorts, 'effects'>,
  engine: Engine,
  stream: StreamId,
  pending: PendingIntent,
): Promise<Verdict> {
  const { intent, kind, compensates } = pending
  if (compensates) return { fact: { type: 'EffectResumed', intent, why: 'a compensation may be repeated' } }
  const effect = ports.effects[kind] as unknown as EffectKind<IntentKind>
  if (isNone(effect.probe))
    return { fact: { type: 'EffectInDoubt', intent, why: `no probe: ${effect.probe.none}` } }
  const context = engine.context(stream, intent, new AbortController().signal)
  const probe = await effect.probe(pending.args as never, context)
  return byProbe(effect, probe, pending, context)
}

function byProbe(
  effect: EffectKind<IntentKind>,
  probe: Probe<IntentKind>,
  { intent, kind, args }: PendingIntent,
  context: ReturnType<Engine['context']>,
): Verdict {
  if (probe.is === 'done')
    return {
      fact: { type: 'EffectSucceeded', intent, kind, evidence: probe.evidence as never, by: 'probe' },
    }
  if (probe.is === 'not-started') return { fact: { type: 'EffectResumed', intent, why: 'not started' } }
  if (probe.is === 'unknown') return { fact: { type: 'EffectInDoubt', intent, why: probe.why } }
  if (effect.idempotence !== 'once')
    return { fact: { type: 'EffectResumed', intent, why: `partial: ${probe.what}` } }
  const { undo } = effect
  if (isNone(undo))
    return { fact: { type: 'EffectInDoubt', intent, why: `partial: ${probe.what}; ${undo.none}` } }
  const message = `interrupted (${probe.what}), undone by recovery`
  return {
    fact: { type: 'EffectFailed', intent, kind, class: 'undone', message, by: 'probe' },
    undo: () => undo(args as never, null as Evidence<IntentKind> | null as never, context),
  }
}
