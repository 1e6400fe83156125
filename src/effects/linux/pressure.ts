/**
 * Pressure Stall Information of the whole host: how long some task had to wait for a processor, memory or a disk.
 *
 * @source Documentation/accounting/psi.rst: "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", total in µs since boot
 */
import { readFile } from 'node:fs/promises'
import type { Pressure } from '../host.ts'

/** The `total` of the line `some`; null when the text is not a file of /proc/pressure. @pure */
export function someTotal(text: string): number | null {
  const total = /^some .*\btotal=(\d+)$/m.exec(text)?.[1]
  return total === undefined ? null : Number(total)
}

/** Null where the kernel keeps no such account (CONFIG_PSI, psi=0). */
export async function readPressure(directory = '/proc/pressure'): Promise<Pressure | null> {
  const [cpu, memory, io] = await Promise.all(
    ['cpu', 'memory', 'io'].map((name) =>
      readFile(`${directory}/${name}`, 'utf8').then(someTotal, () => null),
    ),
  )
  return cpu == null || memory == null || io == null ? null : { cpu, memory, io }
}
