/**
 * What the daemon adds to `lxc-start`, in the virtual machine (issue 2): the operation's own duration, as the history
 * has it, against a bare `lxc-start` of the same container with the configuration that the daemon wrote, at the same
 * place, turn by turn. And how often the log's dataset was committed to meanwhile, as ZFS counts it.
 *
 * usage: node bench/vm.ts [--rounds 15]     BENCH_QUICK=1: 4 rounds
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Scene } from '../test/vm/scene.ts'
import { atMost, type Figure, interleave, percentile, report } from './lib.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string' } } })
const rounds = Number(values.rounds ?? (process.env['BENCH_QUICK'] ? 4 : 15))

const LXC = '-P /run/osctl/pools/tank/containers -n bb'
const CGROUP = '/sys/fs/cgroup/osctl/pool.tank/group.default/user.bb/ct.bb'
/** Microseconds of a command in the guest, by the guest's clock. */
const clocked = (command: string): string =>
  `s=\${EPOCHREALTIME/./}; ${command} >/dev/null; e=\${EPOCHREALTIME/./}; echo $((e - s))`
const settled = `while [ -e ${CGROUP}/monitor ] || [ -e ${CGROUP}/payload ]; do sleep 0.1; done`
/** zil_commit_count of tank/events: each commit of the log is one fdatasync, which is one commit of the ZIL. */
const commits =
  "cd /proc/spl/kstat/zfs/tank; awk '/zil_commit_count/ {print $3}' $(grep -l 'dataset_name .* tank/events$' objset-*)"

await using scene = await Scene.boot([4])
await scene.pool('tank', '/dev/vdb')
await scene.osctl('ct new --distribution busybox bb')

const counted: number[] = []
const clients: number[] = []

async function byDaemon(): Promise<number> {
  const lines = await scene.sh(
    `a=$(${commits}); ${clocked('osctl ct start bb')}; b=$(${commits}); echo $((b - a))`,
  )
  const [client, commitCount] = lines.split('\n').map(Number)
  clients.push((client ?? 0) / 1000)
  counted.push(commitCount ?? 0)
  const rows = JSON.parse(await scene.osctl('--json history --ct bb')) as {
    command: string
    duration: number | null
  }[]
  const duration = rows.findLast(({ command }) => command.includes('ct start'))?.duration
  if (duration == null) throw new Error('the history has no duration of the start')
  await scene.sh(`osctl ct stop -k bb && ${settled}`)
  await sleep(1000)
  return duration
}

async function bare(): Promise<number> {
  const log = '-o /tank/log/ct/bb.log -l WARN'
  const us = Number(await scene.sh(clocked(`lxc-start ${LXC} -d ${log}`)))
  await scene.sh(`lxc-stop ${LXC} -k && ${settled}`)
  await sleep(1000)
  return us / 1000
}

const subjects = [
  { name: 'osctl ct start', run: byDaemon },
  { name: 'lxc-start', run: bare },
]
const samples = await interleave(subjects, { rounds, warmUp: 1 })
const median = (name: string): number => percentile(samples.get(name)?.ms ?? [], 50)
const daemon = median('osctl ct start')
const floor = median('lxc-start')
const added = daemon - floor
const most = Math.max(...counted.slice(1))

const figures: Figure[] = [
  {
    name: 'ct start in the daemon, p50',
    value: daemon,
    unit: 'ms',
    starts: 'the stamp of CommandAccepted',
    stops: 'the stamp of OperationFinished',
    floor: { name: 'lxc-start -d, p50', value: floor },
    note: `p90 ${Math.round(percentile(samples.get('osctl ct start')?.ms ?? [], 90))} ms, of lxc-start ${Math.round(percentile(samples.get('lxc-start')?.ms ?? [], 90))} ms, ${rounds} rounds`,
  },
  {
    name: 'added by the daemon, of lxc-start',
    value: (100 * added) / floor,
    unit: '%',
    starts: 'as above',
    stops: 'the medians subtracted',
    bar: atMost(added, 0.15 * floor, '≤ 15 %'),
    note: `${Math.round(added)} ms`,
  },
  {
    name: 'commits of ct start, most',
    value: most,
    unit: 'commits',
    starts: 'before osctl',
    stops: 'after osctl ended, by zil_commit_count of tank/events',
    bar: atMost(most, 4, '≤ 4'),
  },
  {
    name: 'osctl ct start, the whole client, p50',
    value: percentile(clients.slice(1), 50),
    unit: 'ms',
    starts: 'the shell starts osctl',
    stops: 'osctl has ended',
    floor: { name: 'lxc-start -d, p50', value: floor },
  },
]
process.exitCode = report('Starting a container in the virtual machine', figures) ? 0 : 1
