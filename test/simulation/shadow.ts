/**
 * A second fold beside the live one: it sees stored events alone, as a replay does, and must be in the same states
 * after every commit of every simulated run.
 */
import type { Committed } from '../../src/daemon/journal.ts'
import type { Pool } from '../../src/daemon/pool.ts'
import type { MemoryDisk } from '../../src/events/log/memory-disk.ts'
import { baselineOf, canonical } from '../../src/machines/baseline.ts'
import { type AnyState, Fold } from '../../src/machines/fold.ts'

const textOf = (state: AnyState | null): string => (state ? canonical(baselineOf(state)) : '-')

export class Shadow {
  readonly #pool: Pool
  readonly #disk: MemoryDisk
  readonly #tell: (problem: string) => void
  readonly #fold = new Fold()

  constructor(pool: Pool, disk: MemoryDisk, tell: (problem: string) => void) {
    this.#pool = pool
    this.#disk = disk
    this.#tell = tell
    this.#catchUp(pool.journal.fold.seq)
    for (const ct of pool.journal.states.cts()) this.#compare(`ct:${ct.context.identity?.id ?? ''}`)
    this.#compare('pool')
    pool.journal.listen((committed) => this.#onCommit(committed))
  }

  /** What the pool's listeners are not told of: a segment's opening, and what stood there before. */
  #catchUp(to: number): void {
    for (let seq = this.#fold.seq + 1; seq <= to; seq++) {
      const row = this.#disk.at(seq)
      if (row) this.#fold.apply(row.event)
    }
  }

  #onCommit({ stored, first, states }: Committed): void {
    this.#catchUp(first - 1)
    // An append of unknown outcome was folded by its recovery, perhaps with what came after it.
    if (this.#pool.journal.fold.seq !== stored.at(-1)?.seq) return
    for (const event of stored) if (event.seq > this.#fold.seq) this.#fold.apply(event)
    for (const stream of states.keys()) this.#compare(stream)
  }

  #compare(stream: Parameters<Fold['states']['of']>[0]): void {
    const { states, seq } = this.#pool.journal.fold
    if (textOf(states.of(stream)) === textOf(this.#fold.states.of(stream))) return
    this.#tell(`${this.#pool.name}:${seq}: ${stream} differs from a fold of the stored events`)
  }
}
