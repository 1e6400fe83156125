/**
 * What a script did to a host and what came of it, one line each, as text that is equal on any two hosts that behave
 * alike: guids, transaction groups, pids, times and words of errors are left out or numbered in order of their
 * appearance.
 */
import type { ContainerRef, ContainerSpec, Dataset, Fence, HookReport, Host } from '../../src/effects/host.ts'
import { HostError, isByHand } from '../../src/effects/host.ts'
import { ownValue } from '../../src/effects/kinds/dataset-set.ts'
import type { Stage } from './stage.ts'

export type Script = { readonly name: string; readonly play: (transcript: Transcript) => Promise<void> }

/** Native properties that something of ours looks at, or sets. */
const LOOKED_AT = ['canmount', 'readonly', 'quota', 'refquota', 'reservation', 'refreservation']
/** Differ from run to run. */
const LEFT_OUT = new Set([
  'createtxg',
  'freeBytes',
  'sizeBytes',
  'at',
  'bytes',
  'entries',
  'sha256',
  'bootId',
  'startTime',
])
const NUMBERED = new Set(['guid', 'initPid'])

type Calls<P> = {
  [M in keyof P]: P[M] extends (...args: infer A) => Promise<infer R>
    ? (...args: A) => Promise<R | null>
    : never
}

export class Transcript {
  readonly stage: Stage
  readonly lines: string[] = []
  readonly fence: Fence = { intent: 'conformance.1', signal: new AbortController().signal }
  readonly #numbers = new Map<string, string>()

  constructor(stage: Stage) {
    this.stage = stage
  }

  get host(): Host {
    return this.stage.host
  }

  /** Ports whose calls are noted with their answers; one that failed answers null. */
  readonly zfs = this.#noting('zfs')
  readonly lxc = this.#noting('lxc')
  readonly images = this.#noting('images')
  readonly materialise = this.#noting('materialise')

  #noting<P extends 'zfs' | 'lxc' | 'images' | 'materialise'>(port: P): Calls<Host[P]> {
    return new Proxy({} as Calls<Host[P]>, {
      get:
        (_, method) =>
        (...args: unknown[]) => {
          const target = this.host[port] as unknown as Record<
            string,
            (...args: unknown[]) => Promise<unknown>
          >
          const told = args.filter((arg) => !isFence(arg)).map((arg) => this.#text(arg))
          return this.note(
            `${port}.${String(method)} ${told.join(' ')}`,
            async () => await target[String(method)]?.(...args),
          )
        },
    })
  }

  /** Does something and notes what came of it; null when it failed. */
  async note<T>(what: string, work: () => Promise<T>): Promise<T | null> {
    try {
      const result = await work()
      this.lines.push(`${what.trimEnd()} → ${result === undefined ? 'ok' : this.#text(result)}`)
      return result
    } catch (error) {
      if (!(error instanceof HostError)) throw error
      this.lines.push(`${what.trimEnd()} → ${error.code} ${error.failure}`)
      return null
    }
  }

  /** Guid of a dataset, or 1; known by its number from here on. */
  async guidOf(name: string): Promise<string> {
    const guid = (await this.host.zfs.get(name))?.guid
    if (guid !== undefined) this.#number(guid)
    return guid ?? '1'
  }

  /** What nobody asked of the port. */
  async by(whom: string, work: () => Promise<unknown>): Promise<void> {
    const isDone = await work().then(
      () => true,
      () => false,
    )
    this.lines.push(isDone ? `(${whom})` : `(${whom} is not possible)`)
  }

  /** Notes a dataset with all below it, with their snapshots where that is asked for. */
  async see(name: string, snapshots: 'with snapshots' | 'without' = 'without'): Promise<void> {
    const { zfs } = this.host
    const top = await zfs.get(name)
    const all = top === null ? [] : [top, ...(await zfs.list(name))]
    if (all.length === 0) this.lines.push(`  ${name} is not there`)
    for (const dataset of all) {
      this.lines.push(`  ${this.#line(dataset)}`)
      if (snapshots === 'without') continue
      for (const snapshot of await zfs.snapshots(dataset.name)) this.lines.push(`  ${this.#line(snapshot)}`)
    }
  }

  /**
   * Notes what the container is, whether it has processes, and what its hooks said last; after a start that failed the
   * last hook may have run or not.
   */
  async look(ref: ContainerRef, hooks: 'with hooks' | 'without' = 'with hooks'): Promise<void> {
    const { host } = this.stage
    const { state, run, runName } = await host.lxc.inspect(ref)
    const name = runName !== null && isByHand(runName) ? 'by hand' : runName
    const init = run === null ? '' : ` init ${this.#number(`initPid ${run.initPid}`)}`
    const cgroup = (await this.stage.isPopulated(ref)) ? 'processes' : 'no process'
    const reports: HookReport[] = []
    const stop = await host.watchSpool((report) => void reports.push(report))
    await stop()
    const said = hooks === 'without' ? undefined : reports.filter(({ id }) => id === ref.id).at(-1)
    const hook = said ? `, ${said.last} of run ${said.run}, init number ${said.inits}` : ''
    this.lines.push(`  ${ref.ctid} is ${state}, run ${name}${init}, ${cgroup}${hook}`)
  }

  #line(dataset: Dataset): string {
    const { name, mounted, mountpoint, origin, guid } = dataset
    const isSnapshot = name.includes('@')
    const parts = [
      name,
      this.#number(guid),
      ...(isSnapshot ? [] : [mounted ? 'mounted' : 'not mounted']),
      ...(mountpoint === null || mountpoint === `/${name}` ? [] : [`mountpoint=${mountpoint}`]),
      ...(origin === null ? [] : [`origin=${origin}`]),
      // How many files an image has is no matter here.
      ...Object.entries(propertiesOf(dataset)).map(
        ([property, value]) => `${property}=${value.replace(/\/\d+\/\d+\/\d+$/, '')}`,
      ),
    ]
    return parts.join(' ')
  }

  #number(value: string): string {
    const known = this.#numbers.get(value) ?? `#${this.#numbers.size + 1}`
    this.#numbers.set(value, known)
    return known
  }

  #text(value: unknown): string {
    const plain = this.#plain(value)
    const { tar, zfs } = this.stage.archives
    const text = typeof plain === 'string' ? (this.#numbers.get(plain) ?? plain) : JSON.stringify(plain)
    return text.replaceAll(tar, '(tar)').replaceAll(zfs, '(zfs)')
  }

  /** Without what differs from run to run, keys in order; a dataset as a line. */
  #plain(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#plain(item))
    if (typeof value !== 'object' || value === null) return value
    if (isDataset(value)) return this.#line(value)
    if (isContainer(value)) return [value.ctid, ...(value.initCmd ?? [])].join(' ')
    const plain: Record<string, unknown> = {}
    for (const key of Object.keys(value).sort()) {
      const item = (value as Record<string, unknown>)[key]
      if (LEFT_OUT.has(key)) continue
      // A guid is numbered by itself, for it may be an argument too.
      const name = key === 'guid' ? String(item) : `${key} ${item}`
      plain[key] = NUMBERED.has(key) && item !== null ? this.#number(name) : this.#plain(item)
    }
    return plain
  }
}

const isContainer = (value: object): value is ContainerRef & Partial<ContainerSpec> => 'ctid' in value
const isDataset = (value: object): value is Dataset => 'guid' in value && 'properties' in value
const isFence = (value: unknown): boolean => typeof value === 'object' && value !== null && 'signal' in value

/** Properties that say something: user properties, and native ones that are not what nobody set. */
function propertiesOf(dataset: Dataset): Record<string, string> {
  const told = Object.keys(dataset.properties)
    .filter((property) => property.includes(':') || LOOKED_AT.includes(property))
    .sort()
  const values = told.map((property) => [property, ownValue(dataset, property)] as const)
  return Object.fromEntries(values.filter((pair): pair is [string, string] => pair[1] !== null))
}

/** What came of each script, by its name. */
export type Played = Readonly<Record<string, readonly string[]>>

/** Plays all scripts one after another on one host. */
export async function play(
  stage: Stage,
  scripts: readonly Script[],
  told: (name: string) => void = () => {},
): Promise<Played> {
  const played: Record<string, readonly string[]> = {}
  for (const script of scripts) {
    const transcript = new Transcript(stage)
    played[script.name] = transcript.lines
    await script.play(transcript)
    told(script.name)
  }
  return played
}

export const toText = (played: Played): string =>
  Object.entries(played)
    .map(([name, lines]) => [`# ${name}`, ...lines, ''].join('\n'))
    .join('\n')

/** What `toText` wrote. */
export function fromText(text: string): Played {
  const played: Record<string, string[]> = {}
  let lines: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('# ')) {
      lines = []
      played[line.slice(2)] = lines
    } else if (line !== '') lines.push(line)
  }
  return played
}
