/** The end of each scene: whose was each change that the real ZFS wrote down? */
import assert from 'node:assert/strict'
import type { ZfsChangeRow } from '../../src/rpc/results.ts'
import type { Machine } from './driver.ts'

const TIMEOUT_MS = 180_000
/** Pools whose disks answer, and their changes. */
const ASK = `pools=$(osctl pool ls -H -o name,log | awk '$2 == "ok" { print $1 }'); echo $pools
  [ -z "$pools" ] && echo '[]' || osctl -j drift changes --all $pools`

/**
 * Every change of our datasets in `zpool history -i` of the imported pools is of one effect of the log, of the
 * log's upkeep, or of a command that the test typed, and each effect left one.
 *
 * @param boots  machines that had these disks, this one among them
 */
export async function attributed(machine: Machine, boots: readonly Machine[] = [machine]): Promise<void> {
  const { status, text } = await machine.run(ASK, { timeoutMs: TIMEOUT_MS })
  assert.equal(status, 0, text)
  const [names = '', list = ''] = text.split('\n')
  const pools = names.split(' ').filter((name) => name !== '')
  const rows = JSON.parse(list) as ZfsChangeRow[]
  const typed = boots.flatMap((boot) => boot.typed)
  const isTyped = (command: string | null): boolean =>
    command !== null && typed.some((text) => text.includes(command))
  const strange = rows.filter(({ change, command }) =>
    change === 'foreign' ? !isTyped(command) : change === 'unrecorded',
  )
  assert.deepEqual(strange, [], 'whatever was changed was changed by an effect, by upkeep or by this test')
  for (const name of pools)
    assert.ok(
      rows.some(({ pool, change }) => pool === name && change === 'effect'),
      `the diary of ${name} has effects`,
    )
}
