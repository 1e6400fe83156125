/** Worlds that the scenes of a test begin with, and what they look at. */
import assert from 'node:assert/strict'
import type { CtRow } from '../../src/rpc/results.ts'
import { problems } from './invariants.ts'
import { TAR, tarImage, ZFS, zfsImage } from './verbs.ts'
import { type Request, World, type WorldOptions } from './world.ts'

export type Scene = Partial<WorldOptions> & { pools?: readonly string[] }

/** A daemon with its pools installed. */
export async function scene({ pools = ['tank'], ...options }: Scene = {}): Promise<World> {
  const world = new World({ seed: 1n, ...options })
  world.machine.putFile(TAR, tarImage)
  world.machine.putFile(ZFS, zfsImage)
  for (const name of pools) world.machine.addZpool(name)
  await world.boot()
  for (const name of pools) await world.must('pool.install', { name })
  return world
}

/** Containers of these names that run. */
export async function running(world: World, ...ids: string[]): Promise<void> {
  for (const id of ids) {
    await world.must('ct.new', { id, distribution: 'busybox' })
    await world.must('ct.start', { id })
  }
}

/** All is well, once all is at rest. */
export async function assertWell(world: World): Promise<void> {
  await world.settle()
  assert.deepEqual(await problems(world), [], world.story.join('\n'))
}

export async function row(world: World, id: string): Promise<CtRow> {
  const { result } = await world.must('ct.show', { id })
  return result as CtRow
}

export const stateOf = async (world: World, id: string): Promise<string> => (await row(world, id)).state

/** The machine's own idea of a container. */
export function onHost(world: World, ctid: string) {
  const ct = Object.values(world.machine.state.containers).find((other) => other.ctid === ctid)
  if (!ct) throw new Error(`${ctid} does not run`)
  return ct
}

export const runs = (world: World, ctid: string): boolean =>
  Object.values(world.machine.state.containers).some((ct) => ct.ctid === ctid)

/** Something inside of the container ends it. */
export function inside(world: World, ctid: string, how: 'stop' | 'reboot' | 'crash'): void {
  world.machine.containerExits(onHost(world, ctid), how)
}

/** Types of a log's events, in order. */
export const types = (world: World, pool = 'tank'): string[] =>
  [...world.disks.named(pool).rows()].map(({ event }) => event.type)

export const count = (world: World, type: string, pool = 'tank'): number =>
  types(world, pool).filter((other) => other === type).length

/** The disk does not answer, and comes back without the last two events, which it had acknowledged. */
export async function loseAcknowledged(world: World): Promise<Request> {
  const disk = world.disks.named('tank')
  let lost = false
  world.plan = ({ where, phase }) => {
    if (where !== 'log' || phase !== 'before' || lost) return { do: 'nothing' }
    lost = true
    disk.discard(2)
    return { do: 'disk', fault: 'unknown-lost' }
  }
  const request = await world.call('ct.set', { id: 'web', set: { hostname: 'x' } })
  world.plan = () => ({ do: 'nothing' })
  return request
}
