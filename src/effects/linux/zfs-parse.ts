/** What `zfs` and `/proc/self/mountinfo` print, as values. Pure. */
import type { Dataset } from '../host.ts'

type JsonProperty = { value: string; source?: { type: string; data: string } }
type JsonDataset = { name: string; properties: Record<string, JsonProperty> }

const dash = (value: string | undefined): string | null =>
  value === undefined || value === '-' ? null : value

/** Native properties are named without `:`. These stand in fields of their own. */
const FIELDS = new Set(['guid', 'createtxg', 'mounted', 'mountpoint', 'origin'])

function dataset(raw: JsonDataset): Dataset {
  const value = (name: string): string | undefined => raw.properties[name]?.value
  const properties: Record<string, string> = {}
  for (const [name, property] of Object.entries(raw.properties)) {
    // A user property says something of the dataset that bears it: one that is inherited, or that came with a
    // stream of somebody else, says nothing of this one.
    const foreign = name.includes(':') && property.source?.type !== 'LOCAL'
    if (!FIELDS.has(name) && property.value !== '-' && !foreign) properties[name] = property.value
  }
  return {
    name: raw.name,
    guid: value('guid') ?? '',
    createtxg: value('createtxg') ?? '',
    mounted: value('mounted') === 'yes',
    mountpoint: dash(value('mountpoint')),
    origin: dash(value('origin')),
    properties,
  }
}

/**
 * Reads `zfs get -jp`: JSON, because a user property may hold tabs and newlines.
 *
 * @throws SyntaxError when it is not JSON
 * @source zfs-get(8), OpenZFS 2.3
 */
export function parseZfsGet(json: string): Dataset[] {
  const parsed = JSON.parse(json) as { datasets?: Record<string, JsonDataset> }
  return Object.values(parsed.datasets ?? {})
    .map(dataset)
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

/** `root` is the part of the file system that is mounted: `/`, or what a bind mount took of it. */
export type Mount = { source: string; root: string; target: string; type: string; idmapped: boolean }

/** proc_pid_mountinfo(5) escapes blank, tab, newline and backslash as octal. */
const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** Reads /proc/self/mountinfo, in mount order. */
export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [left = '', right = ''] = line.split(' - ')
    const [, , , root, target, options] = left.split(' ')
    const [type, source] = right.split(' ')
    if (root === undefined || target === undefined || type === undefined || source === undefined) continue
    mounts.push({
      source: unescapeOctal(source),
      root: unescapeOctal(root),
      target: unescapeOctal(target),
      type,
      idmapped: options?.split(',').includes('idmapped') ?? false,
    })
  }
  return mounts
}

/** Rows of tab-separated `-H` output. */
export const rows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'))
