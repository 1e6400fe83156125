/** What is answered about the formats of logs, and about who keeps their heads. */
import type { FormatRow, KeptRow, WitnessRow } from './proof.ts'

/** @typeParam Accepted  what a command that changes something answers with */
export type LogResults<Accepted> = {
  'pool.formats': FormatRow[]
  'pool.upgrade': Accepted
  'witness.list': WitnessRow[]
  'witness.add': Accepted
  'witness.delete': Accepted
  /** `SEQ:HASH` that it took. */
  'witness.test': { head: string }
  /** What the head says of its log, in the light of those that were kept before; null when all is well. */
  'witness.keep': { complaint: string | null }
  'witness.heads': KeptRow[]
}
