/** The operator's log: one JSON line each on standard error, which runit's svlogd or syslog collects. */
import { pino } from 'pino'
import type { Logger } from '../ports.ts'

export function stderrLogger(level: string): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  )
}
