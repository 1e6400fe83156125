/**
 * Whoever holds pools and answers about them: the daemon, whose pools live, or a file that is replayed. Both serve the
 * read-only methods of the protocol with the functions of this folder.
 */

import { RpcError } from '../../rpc/errors.ts'
import type { MethodName, MethodParams } from '../../rpc/methods.ts'
import type { MethodResult } from '../../rpc/results.ts'
import type { PoolMoment } from '../view.ts'

export interface Holder<P extends PoolMoment = PoolMoment> {
  readonly pools: ReadonlyMap<string, P>
  /** @throws RpcError when there is none of that name */
  pool(name: string): P
  /** The named pool, else the first. */
  poolOr(name: string | undefined): P
}

export type Answers<M extends MethodName> = {
  readonly [K in M]: (params: MethodParams<K>) => Promise<MethodResult<K>>
}

export const invalid = (code: string, message: string): RpcError =>
  new RpcError(message, { kind: 'invalid', code })
export const notFound = (code: string, message: string): RpcError =>
  new RpcError(message, { kind: 'not-found', code })

/** The named pools, or all. */
export function poolsOf<P extends PoolMoment>(holder: Holder<P>, names: readonly string[] | undefined): P[] {
  if (!names || names.length === 0) return [...holder.pools.values()]
  return names.map((name) => holder.pool(name))
}
