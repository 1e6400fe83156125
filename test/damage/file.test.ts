/** Flipped bits in the file itself, with all commits in it, or with a write-ahead log beside it. */
import { describe } from 'node:test'
import { flips } from './bits.ts'

describe('the file', () => {
  flips('closed', 'log.db', 7500)
  flips('in-wal', 'log.db', 1500)
  flips('sealed', 'log.db', 1500)
})
