/**
 * A second fold beside the live one: it sees stored events alone, as a replay does, and must be in the same states
 * after every commit of every simulated run.
 */
import type { Committed } from '../../src/daemon/journal.ts'
import type { Pool } from '../../src/daemon/pool.ts'
import type { MemoryDisk } from '../../src/events/log/memory-disk.ts'
import type { Fold } from '../../src/machines/fold.ts'
import { replayed, sameState } from './replayed.ts'

export class Shadow {
  readonly #pool: Pool
  readonly #disk: MemoryDisk
  readonly #tell: (problem: string) => void

  constructor(pool: Pool, disk: MemoryDisk, tell: (problem: string) => void) {
    this.#pool = pool
    this.#disk = disk
    this.#tell = tell
    const fold = replayed(disk, pool.journal.fold.seq)
    for (const ct of pool.journal.states.cts()) this.#compare(fold, `ct:${ct.context.identity?.id ?? ''}`)
    this.#compare(fold, 'pool')
    pool.journal.listen((committed) => this.#onCommit(committed))
  }

  #onCommit({ stored, states }: Committed): void {
    const { seq } = this.#pool.journal.fold
    // An append of unknown outcome was folded by its recovery, perhaps with what came after it.
    if (seq !== stored.at(-1)?.seq) return
    const fold = replayed(this.#disk, seq)
    for (const stream of states.keys()) this.#compare(fold, stream)
  }

  #compare(fold: Fold, stream: Parameters<Fold['states']['of']>[0]): void {
    const { states, seq } = this.#pool.journal.fold
    if (sameState(states.of(stream), fold.states.of(stream))) return
    this.#tell(`${this.#pool.name}:${seq}: ${stream} differs from a fold of the stored events`)
  }
}
