/** osctl run in this process against the real server, with the test's handlers behind it and a recorded terminal. */
import type { Io } from '../../../src/cli/io.ts'
import { main } from '../../../src/cli/main.ts'
import type { Accepted, CtRow } from '../../../src/rpc/results.ts'
import type { Handlers } from '../../../src/rpc/server.ts'
import { startServer } from '../rpc/harness.ts'

export type Result = { status: number; out: string; err: string; asked: string[] }
export type Terminal = { terminals?: readonly number[]; answer?: string }

export function recordedIo({ terminals = [], answer = '' }: Terminal = {}): {
  io: Io
  result: Omit<Result, 'status'>
} {
  const result = { out: '', err: '', asked: [] as string[] }
  const io: Io = {
    out: (text) => {
      result.out += text
    },
    err: (text) => {
      result.err += text
    },
    isTerminal: (fd) => terminals.includes(fd),
    ask: (question) => {
      result.asked.push(question)
      return answer
    },
    width: () => 80,
  }
  return { io, result }
}

/** Runs without a daemon. */
export async function runAlone(
  argv: readonly string[],
  terminal: Terminal = {},
  program = 'osctl',
): Promise<Result> {
  const { io, result } = recordedIo(terminal)
  const status = await main(program, argv, io, { OSCTL_SOCKET: '/nonexistent/osctld.sock' })
  return { status, ...result }
}

/** Runs against a daemon with these handlers. */
export async function run(
  argv: readonly string[],
  handlers: Partial<Handlers>,
  terminal: Terminal & { simulated?: boolean; env?: NodeJS.ProcessEnv } = {},
): Promise<Result> {
  await using server = await startServer(handlers, { simulated: terminal.simulated ?? false })
  const { io, result } = recordedIo(terminal)
  const status = await main('osctl', argv, io, { OSCTL_SOCKET: server.path, ...terminal.env })
  return { status, ...result }
}

export const ctRow = (more: Partial<CtRow> = {}): CtRow => ({
  pool: 'tank',
  id: '101',
  user: '101',
  group: '/default',
  uid_map: '0:1000000:65536',
  gid_map: '0:1000000:65536',
  dataset: 'tank/ct/101',
  rootfs: '/tank/ct/101/private',
  lxc_path: '/run/osctl/pools/tank/containers',
  lxc_dir: '/run/osctl/pools/tank/containers/101',
  group_path: 'osctl/pool.tank/ct.101',
  distribution: 'debian',
  version: '13',
  arch: 'x86_64',
  state: 'stopped',
  init_pid: null,
  autostart: false,
  autostart_priority: null,
  autostart_delay: null,
  hostname: null,
  init_cmd: null,
  log_file: '/tank/log/ct/101.log',
  attrs: { 'org.example:owner': 'me' },
  stream: '01M82YASGBBXPF58J2E9VNTJ0E',
  restart_needed: false,
  operation: null,
  drift: null,
  problem: null,
  created_at: 0,
  started_at: null,
  ...more,
})

export const done: Accepted = { op: 'OP', result: 'done', position: 'tank:1', warnings: [] }
