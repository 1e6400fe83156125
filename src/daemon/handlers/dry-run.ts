/**
 * `--dry-run`: which methods can plan, and what happens to the others. A method that changes something and has no
 * plan refuses: it must never be carried out by somebody who only wanted to look.
 */
import type { Call } from '../../rpc/call.ts'
import { RpcError } from '../../rpc/errors.ts'
import type { Meta, MethodName } from '../../rpc/methods.ts'
import { emptyPlan } from '../../rpc/plan.ts'
import type { ChangingMethod } from '../../rpc/results.ts'
import { invalid } from '../errors.ts'
import { planned } from '../plan/plan.ts'

/** True, or why not. A new method that changes something does not compile without its line. */
const PLANS: Readonly<Record<ChangingMethod, true | string>> = {
  'pool.install': true,
  'pool.uninstall': true,
  'pool.import': true,
  'pool.export': true,
  'pool.set': true,
  'pool.autostart-trigger': true,
  'pool.autostart-cancel': true,
  'pool.upgrade': true,
  'witness.add': true,
  'witness.delete': true,
  'ct.new': true,
  'ct.import': true,
  'ct.delete': true,
  'ct.undelete': true,
  'ct.start': true,
  'ct.stop': true,
  'ct.restart': true,
  'ct.freeze': true,
  'ct.unfreeze': true,
  'ct.set': true,
  'repo.add': true,
  'repo.delete': true,
  'repo.enable': true,
  'repo.disable': true,
  'trash.prune': true,
  'op.attach': 'it changes nothing (osctl op show shows the operation)',
  'op.cancel': true,
  'op.retry': true,
  'op.resolve': true,
  'drift.adopt': true,
  'drift.repair': true,
  revert: true,
  'event.prune': true,
  'event.quarantine-retry': 'it records nothing; try it',
  'event.recover': 'osctl event recover --dry-run shows its plan',
  shutdown: true,
}

/** Methods that only read, and may be asked with `dryRun` as without it. */
const isChanging = (method: MethodName): method is ChangingMethod => method in PLANS
const RECORDS: readonly MethodName[] = [
  'ct.exec',
  'ct.attach',
  'ct.session-ended',
  'witness.keep',
  'witness.test',
]

type Params = { meta?: Meta | undefined }
type Handler = (params: Params, call: Call) => Promise<unknown>

/**
 * A plan says why a command would be refused; it is not itself refused.
 * @throws CallError invalid: there is no plan of this method
 */
export function withPlan(method: MethodName, handle: Handler): Handler {
  return async (params, call) => {
    if (params.meta?.dryRun !== true) return await handle(params, call)
    if (RECORDS.includes(method)) throw invalid('E_NO_PLAN', 'no --dry-run of this: it is done at once')
    if (!isChanging(method)) return await handle(params, call)
    const can = PLANS[method]
    if (can !== true) throw invalid('E_NO_PLAN', `no --dry-run of this: ${can}`)
    try {
      return await handle(params, call)
    } catch (error) {
      if (!(error instanceof RpcError) || error.data.kind === 'internal') throw error
      return planned(emptyPlan({ result: null, refusal: { ...error.data, message: error.message } }))
    }
  }
}
