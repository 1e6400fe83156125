/**
 * Every failure of every command: as crashes.ts, but nobody dies. A call of the host fails once before it
 * was applied, once after it was (a lie), for a while or for good; a COMMIT ends with an unknown outcome, on
 * a full disk, or with an I/O error.
 *
 * The command is answered, with success or with one error of a kind that fits; nothing is half made; given
 * anew it succeeds.
 */
import { type Action, type Boundary, DISK_TROUBLE, NOTHING, nameOf } from './boundary.ts'
import { type Course, halfway, initsOf, restarted, send, start, type Verdict } from './crashes.ts'
import { problems } from './invariants.ts'
import { type Summary, summary, textOf } from './summary.ts'
import type { Verb } from './verbs.ts'
import type { Request, World } from './world.ts'

export type Failure = { readonly name: string; readonly action: Action }

const BEFORE: readonly Failure[] = [
  { name: 'fails for once', action: { do: 'fail' } },
  { name: 'fails for good', action: { do: 'error', code: 'E_FAILED', failure: 'permanent' } },
  { name: 'finds no space', action: { do: 'error', code: 'E_NO_SPACE', failure: 'permanent' } },
]
const AFTER: readonly Failure[] = [
  { name: 'was done and says that it failed', action: { do: 'fail' } },
  {
    name: 'was done and says that it failed for good',
    action: { do: 'error', code: 'E_FAILED', failure: 'permanent' },
  },
]
const COMMIT: readonly Failure[] = DISK_TROUBLE.map((fault) => ({
  name: `commit: ${fault}`,
  action: { do: 'disk', fault },
}))

export function failuresAt({ where, phase }: Boundary): readonly Failure[] {
  if (where === 'log') return phase === 'before' ? COMMIT : []
  return phase === 'before' ? BEFORE : AFTER
}

/** The plan that lets the first `times` boundaries of this place fail. */
function failing(boundary: Boundary, { action }: Failure) {
  return (met: Boundary) => (met.n === boundary.n ? action : NOTHING)
}

/** One run with one failure; says what is wrong afterwards. */
export async function fail(course: Course, boundary: Boundary, failure: Failure): Promise<Verdict> {
  const { world, params } = await start(course.from, course.verb)
  const inits = initsOf(world)
  world.plan = failing(boundary, failure)
  const wrong: string[] = []
  try {
    const request = await send(world, course.verb, params)
    if (course.verb.stops && request.error) return { wrong: await anew(world, course), story: world.story }
    if (!course.verb.closes || request.error) await world.settle()
    await world.pass(course.verb.lingerMs ?? 0)
    if (world.met < boundary.n) throw new Error(`the failure ${nameOf(boundary)} did not happen`)
    // Derived state that would not go away is removed when the next daemon starts.
    const stays = boundary.what === 'materialise.forgetContainer'
    wrong.push(
      ...(await problems(world, { doubt: course.verb.weather !== undefined })).filter(
        (problem) => !stays || !problem.endsWith('left over'),
      ),
      ...answer(request, course.verb),
      ...restarted(world, course, inits, 'kill'),
    )
    wrong.push(...end(world, course, request))
    if (request.error) wrong.push(...(await anew(world, course)))
  } catch (error) {
    wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return { wrong, story: world.story }
}

function answer({ answered, error }: Request, { weather }: Verb): string[] {
  if (!answered) return ['not answered']
  const kinds = ['failed', 'unavailable', 'not-found', ...(weather ? ['in-doubt'] : [])]
  if (error && !kinds.includes(error.kind)) return [`answered ${error.kind}: ${error.message}`]
  return error?.message.includes('\n') ? [`an error of several lines: ${error.message}`] : []
}

/** What a command may leave when it failed: all as before, or a step that stands on its own. */
function end(world: World, { verb, before, after }: Course, request: Request): string[] {
  if (verb.closes || verb.endsWell?.(summary(world))) return []
  const now = textOf(summary(world))
  if (verb.method === 'trash.prune' && request.error) return []
  const allowed: readonly Summary[] = request.error ? [before, ...halfway(verb.name, before)] : [after]
  if (allowed.some((state) => textOf(state) === now)) return []
  const how = request.error
    ? `failed (${request.error.message}) and not undone`
    : 'answered as done and not done'
  return [`${how}: ${now}\nbefore: ${textOf(before)}\nafter:  ${textOf(after)}`]
}

async function anew(world: World, course: Course): Promise<string[]> {
  world.plan = () => NOTHING
  const again = (): Promise<Request> => send(world, course.verb, course.params, 'another-key-0001')
  let request = await again()
  // Its disk is away for a while.
  while (request.error?.code === 'E_LOG_IO') request = await again()
  // An installation that is done and could not be imported says so, and how to go on.
  if (request.error?.message.endsWith('(osctl pool import tank)'))
    request = await world.call('pool.import', { name: 'tank' })
  if (!course.verb.closes) await world.settle()
  // It settled what was in doubt, and failed.
  if (course.verb.weather && request.error?.kind === 'not-found') return []
  // A repair that was done although it failed leaves nothing to settle.
  const isSettled = course.verb.method.startsWith('drift.') && request.error?.kind === 'not-found'
  if (request.error && !isSettled) return [`anew: ${request.error.message}`]
  const found = (await problems(world)).map((problem) => `anew: ${problem}`)
  const now = textOf(summary(world))
  if (now !== textOf(course.after))
    found.push(`anew, the end differs: ${now}\nafter:  ${textOf(course.after)}`)
  return found
}
