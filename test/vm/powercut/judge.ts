/**
 * What must hold of a pool whose host lost power at a point, by what was seen of it:
 *
 * - the log verifies from end to end, and holds the last head that was read from it before the cut;
 * - every command that was answered is in it as done, and is there;
 * - the command that was under way is there, whole, or it is not there at all, as its operation says;
 * - no operation is left under way or in doubt: recovery took one pass, and nobody helped;
 * - datasets are those of the containers, nothing is left in staging, `healthcheck` finds nothing;
 * - every change of our datasets that ZFS wrote down is of an effect of the log or of its upkeep, and every effect that
 *   is done left one;
 * - containers with autostart run, and containers can be started.
 * @pure
 */
import type { Seen } from './guest.ts'
import type { Look } from './look.ts'
import type { Point } from './points.ts'
import type { Acknowledged } from './recording.ts'

/** What became of the command that was under way: `no trace` when the log does not know it. */
export type Fate = 'done' | 'undone' | 'failed' | 'no trace' | 'wrong'

export type Verdict = { readonly fate: Fate; readonly wrong: readonly string[] }

export type Outcome = Verdict & {
  readonly key: string
  /** In words: where, what had been answered, and what was under way. */
  readonly name: string
  readonly kind: Point['kind']
  /** The one that was under way. */
  readonly command: string
  /** Containers that were started to see whether they can be. */
  readonly started: number
}

export const underWay = (acknowledged: readonly Acknowledged[], { before }: Point): string =>
  acknowledged[before + 1]?.command ?? 'nothing'

/** The newest head that was on the disk for certain at this point; empty when none was. */
export const headBefore = (acknowledged: readonly Acknowledged[], bytes: number): string =>
  acknowledged.findLast(({ log }) => log.bytes <= bytes)?.log.head ?? ''

/** @param entries  of the whole record */
export function nameOf(point: Point, acknowledged: readonly Acknowledged[], entries: number): string {
  const { unflushed, lost, before } = point
  const where = point.kind === 'flush' ? 'at a flush' : `${lost} of ${unflushed} lost after a flush`
  const answered = acknowledged[before]?.command ?? 'nothing'
  return `entry ${point.entries} of ${entries}, ${where}; '${answered}' answered, '${underWay(acknowledged, point)}' under way`
}

/** @param look  at this point; what could not be seen is wrong */
export function outcomeOf(
  { seen, error }: Pick<Look, 'seen' | 'error'>,
  point: Point,
  acknowledged: readonly Acknowledged[],
  entries: number,
): Outcome {
  const verdict: Verdict = seen ? judge(seen, acknowledged, point) : { fate: 'wrong', wrong: [error] }
  return {
    key: point.key,
    name: nameOf(point, acknowledged, entries),
    kind: point.kind,
    command: underWay(acknowledged, point),
    started: Object.keys(seen?.started ?? {}).length,
    ...verdict,
  }
}

export function judge(seen: Seen, acknowledged: readonly Acknowledged[], point: Point): Verdict {
  const [was, next] = [acknowledged[point.before], acknowledged[point.before + 1]]
  const fate = fateOf(seen, next)
  const now = seen.containers.map(({ configured }) => configured)
  const expected = fate === 'done' ? next : was
  const wrong = [
    ...logIsWrong(seen),
    ...acknowledged.slice(0, point.before + 1).flatMap(({ command }) => isDone(seen, command)),
    ...(fate === 'wrong' ? [`'${next?.command}' is neither done nor undone`] : []),
    ...differ('configured', now, (expected?.configured ?? '').split('\n').filter(Boolean)),
    ...differ(
      'datasets of containers',
      seen.datasets,
      seen.containers.map(({ id }) => id),
    ),
    ...differ('in staging', seen.staged, []),
    ...differ('healthcheck', seen.problems.map(problemText), []),
    ...changesAreWrong(seen),
    ...containersAreWrong(seen, next?.command ?? ''),
  ]
  return { fate, wrong }
}

const problemText = ({ level, entity, id, problem }: Seen['problems'][number]): string =>
  `${level} ${entity} ${id ?? ''}: ${problem}`

function logIsWrong({ verified, operations }: Seen): string[] {
  const [pool] = verified
  if (!pool || verified.length !== 1) return ['the log was not verified']
  const problems = pool.result === 'ok' ? [] : [`event verify: ${pool.result}: ${pool.problems.join('; ')}`]
  const open = operations.filter(({ state }) => !['done', 'failed', 'undone'].includes(state))
  return [...problems, ...open.map((it) => `'${it.command}' is ${it.state}: ${it.problem ?? ''}`)]
}

function changesAreWrong({ changes }: Seen): string[] {
  const strange = changes.filter(({ change }) => change === 'foreign' || change === 'unrecorded')
  const named = strange.map(({ change, of, subject, what }) => `${change}: ${of ?? ''} ${subject} ${what}`)
  const isEmpty = !changes.some(({ change }) => change === 'effect')
  return isEmpty ? [...named, 'ZFS wrote down no change of an effect'] : named
}

const find = ({ operations }: Seen, command: string) =>
  operations.find((it) => it.command === `osctl ${command}`)

function isDone(seen: Seen, command: string): string[] {
  const state = find(seen, command)?.state ?? 'not in the log'
  return state === 'done' ? [] : [`'${command}' was answered, and is ${state}`]
}

function fateOf(seen: Seen, next: Acknowledged | undefined): Fate {
  if (!next) return 'no trace'
  const state = find(seen, next.command)?.state
  if (state === undefined) return 'no trace'
  return state === 'done' || state === 'undone' || state === 'failed' ? state : 'wrong'
}

function differ(what: string, found: readonly string[], expected: readonly string[]): string[] {
  const [a, b] = [found, expected].map((all) => [...all].sort().join(', '))
  return a === b ? [] : [`${what}: ${a || 'none'}, expected ${b || 'none'}`]
}

/** Those with autostart run; another runs only if its start was under way. */
function containersAreWrong({ containers, started }: Seen, command: string): string[] {
  const wrong = containers.flatMap(({ id, state, autostart }) => {
    const legal = autostart
      ? ['running']
      : command === `ct start ${id}`
        ? ['running', 'stopped']
        : ['stopped']
    return legal.includes(state) ? [] : [`${id} is ${state}, expected ${legal.join(' or ')}`]
  })
  const notStarted = Object.entries(started).filter(([, state]) => state !== 'running')
  return [...wrong, ...notStarted.map(([id, state]) => `${id} was started, and is ${state}`)]
}
