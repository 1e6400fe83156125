/** Every method of the protocol and its handler. A method without one does not compile. */

import { autostartAnswers } from '../../audit/serve/autostart.ts'
import { bootAnswers } from '../../audit/serve/boot.ts'
import { eventAnswers } from '../../audit/serve/event.ts'
import { historyAnswers } from '../../audit/serve/history.ts'
import { stateAnswers } from '../../audit/serve/states.ts'
import { whyAnswers } from '../../audit/serve/why.ts'
import type { MethodName } from '../../rpc/methods.ts'
import type { Handlers } from '../../rpc/server.ts'
import type { Daemon } from '../daemon.ts'
import { toCallError } from '../errors.ts'
import type { Handle } from './context.ts'
import { ctHandlers } from './ct.ts'
import { driftHandlers } from './drift.ts'
import { withPlan } from './dry-run.ts'
import { exportHandlers } from './export.ts'
import { hostHandlers } from './host.ts'
import { opHandlers } from './op.ts'
import { controlHandlers } from './op-control.ts'
import { entityHandlers, poolHandlers } from './pool.ts'
import { proofHandlers } from './proof.ts'
import { revertHandlers } from './revert.ts'
import { sessionHandlers } from './session.ts'
import { subscribeHandlers } from './subscribe.ts'
import { undeleteHandlers } from './undelete.ts'
import { witnessHandlers } from './witness.ts'

export function handlers(daemon: Daemon, pid: number): Handlers {
  const all: Handlers = {
    ...hostHandlers(daemon, pid),
    ...poolHandlers(daemon),
    ...autostartAnswers(daemon.past),
    ...bootAnswers(daemon),
    ...entityHandlers(daemon),
    ...ctHandlers(daemon),
    ...sessionHandlers(daemon),
    ...historyAnswers(daemon.past),
    ...whyAnswers(daemon.past),
    ...eventAnswers(daemon, daemon.past),
    ...subscribeHandlers(daemon),
    ...opHandlers(daemon),
    ...controlHandlers(daemon),
    ...revertHandlers(daemon),
    ...undeleteHandlers(daemon),
    ...proofHandlers(daemon),
    ...witnessHandlers(daemon),
    diff: stateAnswers(daemon.past).diff,
    'drift.list': stateAnswers(daemon.past)['drift.list'],
    ...driftHandlers(daemon),
    ...exportHandlers(daemon, pid),
  }
  return Object.fromEntries(
    Object.entries(all).map(([name, handle]) => [
      name,
      withPlan(name as MethodName, told(handle as unknown as Handle<never>) as never),
    ]),
  ) as unknown as Handlers
}

/** What host and log say outside of an operation is for the caller, in one line; only a defect is internal. */
const told =
  (handle: Handle<never>): Handle<never> =>
  async (params, call) => {
    try {
      return await handle(params, call)
    } catch (error) {
      throw toCallError(error)
    }
  }
