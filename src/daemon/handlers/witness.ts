/** Handlers of `witness …`: who keeps our heads, and the heads of others that we keep. */
import { stateAnswers } from '../../audit/serve/states.ts'
import { parseWitness } from '../../events/types/witness.ts'
import { decidePool } from '../../machines/decide/pool.ts'
import type { Daemon } from '../daemon.ts'
import { invalid, notFound } from '../errors.ts'
import { KeptHeads, keptRows } from '../kept-heads.ts'
import { actorOf, asked, type HandlersOf, named, poolsOf, refuseWhileStopping, waiting } from './context.ts'

type WitnessMethods =
  | 'witness.list'
  | 'witness.add'
  | 'witness.delete'
  | 'witness.test'
  | 'witness.keep'
  | 'witness.heads'

export function witnessHandlers(daemon: Daemon): HandlersOf<WitnessMethods> {
  const heads = new KeptHeads()
  const states = stateAnswers(daemon.past)
  const witness = (target: string) =>
    named(
      daemon,
      target,
      (pool, name) => pool.journal.states.pool().context.config.witnesses?.[name] !== undefined,
    )
  return {
    'witness.list': async (params) =>
      params.at === undefined
        ? poolsOf(daemon, params.pools).flatMap((pool) => pool.witnesses.rows())
        : await states['witness.list'](params),
    'witness.add': async (params, call) => {
      refuseWhileStopping(daemon)
      const { name, target, pool, meta } = params
      const read = parseWitness(target, params)
      if (!read.ok) throw invalid('E_WITNESS', read.why)
      const ask = asked(daemon, call, 'witness add', params)
      const command = { type: 'witness.add', name, witness: read.witness } as const
      const on = daemon.poolOr(pool)
      return await daemon.bus.run(on, ask, (view) => decidePool(view, command, ask), waiting(call, meta))
    },
    'witness.delete': async (params, call) => {
      refuseWhileStopping(daemon)
      const { pool, name } = witness(params.name)
      const ask = asked(daemon, call, 'witness del', params)
      const command = { type: 'witness.delete', name } as const
      return await daemon.bus.run(
        pool,
        ask,
        (view) => decidePool(view, command, ask),
        waiting(call, params.meta),
      )
    },
    'witness.test': async (params) => {
      const { pool, name } = witness(params.name)
      const head = await pool.witnesses.test(name)
      if (!head) throw notFound('E_WITNESS_NOT_FOUND', `witness not found: ${params.name}`)
      return { head: `${head.seq}:${head.hash}` }
    },
    'witness.keep': async (params, call) => {
      refuseWhileStopping(daemon)
      const { keeper, pool, guid, host = null, seq, hash, time, meta } = params
      const offered = { pool, guid, host, seq, hash, time }
      return { complaint: await heads.keep(daemon.poolOr(keeper), offered, actorOf(call, meta)) }
    },
    'witness.heads': async ({ pools, of, limit }) => await keptRows(poolsOf(daemon, pools), of, limit),
  }
}
