/** Operations, open or over: steps, where they stand, who began them. */

import { actorName } from '../events/types/actor-name.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData, EventType } from '../events/types/events.ts'
import { ctOfStream } from '../events/types/ids.ts'
import { actorOfEvent, type LogReader } from '../events/types/query.ts'
import type { Operation } from '../machines/operation.ts'
import type { OpRow } from '../rpc/results.ts'
import { ask } from './ask.ts'
import { resultOf } from './history-row.ts'
import { ctidIn, type PoolView } from './view.ts'

/** An operation from its events, whether it is over or not. Null when the log has none of that id. */
export async function operation(pool: PoolView, log: LogReader, op: string): Promise<OpRow | null> {
  const events = await ask(log, { op, limit: 10_000 })
  const accepted = events.find((event) => event.type === 'CommandAccepted')
  if (!accepted) return null
  const { command, actor, cli } = accepted.data as EventData<'CommandAccepted'>
  const end = events.find((event) => event.type === 'OperationFinished')
  const { result, error } = resultOf(pool, accepted, end)
  const ct = ctOfStream(accepted.stream)
  const steps = stepsOf(events)
  return {
    pool: pool.name,
    op,
    target: ct === undefined ? null : ctidIn(pool, ct),
    command: cli ?? command,
    actor: actorName(actor),
    started: accepted.t,
    state: result,
    step: steps.findLast((step) => step.state === 'running' || step.state === 'in doubt')?.kind ?? null,
    steps,
    problem: error ?? (end ? null : cancelledBy(events)),
  }
}

function cancelledBy(events: readonly StoredEvent[]): string | null {
  const request = events.find(({ type }) => type === 'CancelRequested')
  return request ? `cancelled by ${actorOfEvent(request)}: it goes no further` : null
}

function stepsOf(events: readonly StoredEvent[]): OpRow['steps'] {
  const steps = new Map<string, OpRow['steps'][number]>()
  for (const event of events) {
    const data = event.data as Record<string, string | undefined>
    const intent = data['intent'] ?? ''
    const step = steps.get(intent)
    if (event.type === 'EffectIntended') {
      const undoing = data['compensates'] ? `undo of ${data['compensates']}` : null
      steps.set(intent, {
        intent,
        kind: data['kind'] ?? '',
        state: 'running',
        detail: undoing,
        args: data['args'],
      })
    } else if (step) {
      steps.set(intent, { ...step, ...stepChange(event.type, data) })
    }
  }
  return [...steps.values()]
}

function stepChange(type: EventType, data: Record<string, unknown>): { state?: string; detail?: string } {
  switch (type) {
    case 'EffectSucceeded':
      return { state: 'done', ...(data['by'] === 'run' ? {} : { detail: `found done by ${data['by']}` }) }
    case 'EffectFailed':
      return { state: 'failed', detail: String(data['message']) }
    case 'EffectRetried':
      return { state: 'running', detail: `attempt ${Number(data['attempt']) + 1}: ${data['message']}` }
    case 'EffectInDoubt':
      return { state: 'in doubt', detail: String(data['why']) }
    case 'EffectResumed':
      return { state: 'running', detail: `run again: ${data['why']}` }
    case 'EffectFenced':
      return { detail: `fenced, ${data['processes']} processes killed` }
    default:
      return {}
  }
}

/** An open operation, from the state that holds it. */
export function openOpRow(
  pool: Pick<PoolView, 'name'>,
  target: string | null,
  op: Operation,
  actor: string,
): OpRow {
  const { pending } = op
  const state = pending?.inDoubt ? 'in doubt' : pending && pending.attempts > 1 ? 'retrying' : 'running'
  const done = op.done.map((step) => ({
    intent: step.intent,
    kind: step.kind,
    state: step.evidence === null ? 'failed' : 'done',
    detail: null,
    args: step.args,
  }))
  const current = pending
    ? [{ intent: pending.intent, kind: pending.kind, state, detail: pending.inDoubt, args: pending.args }]
    : []
  return {
    pool: pool.name,
    op: op.id,
    target,
    command: op.command,
    actor,
    started: op.startedAt,
    state,
    step: pending?.kind ?? null,
    steps: [...done, ...current],
    problem: pending?.inDoubt ?? op.error,
  }
}
