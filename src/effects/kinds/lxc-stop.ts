/**
 * lxc.stop: ends a container's run: by its own shutdown, then by force; or by force at once.
 *
 * Killed before: running, not started. Killed during: stopping, or still running and asked to shut down:
 * run again asks again. Killed after, or twice: stopped, done. No lane: a kill must overtake a stop that
 * waits for a stubborn init.
 */
import { type EffectKind, none } from '../effect.ts'
import { HostError } from '../host.ts'
import { refOf } from './common.ts'

/**
 * @throws E_TIMEOUT (permanent) in mode `shutdown`; E_REFUSED (permanent when frozen in mode `shutdown`,
 *         refused when another run has taken the container's place);
 *         E_FAILED (permanent); E_ABORTED (cancelled)
 * @idempotent yes: stopped is success
 * @source lxc-stop(1), LXC 6; vpsadminos §4.3
 */
export const lxcStop: EffectKind<'lxc.stop'> = {
  kind: 'lxc.stop',
  idempotence: 'idempotent',
  async run(args, context) {
    const ref = refOf(context, args)
    const seen = await context.host.lxc.inspect(ref)
    if (seen.state === 'stopped') return { how: 'gone' }
    if (seen.runName !== null && seen.runName !== args.run) {
      throw new HostError('E_REFUSED', 'refused', `${args.ctid} runs as ${seen.runName}, not ${args.run}`)
    }
    return { how: await context.host.lxc.stop(ref, args.mode, args.timeoutSeconds, context.fence) }
  },
  async probe(args, context) {
    const seen = await context.host.lxc.inspect(refOf(context, args))
    if (seen.state === 'stopped') return { is: 'done', evidence: { how: 'gone' } }
    if (seen.state === 'unknown') return { is: 'unknown', why: `the state of ${args.ctid} cannot be told` }
    if (seen.runName !== null && seen.runName !== args.run) {
      return { is: 'unknown', why: `${args.ctid} runs as ${seen.runName}, not ${args.run}` }
    }
    if (seen.state === 'stopping') return { is: 'partial', what: `${args.ctid} is stopping` }
    return { is: 'not-started' }
  },
  undo: none('processes that ended cannot be brought back; starting again is another run'),
  assume: (args) => ({ how: args.mode === 'kill' ? 'killed' : 'clean' }),
  cancel: none('a container that was asked to end cannot be asked to go on; ct stop --kill ends it at once'),
  attempts: 3,
  lane: () => null,
}
