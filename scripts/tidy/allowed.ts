/** Who may touch what, and which files may be long: one line each, with the reason. */

export type Capability =
  | 'clock'
  | 'timers'
  | 'random'
  | 'disk'
  | 'processes'
  | 'sockets'
  | 'workers'
  | 'http'
  | 'process'
  | 'console'
  | 'sqlite'
  | 'globals'
  | `node:${string}`

type Adapter = { path: string; may: readonly Capability[]; why: string }

/** A path with a slash at its end is a folder. */
export const ADAPTERS: readonly Adapter[] = [
  { path: 'bin/', may: ['process', 'console'], why: 'programs: arguments, exit status, signals' },
  {
    path: 'src/effects/linux/',
    may: ['disk', 'processes', 'timers', 'clock', 'process', 'http', 'node:os'],
    why: 'the real hands; the simulated host stands in for all of it',
  },
  {
    path: 'src/events/log/sqlite/',
    may: ['disk', 'clock', 'timers', 'workers', 'process'],
    why: 'the real log: a worker that owns a file; the in-memory disk stands in for it',
  },
  { path: 'src/rpc/client.ts', may: ['sockets'], why: "the CLI's end of the socket" },
  { path: 'src/rpc/server.ts', may: ['sockets'], why: "the daemon's end of the socket" },
  {
    path: 'src/rpc/listen.ts',
    may: ['sockets', 'disk'],
    why: 'a socket is a file with a mode and a stale predecessor',
  },
  { path: 'src/rpc/peer.ts', may: ['disk'], why: '/proc of the process at the other end' },
  {
    path: 'src/cli/',
    may: ['process', 'console', 'disk', 'processes', 'timers', 'clock', 'random'],
    why: 'osctl is a program on a terminal: no rule is in it, and nobody simulates it',
  },
  {
    path: 'src/offline/',
    may: ['process', 'console', 'disk', 'sqlite'],
    why: 'osctl-replay is a program that reads files',
  },
  {
    path: 'src/daemon/adapters/',
    may: ['clock', 'timers', 'random', 'process', 'disk', 'console', 'node:os'],
    why: "the real clock, timers, ids and process behind the daemon's ports",
  },
]

/** `file`, or `file function`: why it may be longer than others. */
export const OVERSIZED: Readonly<Record<string, string>> = {
  'src/machines/container/machine.ts': 'one table: in two files nobody would see all its states at once',
}

/** file → rules of words.ts that do not hold in it. */
export const ALLOWED_WORDS: Readonly<Record<string, readonly string[]>> = {
  'scripts/tidy/words.ts': ['todo', 'host-name', 'machine-path', 'resolved'],
  'test/unit/tidy.test.ts': ['todo', 'host-name', 'machine-path', 'resolved'],
}
