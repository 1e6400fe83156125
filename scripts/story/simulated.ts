/**
 * The simulated stage: the real daemon with the real log files, on a machine that is a file. The power cut
 * is `kill -9` of the daemon and a cut of the simulated machine: its containers and mounts are gone, its
 * boot id is new, its datasets are there.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fromJSON, toJSON } from '../../src/effects/simulated/machine.ts'
import type { Stage } from './story.ts'

const TOP = join(import.meta.dirname, '..', '..')
const NODE = process.execPath

export async function simulatedStage(): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'osctl-sandbox-'))
  const socket = join(directory, 'osctld.sock')
  const bin = commands(directory)
  const env = { ...process.env, OSCTL_SOCKET: socket, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` }
  let daemon = await startDaemon(directory, socket)
  const cutPower = async (): Promise<void> => {
    daemon.kill('SIGKILL')
    await once(daemon, 'exit')
    const file = join(directory, 'machine.json')
    const machine = fromJSON(readFileSync(file, 'utf8'), { now: Date.now })
    machine.powerCut({ boot: true })
    writeFileSync(file, toJSON(machine))
  }
  const bootAgain = async (): Promise<void> => {
    daemon = await startDaemon(directory, socket)
  }
  const run = (command: string) => shellCommand(command, env)
  return {
    name: 'simulated host',
    traces: directory,
    makePool: ['osctl pool install tank'],
    run,
    file: null,
    cutPower,
    bootAgain,
    shell: async () => {
      process.stdout.write(
        '\nThis is a sandbox: the same daemon on a simulated host. Try: osctl ct ls, osctl --help; power-cut is one.\n' +
          'The README has a post-mortem to follow here. Ctrl-D ends it.\n',
      )
      // Sent by the command power-cut.
      process.on('SIGUSR2', () => {
        cutPower()
          .then(bootAgain)
          .catch((error: unknown) => process.stderr.write(`the machine did not come back: ${error}\n`))
      })
      const shell = spawn(process.env['SHELL'] ?? '/bin/sh', ['-i'], {
        stdio: 'inherit',
        env: { ...env, PS1: '(simulated) $ ' },
      })
      await once(shell, 'exit')
      daemon.kill('SIGTERM')
      await once(daemon, 'exit')
      return 0
    },
    end: async () => {
      if (daemon.exitCode === null && daemon.signalCode === null) {
        daemon.kill('SIGTERM')
        await once(daemon, 'exit')
      }
      return 0
    },
  }
}

/** The commands of the sandbox: `osctl`, of the built bundle, and `power-cut`, which returns when the host is back. */
function commands(directory: string): string {
  const osctl = `exec '${NODE}' '${join(TOP, 'dist', 'osctl.cjs')}' "$@"`
  const cut = `kill -USR2 ${process.pid}; sleep 1; until osctl ping >/dev/null 2>&1; do sleep 0.2; done`
  for (const [name, script] of Object.entries({ osctl, 'power-cut': cut }))
    writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return directory
}

const READY_MS = 15_000

async function startDaemon(directory: string, socket: string): Promise<ChildProcess> {
  const log = openSync(join(directory, 'osctld.log'), 'a')
  const argv = [
    join(TOP, 'dist', 'osctld.cjs'),
    '--host',
    'simulated',
    '--state',
    directory,
    '--socket',
    socket,
  ]
  const daemon = spawn(NODE, argv, { stdio: ['ignore', log, log] })
  const deadline = Date.now() + READY_MS
  while (
    !existsSync(socket) ||
    (await shellCommand(`'${join(directory, 'osctl')}' ping`, { ...process.env, OSCTL_SOCKET: socket }))
      .status !== 0
  ) {
    if (daemon.exitCode !== null)
      throw new Error(`osctld ended: ${readFileSync(join(directory, 'osctld.log'), 'utf8').trim()}`)
    if (Date.now() > deadline)
      throw new Error(`osctld does not answer (see ${join(directory, 'osctld.log')})`)
    await sleep(50)
  }
  return daemon
}

async function shellCommand(
  command: string,
  env: NodeJS.ProcessEnv,
): Promise<{ status: number; output: string }> {
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], env })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  const [status] = (await once(child, 'close')) as [number | null]
  return { status: status ?? 1, output: Buffer.concat(output).toString() }
}
