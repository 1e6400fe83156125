/**
 * When the next container may start: as soon as the host is not under pressure, and in bounded time whatever it is.
 *
 * The original lets starts wait a random time of up to three seconds, so that they do not come in batches, and for
 * `--delay` seconds more while the load of the last five minutes is high. Here the host is asked how long its tasks
 * had to wait since the last look (Pressure Stall Information), which tells at once what a start costs: nothing waits
 * on a host that has time, and one that has none is not asked for more.
 *
 * Starts are a quarter of a second apart, so that the pressure of one is seen before the next. Under pressure the
 * next one waits, for five seconds at most, or for the `--delay` of the container before it when that is longer, and
 * so long again for each that is starting: on a slow machine starts that were forced side by side would only slow each
 * other down, up to their time-outs. A host that is always under pressure, by its own containers perhaps, comes up all
 * the same.
 *
 * Pure; the clock and the host are asked in `autostart.ts`.
 */
import type { Pressure } from '../effects/host.ts'

/** Between two starts, and between two looks at the pressure. */
export const STEP_MS = 250
/** A start waits for the pressure to fall at most so long. */
export const PATIENCE_MS = 5000

/** Shares of the time, 0 … 1, that some task may wait while the next container is let start. */
export const LIMITS: Pressure = { cpu: 0.6, memory: 0.2, io: 0.6 }

/** The account at a moment of the monotonic clock, µs. */
export type Look = { readonly mono: number; readonly pressure: Pressure | null }

/** A look that is older says nothing about now. */
const STALE_US = 2_000_000

/** What is above its limit between two looks, in words; null when nothing is, or nothing is known. @pure */
export function pressing(before: Look, now: Look): string | null {
  const us = now.mono - before.mono
  if (us <= 0 || us > STALE_US) return 'not looked at lately'
  if (!before.pressure || !now.pressure) return null
  for (const name of ['cpu', 'memory', 'io'] as const) {
    const share = (now.pressure[name] - before.pressure[name]) / us
    if (share > LIMITS[name]) return `${name} pressure ${Math.round(Math.min(1, share) * 100)} %`
  }
  return null
}

/** How long a start may be held back in all, after a container with this delay, beside so many that start. @pure */
export const patienceAfter = (delaySeconds: number, starting: number): number =>
  Math.max(PATIENCE_MS, delaySeconds * 1000) * (1 + starting)
