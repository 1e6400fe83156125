/**
 * lxc.start: the container's derived state, then its init.
 *
 * The run's name stands in the monitor's environment and in the hooks' reports, so a container that runs can
 * be told to be this intent's. Killed before: stopped, not started. Killed during: starting, or with the run
 * name and without init, partial: its helpers were fenced, so undo kills the rest. Killed after: running
 * with our run name, done. Twice: the second run finds the first one's container. A container that runs by
 * another name, started by hand perhaps, is unknown: nobody's container is taken over or killed unasked.
 */
import type { EffectKind } from '../effect.ts'
import { refOf } from './common.ts'

/**
 * @throws E_REFUSED (permanent) when it runs under another name; E_TIMEOUT, E_FAILED (permanent);
 *         E_BUSY (transient); E_ABORTED (cancelled)
 * @idempotent only after the probe said not-started
 * @source lxc-start(1), LXC 6; vpsadminos §4.2
 */
export const lxcStart: EffectKind<'lxc.start'> = {
  kind: 'lxc.start',
  idempotence: 'once',
  async run(args, context) {
    const { host, fence } = context
    const spec = context.container()
    const seen = await host.lxc.inspect(refOf(context, args))
    if ((seen.state === 'running' || seen.state === 'frozen') && seen.runName === args.run && seen.run)
      return seen.run
    await host.materialise.container(spec, args.run)
    return await host.lxc.start(spec, args.run, args.timeoutSeconds, fence)
  },
  async probe(args, context) {
    const seen = await context.host.lxc.inspect(refOf(context, args))
    if (seen.state === 'stopped') return { is: 'not-started' }
    if (seen.runName !== args.run) {
      return {
        is: 'unknown',
        why: `${args.ctid} is ${seen.state} as run ${seen.runName ?? '(unnamed)'}, not ${args.run}`,
      }
    }
    if (seen.state === 'running' || seen.state === 'freezing' || seen.state === 'frozen') {
      if (seen.run) return { is: 'done', evidence: seen.run }
    }
    if (seen.state === 'unknown') return { is: 'unknown', why: `the state of ${args.ctid} cannot be told` }
    return { is: 'partial', what: `${args.ctid} is ${seen.state}` }
  },
  async undo(args, _evidence, context) {
    const ref = refOf(context, args)
    const seen = await context.host.lxc.inspect(ref)
    if (seen.state === 'stopped' || seen.runName !== args.run) return
    await context.host.lxc.stop(ref, 'kill', 0, context.fence)
  },
  assume: () => ({
    initPid: '<pid of its init>',
    startTime: '<start time of its init>',
    bootId: '<boot id>',
  }),
  cancel: 'during',
  attempts: 2,
  lane: () => null,
}
