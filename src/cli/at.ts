/** `--at`: the moment that `ls` and `show` are asked about. */
import type { At } from '../rpc/methods.ts'
import { parsePoint, TimeError } from '../rpc/time.ts'
import type { Invocation, OptionSpec } from './spec.ts'
import { UsageError } from './usage-error.ts'

export const AT: OptionSpec = {
  long: 'at',
  value: 'time|position',
  help: 'As it was then: POOL:SEQ, SEQ with one pool, or a time, which means the last event that is not later',
}

/** For the descriptions of commands that take `--at`. */
export const AT_NOTE =
  'With --at it is answered from the log as it would have been then. What is measured and not recorded shows as -.'

/** Nothing without `--at`, so that it spreads into parameters. @throws UsageError when it is no moment */
export function atOf({ options }: Invocation): { at?: At } {
  const text = options.text('at')
  return text === undefined ? {} : { at: parseAt(text, '--at') }
}

/** @param what  names the text in the error, such as `--at` */
export function parseAt(text: string, what: string, now: number = Date.now()): At {
  try {
    const point = parsePoint(text, now)
    if ('time' in point) return { time: point.time.to }
    return { position: point.pool === null ? String(point.seq) : `${point.pool}:${point.seq}` }
  } catch (error) {
    if (!(error instanceof TimeError)) throw error
    throw new UsageError(`invalid value for ${what}: ${error.message}; POOL:SEQ and SEQ are positions`)
  }
}
