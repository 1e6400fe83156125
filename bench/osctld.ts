/** osctld as the live system starts it, on the simulated host and real logs, for measurements from outside. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'

const TOP = join(import.meta.dirname, '..')

/** One connection; a call resolves with its result. */
export class Client {
  readonly #socket: Socket
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #n = 0

  constructor(path: string) {
    this.#socket = connect(path)
    createInterface({ input: this.#socket }).on('line', (line) => {
      const { id, result, error } = JSON.parse(line) as {
        id?: number
        result?: unknown
        error?: { message: string }
      }
      const waiting = id === undefined ? undefined : this.#waiting.get(id)
      if (id === undefined || !waiting) return
      this.#waiting.delete(id)
      if (error) waiting.reject(new Error(error.message))
      else waiting.resolve(result)
    })
  }

  call(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#n
    this.#socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  close(): void {
    this.#socket.destroy()
  }
}

export class Osctld {
  readonly base = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'osctl-bench-'))
  readonly socketPath = join(this.base, 's')
  /** Of the pool `tank`. */
  readonly log = join(this.base, 'tank', 'events')
  #process: ChildProcess | null = null

  get pid(): number | undefined {
    return this.#process?.pid
  }

  #launch(): ChildProcess {
    // One that was killed leaves its socket behind.
    rmSync(this.socketPath, { force: true })
    const argv = ['--host', 'simulated', '--state', this.base, '--socket', this.socketPath]
    const env = { ...process.env, OSCTL_NODE: process.execPath }
    this.#process = spawn(join(TOP, 'dist', 'osctld'), [...argv, '--log-level', 'error'], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env,
    })
    return this.#process
  }

  client(): Client {
    return new Client(this.socketPath)
  }

  /** With the pool `tank`, and nobody that holds its log. */
  async install(): Promise<void> {
    this.#launch()
    while (!existsSync(this.socketPath)) await new Promise((resolve) => setTimeout(resolve, 20))
    const client = this.client()
    await client.call('pool.install', { name: 'tank' })
    client.close()
    await this.end('SIGTERM')
  }

  /** Starts the daemon; resolves when the pool takes commands, with the ms from spawn to there. */
  async start(): Promise<number> {
    const began = performance.now()
    const child = this.#launch()
    for (;;) {
      if (child.exitCode !== null) throw new Error('osctld ended')
      await new Promise((resolve) => setTimeout(resolve, 10))
      if (!existsSync(this.socketPath)) continue
      const client = this.client()
      const rows = (await client.call('pool.list', {}).catch(() => [])) as { state: string }[]
      client.close()
      if (rows[0]?.state === 'active') return performance.now() - began
    }
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (!this.#process || this.#process.exitCode !== null) return
    this.#process.kill(signal)
    await once(this.#process, 'exit')
    this.#process = null
  }

  /** The caches of states and snapshots are gone: the next start reads the whole log. */
  forget(): void {
    rmSync(join(this.base, 'tank', 'cache'), { recursive: true, force: true })
  }

  [Symbol.dispose](): void {
    this.#process?.kill('SIGKILL')
    rmSync(this.base, { recursive: true, force: true })
  }
}
