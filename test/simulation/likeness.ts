/** Is what happened what was planned? Words in angle brackets stand for what only the event could tell. */

/** Placeholder → what it turned out to be; the same one is always the same thing. */
export type Bindings = Map<string, string>

const PLACEHOLDER = /<[^<>]+>/g
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** @returns where and how they differ; null when they agree */
export function difference(planned: unknown, real: unknown, known: Bindings, path = ''): string | null {
  if (typeof planned === 'string') return textDifference(planned, real, known, path)
  if (typeof planned !== 'object' || planned === null)
    return planned === real
      ? null
      : `${path}: planned ${JSON.stringify(planned)}, was ${JSON.stringify(real)}`
  if (typeof real !== 'object' || real === null)
    return `${path}: planned an object, was ${JSON.stringify(real)}`
  const keys = new Set([...Object.keys(planned), ...Object.keys(real)])
  for (const key of keys) {
    const [one, other] = [Reflect.get(planned, key), Reflect.get(real, key)]
    if (one === undefined && other === undefined) continue
    const found = difference(one, other, known, `${path}.${key}`)
    if (found !== null) return found
  }
  return null
}

function textDifference(planned: string, real: unknown, known: Bindings, path: string): string | null {
  const text = typeof real === 'number' || typeof real === 'boolean' ? String(real) : real
  if (typeof text !== 'string') return `${path}: planned ${planned}, was ${JSON.stringify(real)}`
  const names = planned.match(PLACEHOLDER) ?? []
  const pattern = planned.split(PLACEHOLDER).map(escaped).join('(.*?)')
  const match = new RegExp(`^${pattern}$`, 's').exec(text)
  if (!match) return `${path}: planned ${planned}, was ${text}`
  for (const [index, name] of names.entries()) {
    const value = match[index + 1] ?? ''
    if (name === '<event>') continue
    const before = known.get(name)
    if (before !== undefined && before !== value) return `${path}: ${name} is ${value}, and was ${before}`
    known.set(name, value)
  }
  return null
}
