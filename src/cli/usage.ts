/**
 * What running containers use, read from cgroupfs on this side: the daemon's answer needs no file, and a
 * list of a thousand containers costs reads for the running ones and the wanted columns alone.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Column, Row } from './output/table.ts'

export const CGROUP_ROOT = '/sys/fs/cgroup'
/** USER_HZ, fixed at 100 on Linux: `cpu_hz` counts those ticks. */
const US_PER_TICK = 10_000
/** A controller's file, such as memory.max or pids.current. */
const CGROUP_FILE = /^(cgroup|cpu|cpuset|hugetlb|io|memory|misc|pids|rdma)\.[a-z0-9_.]+$/i

export const USAGE_COLUMNS: readonly Column[] = [
  { name: 'memory', right: true, show: 'bytes', usage: true, help: 'memory in use' },
  { name: 'memory_pct', right: true, show: 'percent', usage: true, help: 'of its limit, else of all memory' },
  { name: 'kmemory', right: true, show: 'bytes', usage: true, help: 'kernel memory' },
  { name: 'cpu_us', right: true, show: 'us', usage: true, help: 'CPU time' },
  { name: 'cpu_user_us', right: true, show: 'us', usage: true },
  { name: 'cpu_system_us', right: true, show: 'us', usage: true },
  { name: 'cpu_hz', right: true, show: 'count', usage: true, help: 'CPU time in ticks of 1/100 s' },
  { name: 'cpu_user_hz', right: true, show: 'count', usage: true },
  { name: 'cpu_system_hz', right: true, show: 'count', usage: true },
  { name: 'nproc', right: true, show: 'count', usage: true, help: 'processes and threads' },
]

/** Any cgroup file is a column too. */
export function cgroupFileColumn(name: string): Column | null {
  return CGROUP_FILE.test(name) ? { name, usage: true } : null
}

/** Adds the usage columns that are wanted; null where there is nothing to read. */
export function withUsage(
  rows: readonly Row[],
  columns: readonly Column[],
  root: string = CGROUP_ROOT,
): Row[] {
  const wanted = columns.filter(({ usage }) => usage).map(({ name }) => name)
  if (wanted.length === 0) return [...rows]
  return rows.map((row) => ({ ...row, ...usageOf(row, wanted, root) }))
}

function usageOf(row: Row, wanted: readonly string[], root: string): Row {
  const path = row['group_path']
  const runs = row['init_pid'] !== null && typeof path === 'string' && !path.split('/').includes('..')
  const cgroup = runs ? new Cgroup(join(root, path)) : null
  return Object.fromEntries(wanted.map((name) => [name, cgroup === null ? null : cgroup.value(name)]))
}

/** One cgroup; each of its files is read at most once. */
class Cgroup {
  readonly #directory: string
  readonly #files = new Map<string, string | null>()

  constructor(directory: string) {
    this.#directory = directory
  }

  value(name: string): number | string | null {
    switch (name) {
      case 'memory':
        return this.#number('memory.current')
      case 'memory_pct':
        return this.#memoryShare()
      case 'kmemory':
        return this.#stat('memory.stat', 'kernel')
      case 'nproc':
        return this.#number('pids.current')
      case 'cpu_us':
      case 'cpu_hz':
        return this.#cpu(name, 'usage_usec')
      case 'cpu_user_us':
      case 'cpu_user_hz':
        return this.#cpu(name, 'user_usec')
      case 'cpu_system_us':
      case 'cpu_system_hz':
        return this.#cpu(name, 'system_usec')
      default:
        return this.#read(name)?.trim() ?? null
    }
  }

  #cpu(name: string, key: string): number | null {
    const us = this.#stat('cpu.stat', key)
    return us === null || name.endsWith('_us') ? us : Math.floor(us / US_PER_TICK)
  }

  #memoryShare(): number | null {
    const used = this.#number('memory.current')
    const limit = this.#number('memory.max') ?? totalMemory()
    return used === null || limit === null || limit === 0 ? null : (used / limit) * 100
  }

  #number(file: string): number | null {
    return toNumber(this.#read(file)?.trim())
  }

  #stat(file: string, key: string): number | null {
    const line = this.#read(file)
      ?.split('\n')
      .find((candidate) => candidate.startsWith(`${key} `))
    return toNumber(line?.slice(key.length + 1).trim())
  }

  #read(file: string): string | null {
    let text = this.#files.get(file)
    if (text === undefined) {
      text = read(join(this.#directory, file))
      this.#files.set(file, text)
    }
    return text
  }
}

function totalMemory(): number | null {
  const kib = /^MemTotal:\s+(\d+) kB$/m.exec(read('/proc/meminfo') ?? '')?.[1]
  return kib === undefined ? null : Number(kib) * 1024
}

function toNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
