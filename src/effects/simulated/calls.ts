/**
 * How a call of the daemon reaches the machine: fault plan, helper process, delay, result.
 *
 *   before-fault → begin (helper starts) → delay → apply (machine changes) → after-fault → answer
 *
 * A daemon that dies anywhere on this way never hears the answer: the promise stays pending for ever, as
 * nothing awaits it. Its helper stays in the machine when it had begun and not yet applied.
 */
import { HostError } from '../host.ts'
import { type Fault, type FaultPlan, type FaultPoint, noFaults } from './faults.ts'
import type { Helper, SimulatedMachine } from './machine.ts'

/** The ports to time and chance; the crash tests drive them from one seed. */
export type SimulatedPorts = {
  /** Wall clock, ms since the epoch. */
  now(): number
  /** Resolves after that time; rejects or resolves early when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Uniform in [0, 1). */
  random(): number
}

export type SimulatedOptions = {
  faults?: FaultPlan
  /** How long a call takes, ms; absent means no time at all. */
  latency?: (op: string, random: () => number) => number
  /** The fault plan stopped the world: this daemon is dead. */
  onCrash?: () => void
}

export type Call<T> = {
  readonly op: string
  readonly subject: string
  readonly intent: string | null
  readonly changes: boolean
  readonly signal?: AbortSignal
  /** Besides the latency, ms. */
  readonly waitMs?: number
  readonly begin?: () => void
  readonly apply: () => T
  readonly abandon?: () => void
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)
const aborted = (op: string): HostError => new HostError('E_ABORTED', 'cancelled', `${op} was cancelled`)
const ioError = (op: string): HostError => new HostError('E_IO', 'transient', `${op}: Input/output error`)

/** A helper that `finishHelpers` let finish while its daemon still waited must not apply twice. */
function once<T>(apply: () => T): () => T {
  let done: { value: T } | undefined
  return () => {
    done ??= { value: apply() }
    return done.value
  }
}

export class Calls {
  readonly #machine: SimulatedMachine
  readonly #ports: SimulatedPorts
  readonly #options: SimulatedOptions
  #dead = false

  constructor(machine: SimulatedMachine, ports: SimulatedPorts, options: SimulatedOptions) {
    this.#machine = machine
    this.#ports = ports
    this.#options = options
  }

  get isDead(): boolean {
    return this.#dead
  }

  /** This daemon neither does nor hears anything any more. */
  die(): void {
    this.#dead = true
  }

  #consult(point: FaultPoint): Fault {
    return (this.#options.faults ?? noFaults)(point)
  }

  #crash<T>(): Promise<T> {
    this.die()
    this.#options.onCrash?.()
    return never()
  }

  /** Nobody answers; the helper can be killed, and the daemon can give up. */
  #hang<T>(call: Call<T>, apply: () => unknown): Promise<T> {
    return new Promise<T>((_resolve, reject) => {
      const end = (): void => {
        if (!this.isDead) reject(aborted(call.op))
      }
      const helper = this.#helper(call, apply, end)
      const cancel = (): void => {
        if (this.isDead || !this.#machine.helpers.delete(helper)) return
        call.abandon?.()
        end()
      }
      this.#machine.helpers.add(helper)
      if (call.signal?.aborted) cancel()
      call.signal?.addEventListener('abort', cancel, { once: true })
    })
  }

  #helper<T>(call: Call<T>, apply: () => unknown, killed: () => void): Helper {
    return {
      intent: call.intent ?? '',
      op: call.op,
      apply,
      abandon: () => call.abandon?.(),
      killed,
    }
  }

  /** @throws what the model refuses, what the plan wants, E_ABORTED (cancelled) */
  async run<T>(call: Call<T>): Promise<T> {
    if (this.isDead) return never()
    if (call.changes) this.#machine.tick()
    const point = { op: call.op, intent: call.intent, changes: call.changes, subject: call.subject }
    const fault = this.#consult({ ...point, phase: 'before' })
    if (fault === 'fail-before') throw ioError(call.op)
    if (fault === 'helper-killed') throw this.#killed(call)
    if (fault === 'hang') {
      call.begin?.()
      return this.#hang(call, call.apply)
    }
    if (typeof fault === 'object') {
      if ('error' in fault) throw new HostError(fault.error.code, fault.error.failure, fault.error.message)
      if (fault.orphan === true && call.intent !== null) this.#orphan(call)
      return this.#crash()
    }
    const result = await this.#perform(fault === 'lie' ? this.#withoutEffect(call) : call)
    if (this.isDead) return never()
    if (fault === 'fail-after') throw ioError(call.op)
    return this.#settle(call, result, this.#consult({ ...point, phase: 'after' }))
  }

  /** The helper began and is no more; Linux's hands know only how it ended. */
  #killed<T>(call: Call<T>): HostError {
    call.begin?.()
    call.abandon?.()
    return new HostError('E_FAILED', 'permanent', `${call.op} failed without a word (killed by SIGKILL)`)
  }

  /** The same call, whose change is gone as soon as it was made. */
  #withoutEffect<T>(call: Call<T>): Call<T> {
    const { state } = this.#machine
    const { begin: _begin, ...rest } = call
    const apply = (): T => {
      const before = structuredClone(state)
      call.begin?.()
      const result = call.apply()
      Object.assign(state, before)
      return result
    }
    return { ...rest, apply }
  }

  #orphan<T>(call: Call<T>): void {
    try {
      call.begin?.()
      this.#machine.helpers.add(this.#helper(call, call.apply, () => undefined))
    } catch {
      // The helper failed at once, and the daemon died before it could hear of it.
    }
  }

  #settle<T>(call: Call<T>, result: T, fault: Fault): T | Promise<T> {
    if (fault === 'ok' || fault === 'lie') return result
    if (fault === 'hang') return this.#hang(call, () => undefined)
    if (fault === 'fail-before' || fault === 'fail-after' || fault === 'helper-killed') throw ioError(call.op)
    if ('error' in fault) throw new HostError(fault.error.code, fault.error.failure, fault.error.message)
    return this.#crash()
  }

  async #perform<T>(call: Call<T>): Promise<T> {
    if (call.signal?.aborted) throw aborted(call.op)
    call.begin?.()
    const delay = (call.waitMs ?? 0) + (this.#options.latency?.(call.op, this.#ports.random) ?? 0)
    if (call.intent === null || !call.changes) {
      if (delay > 0) await this.#sleep(delay, call.signal)
      if (this.isDead) return never()
      return this.#apply(call)
    }
    let killed = false
    const apply = once(call.apply)
    const helper = this.#helper(call, apply, () => {
      killed = true
    })
    this.#machine.helpers.add(helper)
    try {
      if (delay > 0) await this.#sleep(delay, call.signal)
      if (this.isDead) return never()
      if (killed || call.signal?.aborted) {
        if (!killed) call.abandon?.()
        throw aborted(call.op)
      }
      return this.#apply({ ...call, apply })
    } finally {
      if (!this.isDead) this.#machine.helpers.delete(helper)
    }
  }

  #apply<T>(call: Call<T>): T {
    if (call.changes) this.#machine.tick()
    const result = call.apply()
    if (call.changes) this.#machine.changed()
    return result
  }

  /** A sleep that the signal ends, whether the port rejects then or resolves. */
  async #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#ports.sleep(ms, signal)
    } catch (error) {
      if (!signal?.aborted) throw error
    }
  }
}
