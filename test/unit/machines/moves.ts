/** Random moves through a world: commands, outcomes, and what hosts and containers do by themselves. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Fact } from '../../../src/events/types/events.ts'
import { can } from '../../../src/machines/decide/decision.ts'
import type { PoolCommand } from '../../../src/machines/decide/pool.ts'
import { lifeOf } from '../../../src/machines/life.ts'
import {
  admin,
  type Command,
  create,
  exportPool,
  freeze,
  image,
  install,
  prune,
  remove,
  restart,
  type SourceName,
  set,
  sources,
  start,
  stop,
  ulid,
  undelete,
  unfreeze,
} from './commands.ts'
import { has, type Outcome, opened, ready, runs, type World, world } from './helpers.ts'

const CTIDS = ['a', 'b', 'c'] as const
const USERS = [null, null, 'a', 'b', 'shared'] as const

/** One move; numbers choose among what is there at that moment, so that every sequence is possible. */
export type Move =
  | { readonly do: 'command'; readonly command: (w: World, n: number) => Command; readonly what: string }
  | { readonly do: 'outcome'; readonly which: number; readonly outcome: Outcome }
  | { readonly do: 'settle' }
  | { readonly do: 'late'; readonly which: number }
  | {
      readonly do: 'effect'
      readonly which: number
      readonly type: 'EffectInDoubt' | 'EffectResumed' | 'EffectRetried' | 'EffectFenced'
    }
  | { readonly do: 'cancel'; readonly which: number }
  | { readonly do: 'host'; readonly ctid: string; readonly fact: (run: string) => Fact }
  /** What a look at the host tells of a container. */
  | { readonly do: 'drift'; readonly ctid: string; readonly fact: (w: World) => Fact }
  | { readonly do: 'pool'; readonly facts: (bootId: string) => Fact[] }

const command = (what: string, make: (w: World, n: number) => Command): Move => ({
  do: 'command',
  command: make,
  what,
})
const ctid = fc.constantFrom(...CTIDS)

const ctCommand: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        ctid,
        fc.constantFrom(...(Object.keys(sources) as SourceName[])),
        fc.constantFrom(...USERS),
        fc.nat(2),
      )
      .map(([name, from, user, key]) => {
        const source =
          from === 'repositoryTar'
            ? ({ from: 'repository', image: image('tar', `image-${key}`) } as const)
            : sources[from]
        return command(`create ${name} from ${from}`, (_w, n) =>
          create(name, source, { user, id: ulid(n, '01HD') }),
        )
      }),
  },
  { weight: 4, arbitrary: ctid.map((name) => command(`start ${name}`, (_w, n) => start(name, `run-${n}`))) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(ctid, fc.constantFrom('stop', 'shutdown', 'kill', 'kill'))
      .map(([name, mode]) => command(`stop ${name} ${mode}`, () => stop(name, mode))),
  },
  {
    weight: 1,
    arbitrary: ctid.map((name) => command(`restart ${name}`, (_w, n) => restart(name, `run-${n}`))),
  },
  { weight: 3, arbitrary: ctid.map((name) => command(`kill ${name}`, () => stop(name, 'kill'))) },
  { weight: 4, arbitrary: ctid.map((name) => command(`freeze ${name}`, () => freeze(name))) },
  { weight: 6, arbitrary: ctid.map((name) => command(`unfreeze ${name}`, () => unfreeze(name))) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(ctid, fc.constantFrom(null, 'one', 'two'))
      .map(([name, hostname]) => command(`set ${name} ${hostname}`, () => set(name, { hostname }))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(ctid, fc.boolean())
      .map(([name, force]) => command(`delete ${name} ${force}`, () => remove(name, force))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(ctid, fc.constantFrom(null, ...CTIDS))
      .map(([name, as]) => command(`undelete ${name} as ${as}`, () => undelete(name, as))),
  },
)

const driftName = fc.constantFrom('missing', 'renamed', 'running', 'quota')
/** What is settled or gone is what is known of the container, if anything is. */
const known = (w: World, name: string, else_: string): string =>
  Object.keys(w.byCtid(name)?.context.drift ?? {})[0] ?? else_
const driftMove: fc.Arbitrary<Move> = fc
  .tuple(ctid, ctid, driftName, fc.constantFrom('noticed', 'noticed', 'gone', 'adopt', 'repair'))
  .map(([name, other, drift, what]): Move => {
    const evidence = { initPid: 2, startTime: 1, bootId: 'boot' }
    const found = { dataset: `tank/ct/${other}x`, guid: '9', value: '1', run: 'by-hand', evidence }
    const fact = (w: World): Fact =>
      what === 'gone'
        ? { type: 'DriftGone', drift: known(w, name, drift) }
        : { type: 'DriftNoticed', drift, expected: 'a', seen: 'b', found }
    if (what === 'gone' || what === 'noticed') return { do: 'drift', ctid: name, fact }
    return command(`${what} ${name}`, (w) => ({
      type: `drift.${what as 'adopt' | 'repair'}`,
      stream: w.byCtid(name) ? w.stream(name) : 'pool',
      drift: known(w, name, drift),
    }))
  })

const poolCommand: fc.Arbitrary<Move> = fc
  .constantFrom<() => PoolCommand>(
    () => ({ type: 'repo.add', name: 'other', url: '/repository' }),
    () => ({ type: 'repo.delete', name: 'other' }),
    () => ({ type: 'repo.set', name: 'other', enabled: false }),
    () => ({ type: 'pool.set', set: { parallelStart: 3 } }),
    () => exportPool(true),
    () => install,
    () => ({ type: 'pool.uninstall' }),
  )
  .map((make) => command('pool', make))

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Outcome>({ is: 'ok' }) },
  { weight: 1, arbitrary: fc.constant<Outcome>({ is: 'ok', evidence: { existing: true } }) },
  { weight: 2, arbitrary: fc.constant<Outcome>({ is: 'fail', message: 'it broke' }) },
)

const evidence = (n: number) => ({ initPid: n + 2, startTime: n, bootId: 'boot' })
const run = fc.boolean()
const hostFact: fc.Arbitrary<(run: string) => Fact> = fc.oneof(
  fc.tuple(run, fc.constantFrom('stop', 'reboot', 'crash')).map(
    ([old, target]) =>
      (name: string): Fact => ({ type: 'CtExited', run: old ? 'old' : name, target, how: 'hook' }),
  ),
  fc.nat(9).map(
    (n) =>
      (name: string): Fact => ({ type: 'CtRebooted', run: name, evidence: evidence(n) }),
  ),
  fc.tuple(fc.nat(9), fc.boolean()).map(
    ([n, frozen]) =>
      (name: string): Fact => ({ type: 'CtAdopted', run: name, evidence: evidence(n), frozen }),
  ),
  run.map(
    (old) =>
      (name: string): Fact => ({ type: 'CtLost', run: old ? 'old' : name, bootId: 'boot' }),
  ),
)

const closed: Fact = { type: 'PoolClosed' }
const importing: fc.Arbitrary<Move> = fc
  .constantFrom<(boot: string) => Fact[]>(
    (boot) => [closed, opened(boot), ready],
    (boot) => [opened(boot), ready],
    (boot) => [opened(boot)],
    () => [ready],
    () => [closed],
  )
  .map((facts): Move => ({ do: 'pool', facts }))

export const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 10, arbitrary: ctCommand },
  { weight: 1, arbitrary: poolCommand },
  {
    weight: 1,
    arbitrary: fc.constant(command('prune', (w) => prune(Object.keys(w.pool().context.trash)))),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('outcome'), which: fc.nat(9), outcome }) },
  { weight: 4, arbitrary: fc.constant<Move>({ do: 'settle' }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('late'), which: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('effect'),
      which: fc.nat(9),
      type: fc.constantFrom('EffectInDoubt', 'EffectResumed', 'EffectRetried', 'EffectFenced'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel'), which: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('host'), ctid, fact: hostFact }) },
  { weight: 1, arbitrary: importing },
  { weight: 3, arbitrary: driftMove },
)

const effectFact = (type: Extract<Move, { do: 'effect' }>['type'], intent: string): Fact => {
  switch (type) {
    case 'EffectRetried':
      return { type, intent, attempt: 1, class: 'transient', message: 'busy' }
    case 'EffectFenced':
      return { type, intent, processes: 1 }
    default:
      return { type, intent, why: 'it is so' }
  }
}

/** Facts that the machine would refuse are not told: the daemon asks `can` too. */
function tellIfLegal(w: World, stream: Parameters<World['tell']>[0], fact: Fact): void {
  const state = stream === 'pool' ? w.pool() : w.ct(stream.slice(3))
  if (can(state, fact)) w.tell(stream, fact)
}

/** Makes one move in a world; what makes no sense at that moment is passed over. */
export function make(w: World, move: Move, n: number): void {
  const nth = <T>(items: T[], which: number): T | undefined => items[which % Math.max(1, items.length)]
  switch (move.do) {
    case 'command':
      w.when(move.command(w, n))
      return
    case 'outcome': {
      const intent = nth([...w.pending.keys()], move.which)
      if (intent) w.answer(intent, move.outcome)
      return
    }
    case 'settle':
      w.settle()
      return
    case 'late': {
      const intent = nth([...w.abandoned.keys()], move.which)
      if (intent) w.answer(intent)
      return
    }
    case 'effect': {
      const requested = nth([...w.pending.values()], move.which)
      if (requested) tellIfLegal(w, requested.stream, effectFact(move.type, requested.wanted.intent))
      return
    }
    case 'cancel': {
      const requested = nth([...w.pending.values()], move.which)
      if (requested) w.tell(requested.stream, { type: 'CancelRequested', actor: admin, cli: null })
      return
    }
    case 'host': {
      const ct = w.byCtid(move.ctid)
      if (ct?.context.run && ct.context.op === null)
        tellIfLegal(w, w.stream(move.ctid), move.fact(ct.context.run.name))
      return
    }
    case 'drift': {
      const ct = w.byCtid(move.ctid)
      if (ct?.context.op === null) tellIfLegal(w, w.stream(move.ctid), move.fact(w))
      return
    }
    case 'pool':
      for (const fact of move.facts('boot')) tellIfLegal(w, 'pool', fact)
      return
  }
}

/** One runs, one is stopped, one lies in the trash. */
const populated = runs(has(world(), 'b'), 'a')
has(populated, 'c').when(remove('c'))
populated.settle()

/** A world after these moves, everything in it settled when asked for. `watch` sees it after each move. */
export function played(moves: readonly Move[], settle = false, watch: (w: World) => void = () => {}): World {
  const w = populated.clone()
  for (const [n, one] of moves.entries()) {
    make(w, one, n + 1)
    watch(w)
  }
  if (!settle) return w
  for (const { stream, wanted } of [...w.pending.values()]) {
    tellIfLegal(w, stream, effectFact('EffectResumed', wanted.intent))
  }
  w.settle()
  for (const ct of w.cts()) assert.equal(ct.context.op, null, `an operation of ${lifeOf(ct)} never ends`)
  return w
}
