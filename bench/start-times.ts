/**
 * How long containers take to start in the virtual machine, one at a time: the values that the simulation of a boot
 * draws from (test/simulation/start-times.json). And what a boot with ten of them reports.
 *
 * usage: node bench/start-times.ts [--rounds 36] [--write]     --write: into that file, else to the terminal alone
 */
import { writeFileSync } from 'node:fs'
import { arch, cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { BootReport, HistoryRow } from '../src/rpc/results.ts'
import { MINUTE, Scene } from '../test/vm/scene.ts'
import { percentile } from './lib.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '36' }, write: { type: 'boolean', default: false } },
})
const FILE = join(import.meta.dirname, '..', 'test', 'simulation', 'start-times.json')
const CGROUP = '/sys/fs/cgroup/osctl/pool.tank/group.default/user.bb/ct.bb'
const CONTAINERS = 10

await using scene = await Scene.boot([4])
await scene.pool('tank', '/dev/vdb')
await scene.osctl('ct new --distribution busybox bb')

/** From CommandAccepted to OperationFinished, ms. */
async function startOnce(): Promise<number> {
  await scene.osctl('ct start bb')
  const rows = JSON.parse(await scene.osctl('--json history --ct bb -n 3')) as HistoryRow[]
  const duration = rows.findLast(({ command }) => command.includes('ct start'))?.duration
  if (duration == null) throw new Error('the history has no duration of the start')
  await scene.sh(
    `osctl ct stop -k bb; while [ -e ${CGROUP}/monitor ] || [ -e ${CGROUP}/payload ]; do sleep 0.1; done`,
  )
  await sleep(300)
  return duration
}

const times: number[] = []
for (let i = 0; i <= Number(values.rounds); i++) {
  times.push(await startOnce())
  console.log(`start ${i}: ${times.at(-1)} ms`)
}
// The first one reads the image's blocks for the first time.
const ms = times.slice(1)
const guest = {
  kernel: await scene.sh('uname -r'),
  lxc: await scene.sh('lxc-start --version'),
  processors: Number(await scene.sh('nproc')),
  psi: await scene.sh('head -n 1 /proc/pressure/cpu'),
}
const record = {
  what: 'ms of `osctl ct start` of a busybox container, from CommandAccepted to OperationFinished, one at a time',
  how: 'node bench/start-times.ts --write: the image of os/out in QEMU',
  when: new Date().toISOString().slice(0, 10),
  guest,
  host: `${arch()}, ${cpus().length} processors, ${Math.round(totalmem() / 2 ** 30)} GiB, busy with other tests`,
  ms,
}
if (values.write) writeFileSync(FILE, `${JSON.stringify(record, null, 2).replace(/\n {4}(?=\d)/g, ' ')}\n`)
console.log(JSON.stringify(record))
console.log(`p10 ${percentile(ms, 10)}, p50 ${percentile(ms, 50)}, p90 ${percentile(ms, 90)} ms`)

for (let i = 0; i < CONTAINERS; i++) {
  await scene.osctl(`ct new --distribution busybox c${i}`)
  await scene.osctl(`ct set autostart c${i}`)
  await scene.osctl(`ct start c${i}`)
}
await scene.powerCycle()
const until = performance.now() + 3 * MINUTE
for (;;) {
  const [report] = JSON.parse(await scene.osctl('--json boot report')) as BootReport[]
  if (report?.result === 'done' || performance.now() > until) {
    console.log(await scene.osctl('boot report'))
    console.log(
      `${CONTAINERS} containers up ${report?.took} ms after the pool was opened (${report?.previous})`,
    )
    break
  }
  await sleep(1000)
}
