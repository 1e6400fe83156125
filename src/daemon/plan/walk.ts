/**
 * Plans: what a command would do, found by doing it on paper.
 *
 * **What.** `osctl --dry-run` of a command. It is decided by the same `decide`, its facts go through the same machines
 * (`advance`), on a copy of the states that the real command would be decided on. Where the real one runs an effect,
 * the plan takes the outcome that the effect's kind says it may expect (`assume`) and goes on with it, to the end.
 *
 * **Why so.** A plan that is written beside the code that does the work is wrong from the first change on. Here there
 * is nothing beside it: what is printed is what the deciding code returned.
 *
 * **Invariants.** Nothing is appended, nobody is told, no id is taken: what a plan would have to mint stands as
 * `<operation>`, `<run>`, `<event>`. What can be looked at without changing anything (an index, an image, free space)
 * was looked at before, by the same handlers. What is known only afterwards stands as words: `<guid of step 1>`.
 *
 * **A crash** costs the plan.
 */
import type { EffectKind } from '../../effects/effect.ts'
import type { NewEvent } from '../../events/types/envelope.ts'
import type { Fact } from '../../events/types/events.ts'
import { ctOfStream, type StreamId } from '../../events/types/ids.ts'
import type { IntentKind } from '../../events/types/intents.ts'
import { type Advanced, advance, type Draft, type Minting, type Requested } from '../../machines/advance.ts'
import type { Decision } from '../../machines/decide/decision.ts'
import { emptyPlan, type Plan, type PlannedEffect } from '../../rpc/plan.ts'
import { branchesOfFact, branchOf, failureOf, stepOf } from './branches.ts'
import { type Paper, paperMint } from './paper.ts'

/** An operation has a handful of steps; one that has this many is a machine that goes in circles. */
const MOST_STEPS = 10_000

/** Walks a decision to the end of its operation. */
export async function walk(walker: Walker, decision: Decision): Promise<Plan> {
  await walker.go(decision.drafts)
  return walker.ending(decision)
}

export class Walker {
  readonly #paper: Paper
  readonly #mint: Minting
  readonly #plan = emptyPlan()
  readonly #waiting: Requested[] = []
  readonly notes: string[] = []

  constructor(paper: Paper) {
    this.#paper = paper
    this.#mint = paperMint(paper.now)
  }

  get paper(): Paper {
    return this.#paper
  }

  plan(result: Plan['result']): Plan {
    return { ...this.#plan, result, notes: this.notes }
  }

  /** The plan of what was walked, as its decision has it. */
  ending(decision: Decision): Plan {
    if (decision.is === 'noop') this.notes.push(decision.why)
    if (decision.is !== 'refused') return this.plan(decision.is === 'noop' ? 'no change' : 'done')
    const { kind, code, message, text, state, possible } = decision.refusal
    const more = {
      ...(state === undefined ? {} : { state }),
      ...(possible === undefined ? {} : { possible: [...possible] }),
    }
    return { ...this.plan(null), refusal: { kind, code, message: text ?? message, ...more } }
  }

  /** Takes facts, then every effect that they ask for, one after another. */
  async go(drafts: readonly Draft[]): Promise<void> {
    this.take(drafts, false)
    await this.finish()
  }

  /** An effect that was asked for before. */
  async resume(requested: Requested): Promise<void> {
    this.#waiting.push(requested)
    await this.finish()
  }

  async finish(): Promise<void> {
    for (let n = 0; n < MOST_STEPS; n++) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      await this.#step(next)
    }
    throw new Error(`a plan of more than ${MOST_STEPS} steps`)
  }

  /** Takes facts; the effects that they ask for wait. */
  take(drafts: readonly Draft[], assumed: boolean): void {
    const { states, pool } = this.#paper
    const advanced: Advanced = advance(states, drafts, this.#mint)
    for (const { fact } of drafts) this.#plan.branches.push(...branchesOfFact(fact, pool))
    for (const [stream, state] of advanced.states) states.set(stream, state)
    for (const event of advanced.events) this.#event(event, assumed)
    for (const { op } of advanced.finished) {
      if (!op.startsWith('<') && op !== this.#paper.op)
        this.notes.push(`operation ${op} is given up: what runs of it is killed`)
    }
    this.#waiting.push(...advanced.requested)
  }

  #event({ stream, type, data }: NewEvent, assumed: boolean): void {
    const { pool } = this.#paper
    this.#plan.events.push({ pool, stream, target: this.#targetOf(stream), type, data, assumed })
  }

  #targetOf(stream: StreamId): string | null {
    const id = ctOfStream(stream)
    return id === undefined ? null : (this.#paper.states.ct(id).context.identity?.ctid ?? null)
  }

  async #step({ stream, wanted }: Requested): Promise<void> {
    const { intent, kind, args } = wanted
    const effect = this.#paper.effects[kind] as unknown as EffectKind<IntentKind>
    const actions = await this.#paper.rehearse(stream, wanted)
    const evidence = wanted.compensates ? {} : effect.assume(args as never)
    const branch = branchOf(this.#paper, this.#mint, stream, wanted)
    const planned: PlannedEffect = {
      step: stepOf(intent),
      pool: this.#paper.pool,
      target: this.#targetOf(stream),
      intent,
      kind: wanted.compensates ? `undo of ${kind}` : kind,
      args,
      actions,
      gives: evidence,
      branches: branch ? [branch] : [],
      fails: failureOf(this.#paper, this.#mint, stream, wanted),
    }
    this.#plan.effects.push(planned)
    const fact = { type: 'EffectSucceeded', intent, kind, evidence, by: 'run' } as Fact
    this.take([{ stream, fact }], true)
  }
}
