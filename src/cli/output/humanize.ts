/** Numbers, sizes, durations as people read them (vpsadminos §3.1). Times are in `rpc/time.ts`. */

const BINARY: readonly [string, number][] = [
  ['T', 1024 ** 4],
  ['G', 1024 ** 3],
  ['M', 1024 ** 2],
  ['K', 1024],
]
const DECIMAL: readonly [string, number][] = [
  ['T', 1e12],
  ['G', 1e9],
  ['M', 1e6],
  ['K', 1e3],
]

/** Bytes, 1024-based: `512`, `1.5K`, `5.0G`, `1023M`. */
export function bytes(value: number): string {
  return withUnit(value, BINARY)
}

/** Counts, 1000-based, by the same rules. */
export function count(value: number): string {
  return withUnit(value, DECIMAL)
}

function withUnit(value: number, units: readonly [string, number][]): string {
  const unit = units.find(([, size]) => Math.abs(value) >= size)
  if (unit === undefined) return plain(value)
  const scaled = value / unit[1]
  return `${Math.abs(scaled) >= 1000 ? Math.round(scaled) : scaled.toFixed(1)}${unit[0]}`
}

/** Integers as they are; fractions from 1000 rounded, from 100 with one decimal, below with two. */
function plain(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return String(Math.round(value))
  return value.toFixed(Math.abs(value) >= 100 ? 1 : 2)
}

export function percent(value: number): string {
  return `${value.toFixed(1)}%`
}

/** Seconds: `12s`, `03:12`, `01:02:03`, `2d, 01:02:03`. */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds)
  if (whole < 60) return `${whole}s`
  const [days, hours] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24]
  const minutes = two(Math.floor(whole / 60) % 60)
  const tail = `${minutes}:${two(whole % 60)}`
  if (days > 0) return `${days}d, ${two(hours)}:${tail}`
  return hours > 0 ? `${two(hours)}:${tail}` : tail
}

/** How long something took, in ms: `14ms`, `1.25s`, then as `duration`. */
export function elapsed(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  return ms < 60_000 ? `${(ms / 1000).toFixed(2)}s` : duration(ms / 1000)
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
