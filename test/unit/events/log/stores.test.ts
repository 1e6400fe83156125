/** The contract, on each store. */
import { WorkerLog } from '../../../../src/events/log/client.ts'
import { MemoryLog } from '../../../../src/events/log/memory.ts'
import { MemoryDisk } from '../../../../src/events/log/memory-disk.ts'
import { SqliteLog } from '../../../../src/events/log/sqlite/log.ts'
import { describeContract } from './contract.ts'
import { scratchDir, stamp } from './helpers.ts'

describeContract('SQLite in process', () => {
  const { dir, remove } = scratchDir()
  return { store: (options) => new SqliteLog({ dir, stamp, ...options }), remove }
})

describeContract(
  'SQLite behind a worker',
  () => {
    const { dir, remove } = scratchDir()
    return { store: (options) => new WorkerLog({ dir, stamp, ...options }), remove }
  },
  5,
)

describeContract(
  'memory',
  () => {
    const disk = new MemoryDisk()
    return { store: (options) => new MemoryLog({ disk, stamp, ...options }), remove: () => {} }
  },
  200,
)
