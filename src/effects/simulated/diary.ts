/** What ZFS writes down of each change by itself, in the words of `zpool history -il`. */
import type { MachineState } from './state.ts'
import { zpoolOf } from './zpools.ts'

/** The real one is a ring of a thousandth of the pool. */
const LINES_KEPT = 2000

const two = (n: number): string => String(n).padStart(2, '0')

/** Local time, as `zpool history` writes it. */
function stamp(ms: number): string {
  const at = new Date(ms)
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day}.${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

function add(state: MachineState, pool: string, text: string): void {
  const zpool = zpoolOf(state, pool)
  if (!zpool) return
  zpool.history.push(`${stamp(state.time)} ${text}`)
  if (zpool.history.length > LINES_KEPT) zpool.history.splice(0, zpool.history.length - LINES_KEPT)
}

/** A change, in the txg in which the pool is now. */
export function noteChange(state: MachineState, operation: string, name: string, detail = ''): void {
  const txg = zpoolOf(state, name)?.txg ?? 0
  const object = 1000 + (name.length % 1000)
  add(state, name, `[txg:${txg}] ${operation} ${name} (${object}) ${detail} [on ${state.hostName}]`)
}

/** A command that an admin gave, which succeeded. */
export function noteCommand(state: MachineState, pool: string, command: string): void {
  add(state, pool, `${command} [user 0 (root) on ${state.hostName}:linux]`)
}
