/** What each effect of a plan would do to the host: the effect's own code, on a host that only writes down. */
import { type EffectContext, type EffectKind, isNone } from '../../effects/effect.ts'
import { HostError } from '../../effects/host.ts'
import type { Rehearsal } from '../../effects/rehearsal.ts'
import type { StreamId } from '../../events/types/ids.ts'
import type { IntentKind } from '../../events/types/intents.ts'
import type { Requested } from '../../machines/advance.ts'
import { ctIdOf, ctidOf, type States } from '../../machines/fold.ts'
import { exists } from '../../machines/life.ts'
import type { PlannedAction } from '../../rpc/plan.ts'
import { oneLine } from '../errors.ts'
import type { Pool } from '../pool.ts'
import { specOf } from '../spec.ts'
import { StandIns } from './stand-ins.ts'

/** Users of all pools, with those of one pool as these states have them. */
export type UsersWith = (
  pool: string,
  states: States,
) => Parameters<Rehearsal['host']['materialise']['users']>[0]

export type Staged = Pick<Pool, 'name' | 'dataset' | 'directory' | 'ports'>

export class Rehearsals {
  readonly #pool: Staged
  readonly #states: States
  readonly #rehearsal: Rehearsal
  readonly #words = new StandIns()
  readonly #derived: PlannedAction[] = []
  /** A step that would fail as the host is now: what comes after it cannot be told. */
  #failed = false

  /** @param states  what the plan changes as it goes on */
  constructor(pool: Staged, states: States) {
    this.#pool = pool
    this.#states = states
    this.#rehearsal = pool.ports.rehearse({ pool: pool.name, dataset: pool.dataset })
  }

  async of(stream: StreamId, wanted: Requested['wanted']): Promise<PlannedAction[]> {
    if (this.#failed) return [{ is: 'note', text: 'what it would do depends on the step that would fail' }]
    const { kind, compensates } = wanted
    const effect = this.#pool.ports.effects[kind] as unknown as EffectKind<IntentKind>
    const args = this.#words.concrete(wanted.args) as never
    const context = this.#context(stream, compensates ?? wanted.intent)
    return await this.#told(async () => {
      if (compensates && !isNone(effect.undo)) await effect.undo(args, null, context)
      if (compensates) return
      this.#words.bindAll(effect.assume(wanted.args as never), await effect.run(args, context))
    })
  }

  /** Something of the host that no intent asks for. */
  aside(work: (host: Rehearsal['host']) => Promise<unknown>): Promise<PlannedAction[]> {
    return this.#told(async () => {
      await work(this.#rehearsal.host)
    })
  }

  /** The same, for what is derived. */
  async derive(work: (host: Rehearsal['host']) => Promise<unknown>): Promise<void> {
    this.#derived.push(...(await this.aside(work)))
  }

  /** What is made to fit the new state beside the effects: users of the host, what is left of containers that went. */
  async derived(before: States, users: UsersWith): Promise<PlannedAction[]> {
    if (this.#failed) return []
    const { materialise } = this.#rehearsal.host
    const actions = this.#derived.splice(0)
    if (before.pool().context.users !== this.#states.pool().context.users) {
      const wanted = users(this.#pool.name, this.#states)
      actions.push(...(await this.#told(() => materialise.users(wanted))))
    }
    for (const ct of before.cts()) {
      if (exists(this.#states.ct(ctIdOf(ct)))) continue
      const ref = { pool: this.#pool.name, id: ctIdOf(ct), ctid: ctidOf(ct) }
      actions.push(...(await this.#told(() => materialise.forgetContainer(ref))))
    }
    return actions
  }

  #context(stream: StreamId, intent: string): EffectContext {
    const { name, dataset, directory, ports } = this.#pool
    const own = this.#words.concrete(intent)
    return {
      host: { ...ports.host, ...this.#rehearsal.host },
      pool: name,
      dataset,
      directory,
      intent: own,
      fence: { intent: own, signal: new AbortController().signal },
      container: () => this.#words.concrete(specOf({ name, dataset, states: this.#states }, stream)),
    }
  }

  async #told(work: () => Promise<void>): Promise<PlannedAction[]> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof HostError)) throw error
      this.#failed = true
      const text = `as the host is now, it would fail: ${oneLine(error.message)}`
      return this.#words.readable([...this.#rehearsal.take(), { is: 'note', text }])
    }
    return this.#words.readable(this.#rehearsal.take())
  }
}
