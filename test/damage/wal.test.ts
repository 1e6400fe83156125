/** Flipped bits in the write-ahead log, where SQLite drops what follows one without a word. */
import { describe } from 'node:test'
import { flips } from './bits.ts'

describe('the write-ahead log', () => {
  flips('in-wal', 'log.db-wal', 10_000)
  flips('sealed', 'log.db-wal', 1500)
})
