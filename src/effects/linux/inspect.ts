/**
 * What a container does right now, read from cgroups and /proc. No process is started, so it is cheap enough
 * to ask about a thousand of them.
 *
 * Nothing the container can write is believed. Its init is the process in its payload cgroup that is pid 1 of
 * a pid namespace right below the host's; which run it is stands in the environment of LXC's monitor, a
 * process of the host. A process that was forked but has not called exec is still LXC's own code.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunEvidence } from '../../events/types/intents.ts'
import { type ContainerRef, type ContainerSeen, runByHand } from '../host.ts'
import { events, processes, readCgroup } from './cgroup.ts'
import { readConfig } from './lxc-config.ts'
import { containerDirectory, type Paths } from './paths.ts'
import { readReport } from './spool.ts'

const PF_FORKNOEXEC = 0x40

export type ProcessStat = { flags: number; startTime: number }

/** Reads /proc/<pid>/stat. The name in parentheses may itself hold blanks and parentheses. proc_pid_stat(5) @pure */
export function parseStat(text: string): ProcessStat | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const flags = Number(fields[6])
  const startTime = Number(fields[19])
  return fields.length > 19 && Number.isInteger(startTime) ? { flags, startTime } : null
}

/** Tells whether /proc/<pid>/status is that of a container's init: `NSpid: <host> 1`. @pure */
export const isInit = (status: string): boolean => /^NSpid:\t\d+\t1$/m.test(status)

const proc = (pid: number, file: string): Promise<string | null> =>
  readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => null)

async function findInit(payload: string, hint: number | null): Promise<number | null> {
  const pids = (await processes(payload)).sort((a, b) => a - b)
  const first = hint !== null && pids.includes(hint) ? [hint] : []
  for (const pid of [...first, ...pids]) {
    const status = await proc(pid, 'status')
    if (status !== null && isInit(status)) return pid
  }
  return null
}

type Monitor = { readonly run: string; readonly ending: boolean }

/**
 * The run that LXC's monitor was started for, and whether it already left for the pivot cgroup: the end. One that
 * somebody started with lxc-start bears no name of ours, and is called after its pid, which it keeps over reboots.
 */
async function findMonitor(cgroup: string, id: string): Promise<Monitor | null> {
  let byHand: Monitor | null = null
  for (const name of ['monitor', 'pivot']) {
    for (const pid of await processes(join(cgroup, name))) {
      const text = (await proc(pid, 'environ')) ?? ''
      const environ = text.split('\0')
      const ending = name === 'pivot'
      const run = environ.find((entry) => entry.startsWith('OSCTL_RUN='))?.slice('OSCTL_RUN='.length)
      if (run !== undefined && environ.includes(`OSCTL_ID=${id}`)) return { run, ending }
      // One that is about to be gone has none at all.
      if (text !== '' && run === undefined) byHand ??= { run: runByHand(pid), ending }
    }
  }
  return byHand
}

const STOPPED: ContainerSeen = { state: 'stopped', run: null, runName: null }

/** @returns the cgroup of a container as its configuration names it, null when none was written in this boot */
export async function cgroupOf(paths: Paths, ref: ContainerRef): Promise<string | null> {
  const file = join(containerDirectory(paths, ref.pool, ref.ctid), 'config')
  const seen = readConfig(await readFile(file, 'utf8').catch(() => ''))
  return seen?.id === ref.id ? join(paths.cgroup, seen.cgroup) : null
}

async function evidence(pid: number, bootId: string): Promise<{ run: RunEvidence; execed: boolean } | null> {
  const stat = parseStat((await proc(pid, 'stat')) ?? '')
  if (!stat) return null
  const run = { initPid: pid, startTime: stat.startTime, bootId }
  return { run, execed: (stat.flags & PF_FORKNOEXEC) === 0 }
}

/** See LxcPort.inspect. */
export async function inspect(paths: Paths, bootId: string, ref: ContainerRef): Promise<ContainerSeen> {
  const cgroup = await cgroupOf(paths, ref)
  if (cgroup === null || !(await events(cgroup))?.populated) return STOPPED
  const [monitor, payload, report] = await Promise.all([
    findMonitor(cgroup, ref.id),
    events(join(cgroup, 'payload')),
    readReport(paths, ref.pool, ref.id),
  ])
  const runName = monitor?.run ?? null
  const current = report !== null && report.run === runName ? report : null
  if (!payload?.populated) {
    if (monitor === null)
      return { state: (await events(cgroup))?.populated ? 'unknown' : 'stopped', run: null, runName }
    const over = monitor.ending || current?.last === 'stop'
    return { state: over ? 'stopping' : 'starting', run: null, runName }
  }
  const pid = await findInit(join(cgroup, 'payload'), current?.initPid ?? null)
  const found = pid === null ? null : await evidence(pid, bootId)
  // LXC kills the init of a container whose monitor died: what is left of it is about to go.
  if (!found || monitor === null)
    return { state: monitor ? 'stopping' : 'unknown', run: found?.run ?? null, runName }
  if (!found.execed) return { state: 'starting', run: found.run, runName }
  if (payload.frozen) return { state: 'frozen', run: found.run, runName }
  const freezing = (await readCgroup(join(cgroup, 'payload'), 'cgroup.freeze'))?.trim() === '1'
  return { state: freezing ? 'freezing' : 'running', run: found.run, runName }
}
