/**
 * Every crash of every command.
 *
 * A command is run once, and every boundary that it meets is recorded. Then, for each boundary and each way
 * to die there, it is run again from the same world with the crash at that place; a new daemon starts, comes
 * to rest, and the world is looked at:
 *
 *   nothing is in doubt, lost, leaked or half made (invariants.ts)
 *   what was acknowledged is there; what was not is fully there or fully undone
 *   containers that the command was not about were not restarted by the daemon's death
 *   the command sent again with the same key is the same operation, and if that had failed, the command sent
 *   anew succeeds
 */
import { type Action, type Boundary, NOTHING, nameOf } from './boundary.ts'
import { problems } from './invariants.ts'
import { afterPowerCut, type Summary, summary, textOf } from './summary.ts'
import type { Verb } from './verbs.ts'
import { type Request, World, type WorldCopy } from './world.ts'

/** When a helper that outlived its daemon finishes, unless it was fenced before. */
type Orphan = 'never' | 'before the next start' | 'as the next daemon starts to fence'
export type Way = { readonly name: string; readonly action: Action; readonly orphan: Orphan }

const KILL: Way = { name: 'killed', action: { do: 'kill' }, orphan: 'never' }
const CUT: Way = { name: 'power cut', action: { do: 'power-cut' }, orphan: 'never' }
const leaving = (orphan: Orphan): Way => ({
  name: `killed, its helper finishes ${orphan}`,
  action: { do: 'kill', orphan: true },
  orphan,
})
const WITH_HELPER: readonly Way[] = [
  leaving('never'),
  leaving('before the next start'),
  leaving('as the next daemon starts to fence'),
  { name: 'power cut with the helper half-way', action: { do: 'power-cut', orphan: true }, orphan: 'never' },
]

/** The daemon lives, and its helper dies at its work, or right after it. */
export const helperKilledAt = ({ where, phase, helper }: Boundary): Action | null => {
  if (where !== 'host' || !helper) return null
  return phase === 'before'
    ? { do: 'helper-killed' }
    : { do: 'error', code: 'E_FAILED', failure: 'permanent' }
}

/** The ways to die at a boundary. */
export const waysAt = ({ where, phase, helper }: Boundary): readonly Way[] =>
  where === 'host' && phase === 'before' && helper ? [KILL, CUT, ...WITH_HELPER] : [KILL, CUT]

export type Course = {
  readonly verb: Verb
  /** With what only this world knows. */
  readonly params: object
  readonly from: WorldCopy
  readonly boundaries: readonly Boundary[]
  readonly before: Summary
  readonly after: Summary
  /** What goes wrong in it for good, so that it is undone; null for one that succeeds. */
  readonly fault: Failing | null
}
export type Failing = { readonly boundary: Boundary; readonly action: Action }
type Begun = { readonly world: World; readonly params: object }

const KEY = 'the-same-key-0001'

export const send = (world: World, { method }: Verb, params: object, key = KEY): Promise<Request> =>
  world.call(method, { ...params, meta: { key } } as never)

/** A daemon on this world, at rest, about to be asked. */
export async function start(from: WorldCopy, verb: Verb): Promise<Begun> {
  const world = new World({ seed: 7n, from })
  if (verb.weather) world.plan = verb.weather
  await world.boot()
  await world.settle()
  world.plan = () => NOTHING
  await verb.begin?.(world)
  return { world, params: { ...verb.params, ...verb.ask?.(world) } }
}

/** Runs a command, without a fault or with that one, and records what it meets from there on. */
export async function record(verb: Verb, from: WorldCopy, fault: Failing | null = null): Promise<Course> {
  const { world, params } = await start(from, verb)
  const before = summary(world)
  world.recording = []
  if (fault) world.plan = at(fault.boundary.n, fault.action)
  const request = await send(world, verb, params)
  if (!request.answered || (request.error && !fault))
    throw new Error(`${verb.name}: ${request.error?.message ?? 'no answer'}`)
  if (!verb.closes || fault) await world.settle()
  await world.pass(verb.lingerMs ?? 0)
  const boundaries = world.recording.filter(({ n }) => n > (fault?.boundary.n ?? 0))
  world.recording = null
  const found = await problems(world, { doubt: verb.weather !== undefined })
  if (found.length > 0) throw new Error(`${verb.name} without a crash: ${found.join('\n')}`)
  return { verb, params, from, boundaries, before, after: summary(world), fault }
}

/** The plan that does one thing at one boundary, once. */
export const at = (n: number, action: Action) => (boundary: Boundary) => (boundary.n === n ? action : NOTHING)

export type Verdict = { readonly wrong: readonly string[]; readonly story: readonly string[] }

/** One run with one crash; says what is wrong afterwards. */
export async function crash(course: Course, boundary: Boundary, way: Way): Promise<Verdict> {
  const { world, params } = await start(course.from, course.verb)
  const inits = initsOf(world)
  const crashing = at(boundary.n, way.action)
  const { fault } = course
  world.plan = (met) => (fault && met.n === fault.boundary.n ? fault.action : crashing(met))
  const request = await send(world, course.verb, params)
  const wrong: string[] = []
  try {
    if (world.isUp && !course.verb.closes) await world.settle()
    await world.pass(course.verb.lingerMs ?? 0)
    if (world.isUp) throw new Error(`the crash ${nameOf(boundary)} did not happen`)
    await comeBack(world, way)
    await world.settle()
    // An operation that was in doubt waits for its admin, whose command may not have been committed.
    wrong.push(...(await problems(world, { doubt: course.verb.weather !== undefined })))
    wrong.push(...restarted(world, course, inits, way.action.do))
    wrong.push(...outcome(world, course, request, way))
    wrong.push(...(await again(world, course, way)))
  } catch (error) {
    wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return { wrong, story: world.story }
}

async function comeBack(world: World, { orphan }: Way): Promise<void> {
  world.plan = () => NOTHING
  if (orphan === 'before the next start') world.machine.finishHelpers()
  if (orphan === 'as the next daemon starts to fence') {
    world.plan = ({ what, phase }) => {
      if (what === 'host.fence' && phase === 'before') world.machine.finishHelpers()
      return NOTHING
    }
  }
  await world.boot()
}

export const initsOf = (world: World): Map<string, number | undefined> =>
  new Map(
    Object.values(world.machine.state.containers).map(({ ctid, evidence }) => [ctid, evidence?.initPid]),
  )

/** A daemon's death restarts nothing. */
export function restarted(
  world: World,
  { verb }: Course,
  before: ReturnType<typeof initsOf>,
  how: Action['do'],
): string[] {
  if (how === 'power-cut' || verb.closes) return []
  const now = initsOf(world)
  return ['plain', 'auto']
    .filter((ctid) => before.has(ctid) && now.has(ctid) && before.get(ctid) !== now.get(ctid))
    .map((ctid) => `${ctid} was restarted`)
}

/** Acknowledged is there; else all or nothing. */
function outcome(world: World, { verb, before, after, fault }: Course, request: Request, way: Way): string[] {
  if (verb.closes) return way.action.do === 'kill' ? unfinished(world) : []
  const ended = summary(world)
  const now = textOf(ended)
  // Each dataset of the trash goes by itself.
  if (fault && verb.method === 'trash.prune') return []
  const acknowledged = request.answered && request.error === null
  const allowed = acknowledged ? [after] : [before, after, ...(fault ? halfway(verb.name, before) : [])]
  const cut = way.action.do === 'power-cut'
  // What the command was about may have been taken up after the boot, or lost with the host.
  const states = cut
    ? allowed.flatMap((state) => [afterPowerCut(state), afterPowerCut(state, ['web'])])
    : allowed
  if (states.some((state) => textOf(state) === now)) return []
  if (!acknowledged && verb.endsWell?.(ended)) return []
  return [
    `neither done nor undone${acknowledged ? ', and acknowledged' : ''}: ${now}\nbefore: ${textOf(before)}\nafter:  ${textOf(after)}`,
  ]
}

/** An export that was accepted is finished by the next daemon; where only the host died, it is void. */
function unfinished(world: World): string[] {
  const types = [...world.disks.named('tank').rows()].map(({ event }) => event.type)
  const isDone = types.lastIndexOf('PoolClosed') > types.lastIndexOf('PoolExportRequested')
  return isDone || !types.includes('PoolExportRequested') ? [] : ['the export was accepted and not finished']
}

/** A restart whose start failed, and a deletion that could not go on, leave a stopped container. */
export function halfway(verb: string, before: Summary): Summary[] {
  if (!/^ct (restart|del -f)/.test(verb)) return []
  const half = structuredClone(before)
  const web = half.pools['tank']?.containers['web']
  if (web) web.life = 'stopped'
  return [half]
}

/** The same command again is the same operation; a new one succeeds where the old one had failed. */
async function again(world: World, { verb, params, after }: Course, way: Way): Promise<string[]> {
  const known = keyed(world)
  const request = await send(world, verb, params)
  await world.settle()
  const operation = request.operation ?? (request.result as { op?: string } | null)?.op ?? request.error?.op
  if (known !== null && operation !== known && !verb.several)
    return [`sent again, it is operation ${operation}, not ${known}: ${request.error?.message}`]
  if (request.error) {
    const anew = await send(world, verb, params, 'another-key-0001')
    await world.settle()
    if (anew.error && !['refused', 'not-found'].includes(anew.error.kind))
      return [`sent anew: ${anew.error.message} (first: ${request.error.message})`]
  }
  const ended = summary(world)
  const now = textOf(ended)
  const found = await problems(world)
  if (way.action.do === 'kill' && !verb.closes && now !== textOf(after) && !verb.endsWell?.(ended))
    found.push(`sent again, the end differs: ${now}\nafter:  ${textOf(after)}`)
  return found.map((problem) => `sent again: ${problem}`)
}

/** The operation that the log knows for the key. */
function keyed(world: World): string | null {
  for (const pool of world.daemon.pools.values()) {
    for (const { event } of world.disks.named(pool.name).rows())
      if (event.key === KEY) return event.op ?? null
  }
  return null
}
