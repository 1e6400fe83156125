/**
 * The way to the daemon: one connection, made when first needed, and one round trip for most commands.
 *
 * `query` reads. `change` is for what alters something: it carries an idempotency key, the command line as
 * typed and what we can say of the user; it shows progress; and if the user stops waiting, it says that the
 * operation goes on, and under which id it is found.
 */
import { readFileSync } from 'node:fs'
import { type CallOptions, type Client, connectTo } from '../rpc/client.ts'
import type { Meta, MethodInput, MethodName } from '../rpc/methods.ts'
import type { Accepted, MethodResult } from '../rpc/results.ts'
import type { Io } from './io.ts'
import type { Options } from './options.ts'
import { Progress } from './progress.ts'

/** As a shell reports a program that died of SIGINT. */
const INTERRUPTED = 130

export type LinkOptions = {
  readonly socket: string
  readonly io: Io
  readonly globals: Options
  readonly env: NodeJS.ProcessEnv
  /** The command line for the history, free of secrets. */
  readonly cli: string
  /** Another way than the socket: to a file that is replayed. */
  readonly connect?: (() => Promise<Client>) | undefined
}

export class Link {
  readonly #options: LinkOptions
  #client: Client | null = null
  #noted = false

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** Asks for something; nothing is altered by it. */
  async query<M extends MethodName>(
    method: M,
    params: MethodInput<M>,
    options: CallOptions = {},
  ): Promise<MethodResult<M>> {
    const client = await this.#connected()
    try {
      return await client.call(method, params, options)
    } finally {
      this.#noteSimulation(client)
    }
  }

  /** Alters something, and waits for its end unless --no-wait. */
  async change<M extends MethodName>(method: M, params: MethodInput<M>): Promise<MethodResult<M>> {
    const { io, globals } = this.#options
    const quiet = globals.flag('quiet')
    const progress = new Progress(io, globals.flag('json') ? 2 : 1)
    let op: string | null = null
    const onSignal = () => {
      progress.clear()
      io.err(interrupted(op))
      process.exit(INTERRUPTED)
    }
    process.once('SIGINT', onSignal)
    try {
      return await this.query(
        method,
        { ...params, meta: this.#meta(!quiet) },
        {
          onProgress: (note) => {
            op = note.op ?? op
            if (note.text !== '' && !quiet) progress.show(note)
          },
        },
      )
    } finally {
      process.off('SIGINT', onSignal)
      progress.clear()
    }
  }

  /** `change`, then says what there is to say of the result. */
  async apply<M extends AcceptedMethod>(method: M, params: MethodInput<M>): Promise<Accepted> {
    const accepted: Accepted = await this.change(method, params)
    const { io, globals } = this.#options
    if (accepted.plan) {
      const { printPlan } = await import('./output/plan.ts')
      printPlan(io, accepted.plan, globals.flag('json'))
      return accepted
    }
    for (const warning of accepted.warnings) io.err(`warning: ${warning}\n`)
    if (globals.flag('json')) io.out(`${JSON.stringify(accepted)}\n`)
    else if (accepted.result === 'accepted' && !globals.flag('quiet')) {
      io.out(
        `accepted: it goes on as operation ${accepted.op} (osctl op attach ${accepted.op} waits for it)\n`,
      )
    } else if (accepted.result === 'noop' && io.isTerminal(2))
      io.err('note: nothing to do, it was so already\n')
    return accepted
  }

  /** Whether somebody will be asked before it is done. */
  asks(options: Options): boolean {
    return !options.flag('yes') && !this.isDryRun && this.#options.io.isTerminal(0)
  }

  /** Shows the plan of what is about to be asked for. @throws RpcError when it would be refused */
  async preview<M extends AcceptedMethod>(method: M, params: MethodInput<M>): Promise<void> {
    const { io } = this.#options
    const meta = { ...this.#meta(false), dryRun: true }
    const { plan }: Accepted = await this.query(method, { ...params, meta })
    const { printPlan } = await import('./output/plan.ts')
    // The answer stands on standard output alone.
    if (plan) printPlan({ ...io, out: io.err }, plan, false)
  }

  /** What the caller says of itself: claims, recorded beside what the kernel says. */
  meta(): Meta {
    return this.#meta(false)
  }

  /** Whether what answers is a file: nothing of this machine belongs to it. */
  get isReplay(): boolean {
    return this.#client?.hello?.replay === true
  }

  close(): void {
    this.#client?.close()
    this.#client = null
  }

  #meta(progress: boolean): Meta {
    const { env, globals, cli } = this.#options
    const reason = globals.text('reason')
    const sudoUser = env['SUDO_USER']
    const sshClient = env['SSH_CONNECTION']?.split(' ')[0]
    return {
      // The command that is planned is the one without the option.
      cli: this.isDryRun ? cli.replace(' --dry-run', '') : cli,
      ...this.#key(),
      progress,
      noWait: globals.flag('no-wait'),
      ...(this.isDryRun ? { dryRun: true } : {}),
      ...(reason === undefined ? {} : { reason }),
      ...(sudoUser ? { sudoUser: sudoUser.slice(0, 100) } : {}),
      ...(sshClient ? { sshClient: sshClient.slice(0, 100) } : {}),
    }
  }

  /** Only a plan is wanted: nothing is asked of the user, and nothing follows it. */
  get isDryRun(): boolean {
    return this.#options.globals.flag('dry-run')
  }

  /** A plan takes no key, but one that was given may have been used. */
  #key(): Pick<Meta, 'key'> {
    const key = this.#options.globals.text('key')
    if (key !== undefined) return { key }
    return this.isDryRun ? {} : { key: freshKey() }
  }

  async #connected(): Promise<Client> {
    const { connect, socket } = this.#options
    this.#client ??= await (connect ? connect() : connectTo(socket))
    return this.#client
  }

  /** On every screen of a person, never in a script's output. */
  #noteSimulation(client: Client): void {
    if (this.#noted || !client.hello?.simulated || !this.#options.io.isTerminal(2)) return
    this.#noted = true
    this.#options.io.err('(simulated host: nothing here is real)\n')
  }
}

/** The kernel's: Node's own `crypto` would take 10 ms to load. */
function freshKey(): string {
  return readFileSync('/proc/sys/kernel/random/uuid', 'latin1').trim()
}

/** Methods that answer with Accepted. */
type AcceptedMethod = { [M in MethodName]: MethodResult<M> extends Accepted ? M : never }[MethodName]

function interrupted(op: string | null): string {
  return op === null
    ? '\ninterrupted: if the command was accepted it goes on (osctl op ls)\n'
    : `\ninterrupted: operation ${op} goes on (osctl op attach ${op} takes it up again)\n`
}
