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
  { path: 'bin/', may: ['process'], why: 'programs: arguments and exit status' },
  {
    path: 'src/effects/linux/',
    may: ['disk', 'processes', 'timers', 'clock', 'process', 'http', 'node:os', 'node:zlib'],
    why: 'the real hands; the simulated host stands in for all of it',
  },
  {
    path: 'src/events/log/sqlite/',
    may: ['disk', 'clock', 'timers', 'node:os'],
    why: 'the real log: a thread that owns a file; the in-memory disk stands in for it',
  },
  {
    path: 'src/events/log/client.ts',
    may: ['workers', 'timers', 'clock'],
    why: "the daemon's end of the log's thread: its watch over a commit that takes too long",
  },
  { path: 'src/events/log/worker.ts', may: ['workers'], why: "the log's thread" },
  { path: 'src/events/log/cache.ts', may: ['disk'], why: 'a disposable file beside the log' },
  {
    path: 'src/rpc/client.ts',
    may: ['sockets', 'process'],
    why: "the CLI's end of the socket; OSCTL_SOCKET",
  },
  { path: 'src/rpc/server.ts', may: ['sockets', 'process'], why: "the daemon's end of the socket; its pid" },
  {
    path: 'src/rpc/listen.ts',
    may: ['sockets', 'disk', 'process'],
    why: 'a socket is a file with a mode, an umask and perhaps a stale predecessor',
  },
  { path: 'src/rpc/libc.ts', may: ['process'], why: 'calls the C library of the platform that it runs on' },
  {
    path: 'src/rpc/dispatch.ts',
    may: ['process'],
    why: "an internal error's number begins with the daemon's pid",
  },
  { path: 'src/rpc/peer.ts', may: ['disk'], why: '/proc of the process at the other end' },
  {
    path: 'src/cli/',
    may: ['process', 'disk', 'processes', 'timers', 'clock'],
    why: 'osctl is a program on a terminal: no rule is in it, and nobody simulates it',
  },
  {
    path: 'src/offline/',
    may: ['process', 'disk', 'sqlite', 'node:os'],
    why: 'osctl-replay is a program that reads files',
  },
  {
    path: 'src/daemon/adapters/',
    may: ['clock', 'timers', 'random', 'disk', 'process'],
    why: "the real clock, timers, ids and files behind the daemon's ports",
  },
  {
    path: 'src/daemon/main.ts',
    may: ['process', 'disk', 'timers'],
    why: 'joins the ports to the real ones: signals, exit, the last seconds of a shutdown',
  },
  { path: 'src/daemon/version.ts', may: ['disk'], why: 'unbundled, the version stands in package.json' },
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
