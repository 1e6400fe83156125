/** Zpools in memory: space, health, and the txg that every change is in. */
import { HostError } from '../host.ts'
import type { MachineState, SimulatedZpool } from './state.ts'

/** What an empty dataset costs. */
export const DATASET_BYTES = 98_304

export const isWithin = (name: string, above: string): boolean =>
  name === above || name.startsWith(`${above}/`)

export const notFound = (what: string, name: string): HostError =>
  new HostError('E_NOT_FOUND', 'permanent', `cannot ${what} '${name}': dataset does not exist`)

export function zpoolOf(state: MachineState, name: string): SimulatedZpool | undefined {
  return state.zpools[name.split(/[/@]/)[0] ?? '']
}

/** @throws E_NOT_FOUND (permanent) */
export function requireZpool(state: MachineState, name: string): SimulatedZpool {
  const pool = state.zpools[name]
  if (!pool) throw new HostError('E_NOT_FOUND', 'permanent', `cannot open '${name}': no such pool`)
  return pool
}

export function usedBytes(state: MachineState, pool: string): number {
  let sum = 0
  for (const dataset of Object.values(state.datasets)) {
    if (isWithin(dataset.name, pool)) sum += dataset.bytes + DATASET_BYTES
  }
  return sum
}

/** @throws E_IO (transient) when suspended; E_READ_ONLY, E_NO_SPACE, E_NOT_FOUND (permanent) */
export function assertRoom(
  state: MachineState,
  name: string,
  what: string,
  addBytes: number,
): SimulatedZpool {
  const pool = zpoolOf(state, name)
  if (!pool) throw notFound('open', name)
  const cannot = `cannot ${what} '${name}'`
  if (pool.health === 'SUSPENDED') {
    throw new HostError('E_IO', 'transient', `${cannot}: pool I/O is currently suspended`)
  }
  if (pool.readOnly) throw new HostError('E_READ_ONLY', 'permanent', `${cannot}: pool is read-only`)
  if (addBytes > 0 && usedBytes(state, pool.name) + addBytes > pool.sizeBytes) {
    throw new HostError('E_NO_SPACE', 'permanent', `${cannot}: out of space`)
  }
  return pool
}

/**
 * Begins a change of a pool.
 * @returns the txg that the change is in
 * @throws as `assertRoom`
 */
export function changePool(state: MachineState, name: string, what: string, addBytes = 0): string {
  const pool = assertRoom(state, name, what, addBytes)
  pool.txg += 1
  return pool.txg.toString()
}
