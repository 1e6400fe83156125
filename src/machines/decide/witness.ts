/** Who keeps the heads of a pool's log: a setting of the pool, whose every change holds all that there are. */
import { MOST_WITNESSES, type Witness } from '../../events/types/witness.ts'
import { canonical } from '../baseline.ts'
import type { PoolState } from '../pool/machine.ts'
import { type Asked, accept, type Decision, noop, refuse } from './decision.ts'

type WitnessCommand =
  | { readonly type: 'witness.add'; readonly name: string; readonly witness: Witness }
  | { readonly type: 'witness.delete'; readonly name: string }

/** @pure */
export function decideWitness(pool: PoolState, command: WitnessCommand, asked: Asked): Decision {
  const { witnesses = {} } = pool.context.config
  const { name } = command
  const known = witnesses[name]
  const changed = (set: Readonly<Record<string, Witness>>): Decision =>
    accept('pool', asked, [{ type: 'PoolConfigSet', set: { witnesses: set }, old: { witnesses } }])
  if (command.type === 'witness.delete') {
    const { [name]: _gone, ...rest } = witnesses
    if (known) return changed(rest)
    const message = `witness not found: ${name}`
    return refuse('pool', asked, { code: 'E_WITNESS_NOT_FOUND', kind: 'not-found', message })
  }
  if (known && canonical(known) === canonical(command.witness))
    return noop('pool', asked, 'it is a witness already')
  if (known) {
    const message = `there is another witness ${name} (osctl witness del ${name})`
    return refuse('pool', asked, { code: 'E_WITNESS_EXISTS', kind: 'refused', message })
  }
  if (Object.keys(witnesses).length >= MOST_WITNESSES) {
    const message = `a pool has at most ${MOST_WITNESSES} witnesses`
    return refuse('pool', asked, { code: 'E_TOO_MANY', kind: 'refused', message })
  }
  return changed({ ...witnesses, [name]: command.witness })
}
