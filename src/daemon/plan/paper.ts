/** What a plan is made on. */
import type { EffectTable } from '../../effects/effect.ts'
import type { StreamId } from '../../events/types/ids.ts'
import type { Minting, Requested } from '../../machines/advance.ts'
import type { States } from '../../machines/fold.ts'
import type { PlannedAction } from '../../rpc/plan.ts'

export type Paper = {
  readonly pool: string
  /** The operation that goes on, when it is not a new one. */
  readonly op?: string
  /** The states that the command is decided on: a copy, which the plan uses up. */
  readonly states: States
  readonly now: { wall(): number; mono(): number }
  readonly effects: EffectTable
  /** What the effect would do to the host, after all that was asked before it. */
  rehearse(stream: StreamId, wanted: Requested['wanted']): Promise<PlannedAction[]>
}

/** Ids that a plan does not take. */
export const paperMint = ({ wall, mono }: Paper['now']): Minting => ({ id: () => '<event>', wall, mono })
