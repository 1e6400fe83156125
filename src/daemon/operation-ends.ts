/** Waiting for the ends of operations: told by commits, or found in the log when they are over already. */
import type { StreamId } from '../events/types/ids.ts'
import type { Committed, Journal } from './journal.ts'

export type OperationEnd = { result: 'done' | 'failed' | 'undone' | 'in doubt'; error: string | null }

export class OperationEnds {
  readonly #journal: Journal
  readonly #waiters = new Map<string, ((end: OperationEnd) => void)[]>()

  constructor(journal: Journal) {
    this.#journal = journal
  }

  onCommit(committed: Committed): void {
    for (const { op, result, error } of committed.finished) this.#tell(op, { result, error })
    for (const event of committed.stored) {
      if (event.type !== 'EffectInDoubt' || event.op === undefined) continue
      this.#tell(event.op, { result: 'in doubt', error: (event.data as { why: string }).why })
    }
  }

  /** Resolves when the operation ends or waits for an admin; at once when it is not open any more. */
  async of(op: string, stream: StreamId): Promise<OperationEnd> {
    const open = this.#journal.states.of(stream)?.context.op
    if (open?.id !== op) return await this.#past(op, stream)
    if (open.pending?.inDoubt) return { result: 'in doubt', error: open.pending.inDoubt }
    return await new Promise((resolve) => {
      this.#waiters.set(op, [...(this.#waiters.get(op) ?? []), resolve])
    })
  }

  /** Nobody will hear of the open ones here any more. */
  giveUp(error: string): void {
    for (const op of [...this.#waiters.keys()]) this.#tell(op, { result: 'in doubt', error })
  }

  #tell(op: string, end: OperationEnd): void {
    for (const tell of this.#waiters.get(op) ?? []) tell(end)
    this.#waiters.delete(op)
  }

  /** How an operation that is over ended, out of the log. */
  async #past(op: string, stream: StreamId): Promise<OperationEnd> {
    let to: number | null = this.#journal.head().seq
    while (to !== null && to > 0) {
      const query = { from: 1, to, stream, limit: 500, reverse: true }
      const slice: Awaited<ReturnType<Journal['read']>> = await this.#journal.read(query)
      const end = slice.events.find((event) => event.op === op && event.type === 'OperationFinished')
      if (end) return end.data as OperationEnd
      to = slice.next
    }
    return { result: 'failed', error: 'the operation is not in the log' }
  }
}
