/**
 * An admin at the machine, without osctl, in the middle of a storm: what `zfs`, `lxc-start`, `lxc-stop` and `kill` can do
 * to what osctld keeps, at random. What was done is remembered as far as osctld must answer for it: whose datasets they
 * are that it did not make, and what it must have noticed once all is at rest.
 */
import type { Pool } from '../../src/daemon/pool.ts'
import { HostError } from '../../src/effects/host.ts'
import type { SimulatedContainer, SimulatedDataset } from '../../src/effects/simulated/state.ts'
import { isWithin } from '../../src/effects/simulated/zpools.ts'
import type { EventData } from '../../src/events/types/events.ts'
import type { DriftRow } from '../../src/rpc/results.ts'
import * as byHand from './by-hand.ts'
import { CTS } from './commands.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

const PROPERTIES: readonly (readonly [string, readonly string[]])[] = [
  ['quota', ['1000', '2000']],
  ['canmount', ['off', 'on', 'noauto']],
  ['mountpoint', ['/elsewhere']],
  ['readonly', ['on', 'off']],
  ['refreservation', ['500']],
]
const LAYOUT = ['hook', 'log', 'repository', 'cache'] as const

type Act = { readonly weight: number; do(hands: Hands, chance: Random): void }

const ACTS: readonly Act[] = [
  { weight: 3, do: (hands, chance) => hands.rename(chance) },
  { weight: 1.5, do: (hands, chance) => hands.destroy(chance) },
  { weight: 3, do: (hands, chance) => hands.set(chance) },
  { weight: 2, do: (hands, chance) => hands.create(chance) },
  { weight: 1, do: (hands, chance) => hands.unmount(chance) },
  { weight: 2, do: (hands, chance) => hands.end(chance) },
  { weight: 1.5, do: (hands, chance) => hands.start(chance) },
  { weight: 1, do: (hands, chance) => hands.freeze(chance) },
]
const TOTAL = ACTS.reduce((sum, { weight }) => sum + weight, 0)

export class Hands {
  readonly #world: World
  /** Guids of datasets that the admin made. */
  readonly #own = new Set<string>()
  acts = 0

  constructor(world: World) {
    this.#world = world
  }

  /** One thing, if the machine lets him: what ZFS refuses he leaves. */
  act(chance: Random): void {
    if (Object.keys(this.#world.machine.state.zpools).length === 0) return
    let left = chance.fraction() * TOTAL
    const act = ACTS.find(({ weight }) => {
      left -= weight
      return left < 0
    })
    try {
      act?.do(this, chance)
      this.acts += 1
    } catch (error) {
      if (!(error instanceof HostError)) throw error
    }
  }

  get #datasets(): SimulatedDataset[] {
    return Object.values(this.#world.machine.state.datasets)
  }

  /** One of those right below `<ds>/ct`, `image` or `trash`, mostly the first. */
  #pick(chance: Random): SimulatedDataset | null {
    const place = chance.pick(['ct', 'ct', 'ct', 'ct', 'image', 'trash'])
    const there = this.#datasets.filter(({ name }) => {
      const [, where, id, ...more] = name.split('/')
      return where === place && id !== undefined && more.length === 0
    })
    return there.length === 0 ? null : chance.pick(there)
  }

  rename(chance: Random): void {
    const from = this.#pick(chance)?.name
    if (from === undefined) return
    const [pool = '', where = ''] = from.split('/')
    const to = chance.pick([`${pool}/${where}/${chance.pick(CTS)}`, `${pool}/aside${chance.below(3)}`])
    byHand.renamed(this.#world, from, to)
  }

  destroy(chance: Random): void {
    const layout = chance.chance(0.1)
    const [pool] = Object.keys(this.#world.machine.state.zpools)
    const name = layout ? `${pool}/${chance.pick(LAYOUT)}` : this.#pick(chance)?.name
    if (name === undefined) return
    const gone = this.#datasets.filter((it) => isWithin(it.name, name)).map(({ guid }) => guid)
    byHand.destroyed(this.#world, name)
    for (const guid of gone) this.#own.delete(guid)
  }

  set(chance: Random): void {
    const name = this.#pick(chance)?.name
    if (name === undefined) return
    const [property, values] = chance.pick(PROPERTIES)
    byHand.set(this.#world, name, property, chance.chance(0.3) ? null : chance.pick(values))
  }

  create(chance: Random): void {
    const pool = chance.pick(Object.keys(this.#world.machine.state.zpools))
    const place = chance.pick(['', 'ct/', 'ct/', 'image/', 'trash/', 'staging/', `ct/${chance.pick(CTS)}/`])
    const name = `${pool}/${place}${chance.pick([...CTS, 'mine', 'data'])}`
    byHand.created(this.#world, name)
    const guid = this.#world.machine.state.datasets[name]?.guid
    // What lies in a container's dataset goes where that goes.
    if (guid !== undefined && !name.split('/')[3]) this.#own.add(guid)
  }

  unmount(chance: Random): void {
    const name = this.#pick(chance)?.name
    if (name !== undefined) byHand.unmounted(this.#world, name)
  }

  #running(chance: Random, ...states: readonly string[]): SimulatedContainer | null {
    const there = Object.values(this.#world.machine.state.containers).filter(({ state }) =>
      states.includes(state),
    )
    return there.length === 0 ? null : chance.pick(there)
  }

  end(chance: Random): void {
    const ct = this.#running(chance, 'running', 'frozen')
    if (!ct) return
    const how = ct.state === 'running' && chance.chance(0.5) ? 'stop' : 'crash'
    this.#world.tell(`${how === 'stop' ? 'lxc-stop' : 'kill -9 of the monitor'} of ${ct.pool}:${ct.ctid}`)
    this.#world.machine.containerExits(ct, how)
  }

  start(chance: Random): void {
    const { machine, isUp } = this.#world
    if (!isUp) return
    const stopped = [...this.#world.daemon.pools.values()].flatMap((pool) =>
      [...pool.states.cts()].flatMap(({ context: { identity, dataset } }) => {
        const ref = { pool: pool.name, id: identity?.id ?? '', ctid: identity?.ctid ?? '' }
        const there = machine.state.datasets[`${pool.dataset}/ct/${ref.ctid}`]
        return machine.container(ref) || there?.guid !== dataset || !there?.mounted ? [] : [ref]
      }),
    )
    if (stopped.length === 0) return
    const ct = chance.pick(stopped)
    byHand.started(machine, ct)
    this.#world.tell(`lxc-start of ${ct.pool}:${ct.ctid}`)
  }

  freeze(chance: Random): void {
    const ct = this.#running(chance, 'running', 'frozen')
    if (!ct) return
    ct.state = ct.state === 'running' ? 'frozen' : 'running'
    this.#world.tell(`lxc-${ct.state === 'frozen' ? 'freeze' : 'unfreeze'} of ${ct.pool}:${ct.ctid}`)
  }

  /** What osctld should have left alone or noticed and has not, when all is at rest and a look was taken. */
  unanswered(rows: readonly DriftRow[]): string[] {
    const pools = [...this.#world.daemon.pools.values()]
    return [...this.#destroyed(pools), ...pools.flatMap((pool) => this.#unnamed(pool, rows))]
  }

  /** Nothing is destroyed that somebody else made, unless it was handed over. */
  #destroyed(pools: readonly Pool[]): string[] {
    for (const pool of pools) this.#handOver(pool)
    const there = new Set(this.#datasets.map(({ guid }) => guid))
    return [...this.#own]
      .filter((guid) => !there.has(guid))
      .map((guid) => `dataset ${guid}, which is not ours, was destroyed`)
  }

  /** What a container was given by `drift adopt` is its own, and goes where that goes. */
  #handOver({ name }: Pool): void {
    for (const { event } of this.#world.disks.named(name).rows()) {
      if (event.type !== 'DriftAdopted' || event.stream === 'pool') continue
      this.#own.delete((event.data as EventData<'DriftAdopted'>).found.guid ?? '')
    }
  }

  /** Each container's dataset that is not in its place, and each dataset of somebody else's, has a row. */
  #unnamed({ name: pool, dataset: ds, states }: Pool, rows: readonly DriftRow[]): string[] {
    const ids = new Set(rows.filter((row) => row.pool === pool).map(({ id }) => id))
    const { datasets } = this.#world.machine.state
    const wrong: string[] = []
    for (const { context } of states.cts()) {
      const { identity, dataset: guid, op } = context
      if (op || guid === null || !identity) continue
      const place = `${ds}/ct/${identity.ctid}`
      const isThere = datasets[place]?.guid === guid
      const isAnywhere = this.#datasets.some((it) => it.guid === guid)
      const what = isThere ? null : datasets[place] ? 'replaced' : isAnywhere ? 'renamed' : 'missing'
      if (what && !ids.has(`${identity.ctid}/${what}`)) wrong.push(`${place} is ${what}, and nobody says so`)
    }
    if (states.pool().context.op) return wrong
    const { adopted } = states.pool().context
    for (const { name, guid } of this.#datasets) {
      if (!this.#own.has(guid) || !isWithin(name, ds) || name.split('/').length > 3) continue
      const drift = `${name.slice(ds.length + 1)}/foreign`
      const inPlace = ['replaced', 'foreign'].some((what) =>
        rows.some((row) => row.pool === pool && namedBy(row, name, what)),
      )
      if (!inPlace && adopted?.[drift]?.guid !== guid)
        wrong.push(`${name} is somebody else's, and nobody says so`)
    }
    return wrong
  }
}

/** Is it about this dataset? That of a container is named by the container's id. */
const namedBy = ({ id, seen }: DriftRow, name: string, what: string): boolean =>
  id === `${name}/${what}` ||
  (what === 'replaced' && id === `${name.split('/').at(-1)}/replaced` && seen !== '')
