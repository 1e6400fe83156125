/**
 * `npm run bench`: every measurement, each in a process of its own, so that none inherits the other's heap.
 * A miss is reported and makes the exit status 1; it is never tuned away. BENCH_QUICK makes it a tenth.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const TOP = join(import.meta.dirname, '..')
const image = existsSync(join(TOP, 'os', 'out', 'root.squashfs'))
const files = [
  'log.ts',
  'years.ts',
  'history.ts',
  'monitor.ts',
  'daemon.ts',
  'in-flight.ts',
  'past.ts',
  ...(image ? ['vm.ts'] : []),
]

if (!image)
  process.stdout.write(
    'no live image (npm run os:build): what is measured in the virtual machine is left out\n',
  )
let misses = 0
for (const file of files) {
  if (!existsSync(join(import.meta.dirname, file))) continue
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, file)], { stdio: 'inherit' })
  if (status !== 0) misses++
}
process.exitCode = misses === 0 ? 0 : 1
