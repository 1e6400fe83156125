/**
 * A virtual machine that runs the live system, driven by a test.
 *
 * The guest offers a root shell on its first virtio console (`osctl.testshell=1`); QEMU connects that to a unix
 * socket here. That shell is told, in lines of base64 as its terminal echoes and breaks lines, to become `agent.sh`,
 * which takes a command and gives its output and status back.
 *
 * What holds:
 * - one command at a time on a machine; further ones wait for their turn;
 * - a command that takes too long is ended inside the guest, and the shell stays usable; a guest that does not
 *   answer at all is an error that quotes the end of its console;
 * - `kill` is a power cut: the process is gone at once, and what the guest had not written is lost;
 * - no QEMU outlives the test: each is killed by its own pid at exit and on SIGINT, SIGTERM and SIGHUP, and the
 *   kernel kills it (setpriv --pdeathsig) if this process is killed itself.
 *
 * A machine leaves its console (console.log), its test shell (shell.log) and QEMU's messages (qemu.log) in its
 * directory.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const TOP = join(import.meta.dirname, '..', '..')
const IMAGE = process.env['OSCTL_IMAGE_DIR'] ?? join(TOP, 'os', 'out')

/** What runs the commands of a test in the guest. */
const AGENT = readFileSync(join(import.meta.dirname, 'agent.sh'), 'base64')
/** Bytes in a line to the shell: short enough for any terminal. */
const LINE_BYTES = 1000
/** How long a guest may take beyond a command's own limit before it counts as hung. */
const GRACE_MS = 30_000

export interface BootOptions {
  /** Where logs and sockets go; default a new directory below the system's temporary one. */
  readonly dir?: string
  readonly memoryMiB?: number
  /** Files or devices, in order: /dev/vdb, /dev/vdc, … (/dev/vda is the squashfs). Raw, or given as -drive options. */
  readonly disks?: readonly string[]
  /** More kernel parameters. */
  readonly append?: string
  readonly kernel?: string
  readonly initrd?: string
  /** The squashfs as first disk, or a URL to fetch it from. */
  readonly root?: string
  /** More arguments for QEMU. */
  readonly qemuArgs?: readonly string[]
  /** Forwards these ports of 127.0.0.1 to the guest: host port → guest port. */
  readonly forward?: Readonly<Record<number, number>>
  /** The card's address; the host id is derived from it when there is no DMI UUID. */
  readonly mac?: string
}

export interface CommandResult {
  readonly status: number
  /** Standard output and standard error, as they came. */
  readonly output: Buffer
  readonly text: string
}

export interface RunOptions {
  readonly timeoutMs?: number
}

/** A command that failed where it had to succeed, or took too long. */
export class CommandError extends Error {
  readonly command: string
  readonly result: CommandResult
  constructor(message: string, command: string, result: CommandResult) {
    super(`${message}: ${command}\n${result.text}`)
    this.name = 'CommandError'
    this.command = command
    this.result = result
  }
}

const running = new Set<ChildProcess>()

function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

process.on('exit', killAll)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    killAll()
    process.kill(process.pid, signal)
  })
}

/** Starts a machine. It boots in the background: wait for it with `waitForBoot`. */
export function boot(options: BootOptions = {}): Machine {
  const dir = options.dir ?? scratch()
  mkdirSync(dir, { recursive: true })
  // Those of an earlier machine in this directory would be connected to before QEMU has made its own.
  for (const name of ['console', 'shell', 'qmp']) rmSync(join(dir, `${name}.sock`), { force: true })
  const log = openSync(join(dir, 'qemu.log'), 'a')
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...qemuArguments(dir, options)],
    {
      stdio: ['ignore', log, log],
    },
  )
  closeSync(log)
  running.add(child)
  child.once('exit', () => running.delete(child))
  return new Machine(child, dir)
}

/**
 * What hardens a kernel, and no test is about, costs an emulated machine time. Measured with others beside them, never
 * these two alone: 7 and 9 % for `init_on_alloc`; of `mitigations` by itself nothing was to be seen. Not `norandmaps`: it
 * saves 28 %, as QEMU finds what it translated for one process in the next, but of two runs of all tests with it one
 * had a pool whose commit did not end, on a disk that worked. That was not found out.
 */
const SOFT = 'mitigations=off init_on_alloc=0'

function qemuArguments(dir: string, options: BootOptions): string[] {
  const kernel = options.kernel ?? join(IMAGE, 'vmlinuz')
  const accelerated = accelerator(kernel)
  const soft = accelerated.includes('tcg') ? SOFT : ''
  const root = options.root ?? join(IMAGE, 'root.squashfs')
  const overHttp = /^https?:/.test(root)
  const disks = [...(overHttp ? [] : [`file=${root},format=raw,readonly=on`]), ...(options.disks ?? [])]
  const forwards = Object.entries(options.forward ?? {}).map(
    ([from, to]) => `,hostfwd=tcp:127.0.0.1:${from}-:${to}`,
  )
  return [
    ...accelerated,
    ...['-m', String(options.memoryMiB ?? 4096), '-no-reboot', '-nodefaults', '-display', 'none'],
    ...['-kernel', kernel, '-initrd', options.initrd ?? join(IMAGE, 'initrd')],
    '-append',
    `${overHttp ? 'httproot' : 'root'}=${overHttp ? root : '/dev/vda'} console=ttyS0 osctl.testshell=1 ${soft} ${options.append ?? ''}`,
    ...disks.flatMap((disk) => [
      '-drive',
      `if=virtio,${disk.includes('=') ? disk : `file=${disk},format=raw`}`,
    ]),
    ...['-netdev', `user,id=net0${forwards.join('')}`],
    ...['-device', `virtio-net-pci,netdev=net0,romfile=,mac=${options.mac ?? '52:54:00:12:34:56'}`],
    ...['-chardev', channel('console', dir, 'console.log'), '-serial', 'chardev:console'],
    ...['-device', 'virtio-serial', '-chardev', channel('shell', dir, 'shell.log')],
    ...['-device', 'virtconsole,chardev=shell'],
    ...['-qmp', `unix:${join(dir, 'qmp.sock')},server=on,wait=off`],
    ...(options.qemuArgs ?? []),
  ]
}

function channel(id: string, dir: string, logfile: string): string {
  return `socket,id=${id},path=${join(dir, `${id}.sock`)},server=on,wait=off,logfile=${join(dir, logfile)}`
}

/** KVM where it was seen to work, else software emulation. */
function accelerator(kernel: string): string[] {
  const answer = execFileSync(join(TOP, 'os', 'lib', 'accel.sh'), [kernel], { encoding: 'utf8' })
  return answer.trim().split(' ')
}

/** A new directory for a test's machines and disks. Short: a socket's path has at most 107 bytes. */
export function scratch(): string {
  return mkdtempSync(join(tmpdir(), 'osvm-'))
}

/** A blank disk that takes no space until it is written. */
export function createDisk(path: string, gibibytes: number): string {
  closeSync(openSync(path, 'wx'))
  truncateSync(path, gibibytes * 2 ** 30)
  return path
}

export class Machine {
  readonly dir: string
  /** What was typed so far. */
  readonly typed: string[] = []
  readonly #child: ChildProcess
  #shell: Socket | undefined
  #received = Buffer.alloc(0)
  #queue: Promise<unknown> = Promise.resolve()

  constructor(child: ChildProcess, dir: string) {
    this.#child = child
    this.dir = dir
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** What the serial console has shown so far. */
  consoleText(): string {
    return readText(join(this.dir, 'console.log'))
  }

  /** Waits until the serial console has shown this. */
  async waitForConsole(text: string | RegExp, timeoutMs = 60_000): Promise<void> {
    const shown = () =>
      typeof text === 'string' ? this.consoleText().includes(text) : text.test(this.consoleText())
    await this.#poll(`${text} on the console`, timeoutMs, shown)
  }

  /** Types on the serial console. */
  async typeOnConsole(text: string): Promise<void> {
    const socket = await dial(join(this.dir, 'console.sock'))
    socket.resume().end(text)
    await once(socket, 'close')
  }

  /** Waits until the test shell answers. Returns the seconds since the call. */
  async waitForBoot(timeoutMs = 180_000): Promise<number> {
    const begin = performance.now()
    await this.#poll('test-shell-ready', timeoutMs, () =>
      readText(join(this.dir, 'shell.log')).includes('test-shell-ready'),
    )
    await this.succeeds('true', { timeoutMs })
    return (performance.now() - begin) / 1000
  }

  /** Runs a shell command as root. The limit is kept inside the guest; status 124 then, as an error. */
  run(command: string, options: RunOptions = {}): Promise<CommandResult> {
    const turn = this.#queue.then(() => this.#execute(command, options.timeoutMs ?? 60_000))
    this.#queue = turn.catch(() => undefined)
    return turn
  }

  /** As `run`, for a command that must succeed. Returns its output without the last newline. */
  async succeeds(command: string, options: RunOptions = {}): Promise<string> {
    const result = await this.run(command, options)
    if (result.status !== 0) throw new CommandError(`exit status ${result.status}`, command, result)
    return result.text.replace(/\n$/, '')
  }

  /** As `run`, for a command that must fail. */
  async fails(command: string, options: RunOptions = {}): Promise<CommandResult> {
    const result = await this.run(command, options)
    if (result.status === 0) throw new CommandError('it succeeded', command, result)
    return result
  }

  async waitUntilSucceeds(command: string, timeoutMs = 60_000): Promise<string> {
    const end = performance.now() + timeoutMs
    for (;;) {
      const result = await this.run(command)
      if (result.status === 0) return result.text.replace(/\n$/, '')
      if (performance.now() > end)
        throw new CommandError(`no success within ${timeoutMs} ms`, command, result)
      await sleep(500)
    }
  }

  /** Writes a small file in the guest. */
  async writeFile(path: string, content: string | Buffer): Promise<void> {
    await this.succeeds(`base64 -d >'${path}' <<'END'\n${Buffer.from(content).toString('base64')}\nEND`)
  }

  /** Cuts the power. */
  async kill(): Promise<void> {
    this.#shell?.destroy()
    if (!this.isRunning) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  /** Asks the guest to power off and waits until it has. Returns the seconds that took. */
  async powerOff(timeoutMs = 120_000): Promise<number> {
    const begin = performance.now()
    await this.run('poweroff').catch(() => undefined)
    await this.waitForExit(timeoutMs)
    return (performance.now() - begin) / 1000
  }

  /** Presses the power button. */
  async pressPowerButton(): Promise<void> {
    const socket = await dial(join(this.dir, 'qmp.sock'))
    socket.write('{"execute":"qmp_capabilities"}\n{"execute":"system_powerdown"}\n')
    await once(socket, 'data')
    await sleep(200)
    socket.destroy()
  }

  /** Waits until QEMU has ended: the guest powered off, or rebooted (which ends it too). */
  async waitForExit(timeoutMs = 120_000): Promise<void> {
    const end = performance.now() + timeoutMs
    while (this.isRunning) {
      if (performance.now() > end)
        throw new Error(`the machine still runs after ${timeoutMs} ms\n${this.#tail()}`)
      await sleep(100)
    }
  }

  /** Ends the machine if it still runs, and removes its directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    if (process.env['OSCTL_KEEP_VM'] === undefined) rmSync(this.dir, { recursive: true, force: true })
  }

  async #execute(command: string, timeoutMs: number): Promise<CommandResult> {
    this.typed.push(command)
    const socket = await this.#connect()
    const word = randomBytes(8).toString('hex')
    const begin = performance.now()
    this.#received = Buffer.alloc(0)
    socket.write(`${word}\0${(timeoutMs / 1000).toFixed(3)}\0${command}\0`)
    let answer: CommandResult | undefined
    await this.#poll(`an answer to: ${command}`, timeoutMs + GRACE_MS, () => {
      answer = answerIn(this.#received, word)
      return answer !== undefined
    })
    const result = answer ?? { status: 124, output: Buffer.alloc(0), text: '' }
    const wasEnded = result.status === 124 || result.status === 137
    if (wasEnded && performance.now() - begin > timeoutMs * 0.95) {
      throw new CommandError(`not done within ${timeoutMs} ms`, command, result)
    }
    return result
  }

  async #connect(): Promise<Socket> {
    if (this.#shell !== undefined && !this.#shell.destroyed) return this.#shell
    const socket = await dial(join(this.dir, 'shell.sock'))
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes])
    })
    socket.on('error', () => undefined)
    this.#shell = socket
    for (const part of chunks(AGENT)) socket.write(` printf %s ${part} >>/run/agent.base64\n`)
    socket.write(' base64 -d /run/agent.base64 >/run/agent.sh; exec bash /run/agent.sh\n')
    await this.#poll('the agent', GRACE_MS, () => this.#received.includes('<agent'))
    return socket
  }

  async #poll(what: string, timeoutMs: number, done: () => boolean): Promise<void> {
    const end = performance.now() + timeoutMs
    while (!done()) {
      if (!this.isRunning)
        throw new Error(`the machine ended while a test waited for ${what}\n${this.#tail()}`)
      if (performance.now() > end) throw new Error(`no ${what} within ${timeoutMs} ms\n${this.#tail()}`)
      await sleep(20)
    }
  }

  #tail(): string {
    const qemu = readText(join(this.dir, 'qemu.log')).slice(-500)
    return `console (its end):\n${this.consoleText().slice(-2000)}\n${qemu}`
  }
}

/** The whole answer to the command of this word, if it is there. */
function answerIn(received: Buffer, word: string): CommandResult | undefined {
  const begin = received.indexOf(`<${word} `)
  const line = begin < 0 ? -1 : received.indexOf('\n', begin)
  if (line < 0) return undefined
  const [, status, encoding, bytes] = received.toString('latin1', begin, line).split(' ')
  const body = received.subarray(line + 1, line + 1 + Number(bytes))
  if (body.length < Number(bytes)) return undefined
  const output = encoding === 'base64' ? Buffer.from(body.toString('latin1'), 'base64') : body
  return { status: Number(status), output, text: output.toString() }
}

function chunks(text: string): string[] {
  return text.match(new RegExp(`.{1,${LINE_BYTES}}`, 'g')) ?? []
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

async function dial(path: string): Promise<Socket> {
  const socket = connect(path)
  await once(socket, 'connect')
  return socket
}
