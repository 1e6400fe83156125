/** Options by which history, events and the monitor are filtered alike. */
import { readFileSync } from 'node:fs'
import { isByWallClock, type Placed } from '../../rpc/order.ts'
import { type Moment, parseTime, TimeError } from '../../rpc/time.ts'
import { given, type Invocation } from '../invocation.ts'
import type { OptionSpec } from '../spec.ts'
import { UsageError } from '../usage-error.ts'

const TIMES = "a time such as '10 minutes ago', 'yesterday 14:00', '2026-11-24 14:00:05' or @EPOCH"

export const SINCE: OptionSpec = { long: 'since', value: 'time', help: `From then on: ${TIMES}` }
export const UNTIL: OptionSpec = { long: 'until', value: 'time', help: 'Up to then' }
export const CT: OptionSpec = {
  long: 'ct',
  value: 'id',
  words: 'ct',
  help: 'Only of this container; one that is gone is found by its old id, and by the ULID that is its own',
}
export const ACTOR: OptionSpec = {
  long: 'actor',
  value: 'who',
  kind: 'list',
  help: 'Only what they did: a login or uid, an address that they came from, system for the daemon itself',
}
export const FAILED: OptionSpec = {
  long: 'failed',
  help: 'Only what was refused, failed, was undone, is in doubt, or died',
}
export const OP: OptionSpec = { long: 'op', value: 'id', help: 'Only of this operation' }
export const limitOption = (max: number, standard: number): OptionSpec => ({
  long: 'limit',
  short: 'n',
  value: 'n',
  kind: 'integer',
  min: 1,
  max,
  default: String(standard),
  help: 'At most n, the newest',
})

/** What the protocol calls `eventConditions`. */
export function conditionsOf(invocation: Invocation) {
  const { options } = invocation
  const span = given({
    since: timeOf(options.text('since'), 'since')?.from,
    until: timeOf(options.text('until'), 'until')?.to,
  })
  return { ...span, ...timelessOf(invocation) }
}

/** The same without times, for who means something else by --since. */
export function timelessOf({ options }: Invocation) {
  return given({
    actors: options.list('actor')?.flatMap(namesOfLogin),
    op: options.text('op'),
    failed: options.flag('failed') || undefined,
  })
}

/** @throws UsageError naming the option */
export function timeOf(text: string | undefined, option: string): Moment | undefined {
  if (text === undefined) return undefined
  return orUsageError(option, () => parseTime(text, Date.now()))
}

export function orUsageError<T>(option: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof TimeError) throw new UsageError(`--${option}: ${error.message}`)
    throw error
  }
}

/** The log knows a login by its uid, or by the name that sudo gave: both are meant. */
function namesOfLogin(login: string): string[] {
  const uid = uidOf(login)
  return uid === null ? [login] : [login, `uid ${uid}`]
}

function uidOf(login: string): string | null {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((each) => each.startsWith(`${login}:`))
    return line?.split(':')[2] ?? null
  } catch {
    return null
  }
}

/** Says so when the order between pools rests on a clock that may have jumped. */
export function noteOrder({ io }: Invocation, rows: readonly Placed[]): void {
  if (!isByWallClock(rows)) return
  io.err('note: these pools have no boot in common here: between them the wall clock gives the order\n')
}
