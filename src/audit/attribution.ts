/**
 * Whose is each change of a pool's datasets? ZFS keeps a diary of its own (zpool-history.ts); the log says what osctld
 * was about to do, and did. Every change on our datasets belongs to exactly one effect of the log or to a named act of
 * upkeep, which no event stands for; any other was made by somebody else. And an effect that is done has left at
 * least one change, or it was not done. Pure.
 *
 * An effect may have made a change that its kind makes (attribution-rules.ts) while it was under way, from the commit of
 * its intent to that of its outcome: the diary counts in whole seconds, by the same clock. What bears the id of the
 * effect's operation in its name or value is its own at any time, also when the clock was set meanwhile. Of several
 * that may have made a change it is one that has not made this very change yet: one of which another is still missing,
 * or else one that does not say that it had nothing to do; of those the newest.
 *
 * What this cannot see: a change by hand that osctld was making itself in that very second, and what the diary, which is
 * a ring, has lost. Of an effect that began before the diary nothing is expected, and nothing that is older than the log
 * (it was made, or pruned) is judged.
 */
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData } from '../events/types/events.ts'
import type { IntentArgs, IntentKind } from '../events/types/intents.ts'
import { type Act, actOf, isOurs, type Place, RULES } from './attribution-rules.ts'
import {
  commandOf,
  subjectOf,
  type ZpoolCommand,
  type ZpoolHistory,
  type ZpoolRecord,
} from './zpool-history.ts'

/** An intent of the log, from its commit to its end. */
export type Effect = {
  readonly intent: string
  readonly kind: string
  readonly args: unknown
  /** The intent whose work this one undoes. */
  readonly compensates: string | null
  /** Wall clock, ms; `to` is null while it is open. */
  readonly from: number
  readonly to: number | null
  /** What it gave, when it succeeded and not by an admin's word. */
  readonly evidence: unknown
}
/** What a log tells of its effects. */
export type Effects = {
  /** In the order of their intents. */
  readonly all: readonly Effect[]
  /** From when on it knows all of them, wall clock, ms. */
  readonly since: number
}
/** Changes of somebody else, those of one command together. */
export type ForeignChange = {
  readonly records: readonly [ZpoolRecord, ...ZpoolRecord[]]
  readonly command: ZpoolCommand | null
}
export type Attribution = {
  /** By intent. */
  readonly effects: ReadonlyMap<string, readonly ZpoolRecord[]>
  readonly upkeep: readonly { readonly act: Act; readonly record: ZpoolRecord }[]
  readonly foreign: readonly ForeignChange[]
  /** Effects that are done and of which the diary knows nothing. */
  readonly unrecorded: readonly Effect[]
}

/** A second of the diary, and what the clock that it is read from may be behind. */
const SECOND_MS = 1000 + 10

const isDuring = ({ from, to }: Effect, { time }: ZpoolRecord): boolean =>
  from < time + SECOND_MS && (to === null || time <= to)

/** Does a change bear the id of the effect's operation? */
const isNamed = ({ intent }: Effect, { dataset, detail }: ZpoolRecord): boolean =>
  `${dataset} ${detail}`.includes(intent.split('.')[0] ?? intent)

/** The rule of a kind; null for one that changes no dataset. The log may have kinds of a newer osctld. */
const ruleOf = (kind: string) =>
  Object.hasOwn(RULES, kind) ? (RULES[kind as IntentKind] as Rule | null) : null
type Rule = {
  names(args: unknown, at: Place): readonly string[]
  made(args: unknown, record: ZpoolRecord, at: Place, by: { intent: string; isUndo: boolean }): boolean
  leaves(evidence: unknown): boolean
}

/** Must there be a change that it made, by what it gave? Null while it has given nothing. */
const leaves = ({ kind, evidence }: Effect): boolean | null =>
  evidence === null ? null : (ruleOf(kind)?.leaves(evidence) ?? false)

/** Attributes changes one after another, as they stand in the diary. */
export class Attributor {
  readonly #at: Place
  readonly #effects: readonly Effect[]
  readonly #since: number
  /** By the full names of datasets that they may change, the newest first. */
  readonly #byName = new Map<string, Effect[]>()
  readonly #own = new Map<string, ZpoolRecord[]>()
  readonly #upkeep: { act: Act; record: ZpoolRecord }[] = []
  readonly #foreign: ZpoolRecord[] = []
  readonly #born = new Map<string, number>()
  /** Names that datasets had before, by what they are called now. */
  readonly #former = new Map<string, readonly string[]>()
  /** All names that those had which are destroyed. */
  readonly #destroyed = new Set<string>()
  #begin: number | null = null

  constructor(at: Place, { all, since }: Effects) {
    this.#at = at
    this.#since = since
    this.#effects = all.filter(({ kind }) => ruleOf(kind) !== null)
    for (const effect of this.#effects.toReversed())
      for (const name of ruleOf(effect.kind)?.names(effect.args, at) ?? []) {
        const known = this.#byName.get(name)
        if (known) known.push(effect)
        else this.#byName.set(name, [effect])
      }
  }

  take(record: ZpoolRecord): void {
    const { operation, dataset, time } = record
    this.#begin ??= time
    if (operation === 'create') this.#born.set(dataset, time)
    this.#follow(record)
    const effect = this.#makerOf(record)
    if (effect) {
      const own = this.#own.get(effect.intent)
      if (own) own.push(record)
      else this.#own.set(effect.intent, [record])
      return
    }
    const act = actOf(record, this.#at, this.#born)
    if (act) this.#upkeep.push({ act, record })
    else if (time > this.#since && isOurs(record, this.#at)) this.#foreign.push(record)
  }

  #follow({ operation, dataset, detail }: ZpoolRecord): void {
    if (operation !== 'rename' && operation !== 'destroy') return
    const names = [...new Set([dataset, ...(this.#former.get(dataset) ?? [])])]
    this.#former.delete(dataset)
    if (operation === 'rename') this.#former.set(detail.replace(/^-> /, ''), names)
    else for (const name of names) this.#destroyed.add(name)
  }

  #makerOf(record: ZpoolRecord): Effect | null {
    const able = this.#able(record)
    const during = able.filter((effect) => isDuring(effect, record))
    const found = during.length > 0 ? during : able.filter((effect) => isNamed(effect, record))
    const free = found.filter((effect) => !this.#hasMade(effect, record))
    const needs = (effect: Effect): boolean => leaves(effect) === true && !this.#own.has(effect.intent)
    const mayHave = (effect: Effect): boolean => leaves(effect) !== false
    return free.find(needs) ?? free.find(mayHave) ?? free[0] ?? found[0] ?? null
  }

  /** Effects that make such a change, the newest first. */
  #able(record: ZpoolRecord): Effect[] {
    const parts = subjectOf(record).split('/')
    const names = parts.map((_, i) => parts.slice(0, i + 1).join('/'))
    return names
      .flatMap((name) => this.#byName.get(name) ?? [])
      .filter(({ kind, args, intent, compensates }) => {
        const by = { intent: compensates ?? intent, isUndo: compensates !== null }
        return ruleOf(kind)?.made(args, record, this.#at, by)
      })
  }

  #hasMade({ intent }: Effect, { operation, dataset, detail }: ZpoolRecord): boolean {
    const own = this.#own.get(intent) ?? []
    return own.some((it) => it.operation === operation && it.dataset === dataset && it.detail === detail)
  }

  #isMissing(effect: Effect): boolean {
    const { intent, kind, args, compensates, from } = effect
    if (compensates !== null || this.#own.has(intent)) return false
    if (this.#begin === null || from < this.#begin || !leaves(effect)) return false
    if (kind !== 'dataset.destroy') return true
    const { dataset } = args as IntentArgs<'dataset.destroy'>
    return !this.#destroyed.has(`${this.#at.dataset}/${dataset}`)
  }

  /** @param commands  of the same diary */
  result(commands: readonly ZpoolCommand[]): Attribution {
    return {
      effects: this.#own,
      upkeep: this.#upkeep,
      foreign: grouped(this.#foreign, commands),
      unrecorded: this.#effects.filter((effect) => this.#isMissing(effect)),
    }
  }
}

/** @pure */
export function attribute(at: Place, history: ZpoolHistory, effects: Effects): Attribution {
  const attributor = new Attributor(at, effects)
  for (const record of history.records) attributor.take(record)
  return attributor.result(history.commands)
}

/** Changes in a row that one command made are one. */
function grouped(records: readonly ZpoolRecord[], commands: readonly ZpoolCommand[]): ForeignChange[] {
  const changes: { records: [ZpoolRecord, ...ZpoolRecord[]]; command: ZpoolCommand | null }[] = []
  for (const record of records) {
    const command = commandOf(commands, record)
    const last = changes.at(-1)
    if (last && command !== null && last.command === command) last.records.push(record)
    else changes.push({ records: [record], command })
  }
  return changes
}

/** Events that effects are told by. */
export const EFFECT_TYPES = ['EffectIntended', 'EffectSucceeded', 'EffectFailed'] as const

/**
 * @param events  those of EFFECT_TYPES
 * @param begin   when the first event that the log still has was written
 * @pure
 */
export function effectsOf(events: readonly StoredEvent[], begin: number): Effects {
  let since = begin
  const effects = new Map<string, { -readonly [K in keyof Effect]: Effect[K] }>()
  for (const { type, t, data } of events) {
    if (type === 'EffectIntended') {
      const { intent, kind, args, compensates } = data as EventData<'EffectIntended'>
      effects.set(intent, { intent, kind, args, compensates, from: t, to: null, evidence: null })
      continue
    }
    const { intent, by } = data as { intent: string; by?: string }
    const effect = effects.get(intent)
    if (!effect) {
      // Its intent was pruned: what it did before this is known no more.
      since = Math.max(since, t)
      continue
    }
    effect.to = t
    if (type === 'EffectSucceeded' && by !== 'operator')
      effect.evidence = (data as EventData<'EffectSucceeded'>).evidence
  }
  return { all: [...effects.values()], since }
}
