/** The story itself, the same on every stage. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Where the story plays: a machine that runs the live system, or a simulated one. */
export interface Stage {
  readonly name: string
  /** Directory with logs, for when something is not as told. */
  readonly traces: string
  /** Commands that make `tank` and mark it for osctl. */
  readonly makePool: readonly string[]
  /** Runs a command as an admin would type it; output is both streams. */
  run(command: string): Promise<{ status: number; output: string }>
  /** A command that writes a file in the container and one that reads it back, where that is possible. */
  readonly file: { write: string; read: string } | null
  /** Takes the power away, without warning. */
  cutPower(): Promise<void>
  /** Boots again, with the same disk. */
  bootAgain(): Promise<void>
  /** Leaves the newcomer at a prompt; resolves with the exit status. */
  shell(): Promise<number>
  /** Ends what the stage started. */
  end(): Promise<number>
}

const bold = (text: string): string => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text)

export class Story {
  readonly #stage: Stage

  constructor(stage: Stage) {
    this.#stage = stage
  }

  async tell(): Promise<void> {
    this.#title('A pool')
    for (const command of this.#stage.makePool) await this.#must(command)
    await this.#must('osctl pool ls')
    this.#title('A container')
    await this.#must('osctl ct new --distribution busybox web')
    await this.#must('osctl ct set autostart web')
    await this.#must('osctl ct start web')
    if (this.#stage.file) await this.#must(this.#stage.file.write)
    await this.#must('osctl ct ls')
    this.#title('The power goes')
    await this.#stage.cutPower()
    process.stdout.write('  (cut: nothing was told, nothing was synced)\n')
    await this.#stage.bootAgain()
    this.#title('And comes back')
    await this.#eventually('osctl ct show -H -o state web', /^running$/m)
    await this.#must('osctl ct ls')
    if (this.#stage.file) await this.#must(this.#stage.file.read, /still here/)
    await this.#must('osctl history', /the host died/)
    await this.#must('osctl event verify', /ok/)
    await this.#must('osctl healthcheck', /No errors detected/)
  }

  #title(text: string): void {
    process.stdout.write(`\n${bold(text)}\n`)
  }

  async #must(command: string, expected?: RegExp): Promise<void> {
    process.stdout.write(`  # ${command}\n`)
    const { status, output } = await this.#stage.run(command)
    for (const line of output.trimEnd().split('\n')) if (line !== '') process.stdout.write(`    ${line}\n`)
    if (status !== 0) throw new Error(`'${command}' ended with status ${status}`)
    if (expected && !expected.test(output)) throw new Error(`'${command}' does not say ${expected.source}`)
  }

  async #eventually(command: string, expected: RegExp): Promise<void> {
    const deadline = Date.now() + 120_000
    for (;;) {
      const { status, output } = await this.#stage.run(command)
      if (status === 0 && expected.test(output)) return
      if (Date.now() > deadline) throw new Error(`'${command}' still says: ${output.trim()}`)
      await sleep(1000)
    }
  }
}
