/**
 * The way to a file instead of a daemon: osctl-replay as our child, spoken to over its standard input and output as
 * the daemon is over its socket. It reads and verifies what it is given before it says anything.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '../rpc/client.ts'
import { CommandError } from './usage-error.ts'

declare const __VERSION__: string | undefined

/** Bundled, it lies beside this program; in development Node runs the TypeScript. */
function program(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  return typeof __VERSION__ === 'string'
    ? join(here, 'osctl-replay.cjs')
    : join(here, '../../bin/osctl-replay.ts')
}

/**
 * @param args  as osctl-replay takes them
 * @throws CommandError with what osctl-replay says of a file that it cannot read
 */
export function connectToReplay(args: readonly string[]): Promise<Client> {
  // node:sqlite still calls itself experimental, which is no news for an admin.
  const argv = ['--disable-warning=ExperimentalWarning', program(), ...args]
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'pipe'] })
  return new Promise((resolve, reject) => {
    let complaint = ''
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString('utf8')
    })
    child.once('error', (error) => reject(new CommandError(`cannot start osctl-replay: ${error.message}`)))
    child.once('close', (status) => {
      const said = complaint.trim().replace(/^error: /, '')
      reject(new CommandError(said === '' ? `osctl-replay ended with status ${status}` : said))
    })
    child.stdout.once('readable', () => {
      if (child.stdout.readableLength > 0) resolve(new Client(channelOf(child)))
    })
  })
}

type Channel = ConstructorParameters<typeof Client>[0]

function channelOf(child: ChildProcess): Channel {
  const { stdin, stdout } = child
  if (!stdin || !stdout) throw new Error('osctl-replay has no pipes')
  stdin.on('error', () => {})
  return {
    on: (event: 'data' | 'error' | 'close', listener: (chunk: Buffer) => void) => stdout.on(event, listener),
    write: (data: string | Uint8Array) => stdin.write(data),
    destroy: () => {
      stdin.destroy()
      stdout.destroy()
      child.kill()
      child.unref()
    },
  }
}
