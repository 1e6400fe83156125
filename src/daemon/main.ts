/**
 * Where osctld begins: options, ports, daemon, socket, signals.
 *
 * The socket answers before the first pool is imported, so that `osctl ping` tells a slow import from a
 * dead daemon. SIGTERM ends the daemon and leaves the containers; `kill -9` does the same, less politely.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { linuxHost } from '../effects/linux/index.ts'
import { rehearsalOf } from '../effects/linux/rehearsal/index.ts'
import { effects } from '../effects/table.ts'
import { COMPLETION_DIRECTORY, DEFAULT_SOCKET } from '../rpc/protocol.ts'
import { type RpcServer, serve } from '../rpc/server.ts'
import { realClock } from './adapters/clock.ts'
import { ulids } from './adapters/ids.ts'
import { stderrLogger } from './adapters/logger.ts'
import { logPorts } from './adapters/logs.ts'
import { namesIn } from './adapters/names.ts'
import { openSandbox } from './adapters/sandbox.ts'
import { Daemon } from './daemon.ts'
import { handlers } from './handlers/index.ts'
import type { DaemonPorts } from './ports.ts'
import { version } from './version.ts'

const USAGE = `usage: osctld [options]

  --host linux|simulated  what the effects are carried out on (default: linux)
  --state DIR             where the simulated machine and its logs are kept (with --host simulated)
  --socket PATH           socket to serve (default: $OSCTL_SOCKET or ${DEFAULT_SOCKET})
  --log-level LEVEL       trace, debug, info, warn, error (default: info)
  --no-import             import no pool at start
  --no-autostart          import pools without starting their containers
  --version, --help

Kernel parameters osctl.pools=0 and osctl.autostart=0 do the same as the last two.
`

type Options = {
  host: 'linux' | 'simulated'
  state: string | null
  socket: string
  level: string
  import: boolean
  autostart: boolean
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error']
const USAGE_ERROR = 64

function fail(message: string): never {
  process.stderr.write(`error: ${message}\n\n${USAGE}`)
  process.exit(USAGE_ERROR)
}

function parse(argv: string[]): Options {
  const { values } = parsed(argv)
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  if (values.version) {
    process.stdout.write(`osctld ${version()}\n`)
    process.exit(0)
  }
  const { host = 'linux', state = null, 'log-level': level = 'info' } = values
  if (host !== 'linux' && host !== 'simulated') fail(`unknown host '${host}', legal: linux, simulated`)
  if (host === 'simulated' && state === null) fail('--host simulated needs --state DIR')
  if (!LEVELS.includes(level)) fail(`unknown log level '${level}', legal: ${LEVELS.join(', ')}`)
  const socket = values.socket ?? process.env['OSCTL_SOCKET'] ?? DEFAULT_SOCKET
  const kernel = host === 'linux' ? kernelParameters() : new Map<string, string>()
  return {
    host,
    state,
    socket,
    level,
    import: !values['no-import'] && kernel.get('osctl.pools') !== '0',
    autostart: !values['no-autostart'] && kernel.get('osctl.autostart') !== '0',
  }
}

function parsed(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        host: { type: 'string' },
        state: { type: 'string' },
        socket: { type: 'string' },
        'log-level': { type: 'string' },
        'no-import': { type: 'boolean' },
        'no-autostart': { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error))
  }
}

function kernelParameters(): Map<string, string> {
  const words = readFileSync('/proc/cmdline', 'utf8').trim().split(/\s+/)
  return new Map(
    words.map((word): [string, string] => [word.split('=')[0] ?? '', word.split('=').slice(1).join('=')]),
  )
}

async function portsFor(options: Options): Promise<DaemonPorts> {
  const logger = stderrLogger(options.level)
  const clock = realClock
  const common = { effects, clock, ids: ulids(), logger, version: version() }
  if (options.host === 'simulated') {
    const { host, directory } = openSandbox(options.state ?? '.', clock)
    const logs = logPorts({
      clock,
      directory: (dataset, kind) => Promise.resolve(join(directory, dataset, kind)),
      host: join(directory, 'host-events'),
      version: version(),
      mountpoint: false,
    })
    const rehearse: DaemonPorts['rehearse'] = (stage) => rehearsalOf(host, stage)
    return { ...common, host, rehearse, ...logs, publishNames: namesIn(join(directory, 'completion')) }
  }
  const host = await linuxHost({ log: (message) => logger.warn({}, message) })
  const { eventsDirectory, cacheDirectory } = await import('./adapters/datasets.ts')
  const logs = logPorts({
    clock,
    directory: (dataset, kind, create) =>
      kind === 'events' ? eventsDirectory(host, dataset, create) : cacheDirectory(host, dataset),
    host: '/run/osctl/events',
    version: version(),
    mountpoint: true,
  })
  const rehearse: DaemonPorts['rehearse'] = (stage) => host.rehearse(stage)
  return { ...common, host, rehearse, ...logs, publishNames: namesIn(COMPLETION_DIRECTORY) }
}

export async function main(argv: string[]): Promise<void> {
  const options = parse(argv)
  const ports = await portsFor(options)
  const { logger } = ports
  process.on('uncaughtException', (error) => {
    logger.error(
      { err: error },
      'a defect: osctld ends, its supervisor starts it again, the log brings everything back',
    )
    process.exit(70)
  })
  const daemon = new Daemon(ports)
  await daemon.start()
  const server = await serve({
    path: options.socket,
    handlers: handlers(daemon, process.pid),
    version: ports.version,
    simulated: ports.host.simulated,
    ...(options.host === 'simulated' && process.getuid ? { allowUid: process.getuid() } : {}),
    log: logger,
  })
  endOn(['SIGTERM', 'SIGINT'], daemon, server)
  if (options.import) await daemon.importAll(options.autostart)
}

/** How long a polite end may take; what is open then is as after `kill -9`: the log knows. */
const GRACE_MS = 5000

function endOn(signals: NodeJS.Signals[], daemon: Daemon, server: RpcServer): void {
  let ending = false
  const end = async (): Promise<void> => {
    if (ending) return
    ending = true
    setTimeout(() => process.exit(0), GRACE_MS).unref()
    server.destroy()
    await server.close('osctld ends')
    await daemon.stop()
    process.exit(0)
  }
  for (const signal of signals) process.on(signal, () => void end())
}
