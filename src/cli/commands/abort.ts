/** `--abort` of `pool export` and of `shutdown`: exports that are under way are found, and cancelled. */
import type { Invocation } from '../invocation.ts'
import { CommandError } from '../usage-error.ts'

/**
 * The exports of one pool, or of all, side by side: while one waits for what is stopping, no other stops more.
 * @throws CommandError when there is none; RpcError when the first that could not be cancelled says so
 */
export async function abortExports({ link }: Invocation, pool?: string): Promise<void> {
  const pools = await link.query('pool.list', pool === undefined ? {} : { names: [pool] })
  const names = pools.filter(({ state }) => state === 'exporting').map(({ name }) => name)
  // A pool has one operation at a time, and one that is being exported has no other than that.
  const ops = names.length === 0 ? [] : await link.query('op.list', { pools: names })
  const exports = ops.filter(({ target }) => target === null)
  if (exports.length === 0) {
    const which = pool === undefined ? 'no export' : `no export of pool ${pool}`
    throw new CommandError(`${which} is under way (osctl pool ls shows what each pool does)`)
  }
  const ends = await Promise.allSettled(exports.map(({ op }) => link.apply('op.cancel', { op })))
  const failed = ends.find((end) => end.status === 'rejected')
  if (failed) throw failed.reason
}
