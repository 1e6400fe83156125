/** What lxc.freeze and lxc.thaw share: they are each other's opposite, decided by what inspect sees. */
import type { IntentArgs } from '../../events/types/intents.ts'
import type { EffectContext, Probe } from '../effect.ts'
import { type ContainerSeen, HostError } from '../host.ts'
import { refOf } from './common.ts'

type Args = IntentArgs<'lxc.freeze'>

/**
 * What the container is, if it is still this run.
 * @throws E_NOT_RUNNING (permanent) when stopped; E_REFUSED (refused) for another run
 */
export async function seenRun(args: Args, context: EffectContext): Promise<ContainerSeen['state']> {
  const seen = await context.host.lxc.inspect(refOf(context, args))
  if (seen.state === 'stopped')
    throw new HostError('E_NOT_RUNNING', 'permanent', `${args.ctid} is not running`)
  if (seen.runName !== null && seen.runName !== args.run) {
    throw new HostError('E_REFUSED', 'refused', `${args.ctid} runs as ${seen.runName}, not ${args.run}`)
  }
  return seen.state
}

/** Compares the container's state with the wanted one; stopped is not-started, and run then says so. */
export async function probeFor(
  wanted: 'frozen' | 'running',
  args: Args,
  context: EffectContext,
): Promise<Probe<'lxc.freeze'> & Probe<'lxc.thaw'>> {
  const seen = await context.host.lxc.inspect(refOf(context, args))
  if (seen.state === 'stopped') return { is: 'not-started' }
  if (seen.state === 'unknown') return { is: 'unknown', why: `the state of ${args.ctid} cannot be told` }
  if (seen.runName !== null && seen.runName !== args.run) {
    return { is: 'unknown', why: `${args.ctid} runs as ${seen.runName}, not ${args.run}` }
  }
  if (seen.state === wanted) return { is: 'done', evidence: {} }
  if (seen.state === 'freezing') return { is: 'partial', what: `${args.ctid} is freezing` }
  return { is: 'not-started' }
}

/** Goes back to `state` if this run is there and in the other one. */
export async function revert(
  from: 'frozen' | 'running',
  args: Args,
  context: EffectContext,
  back: () => Promise<void>,
): Promise<void> {
  const seen = await context.host.lxc.inspect(refOf(context, args))
  const there = seen.state === from || (from === 'frozen' && seen.state === 'freezing')
  if (there && seen.runName === args.run) await back()
}
