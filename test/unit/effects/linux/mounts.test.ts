import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HostError } from '../../../../src/effects/host.ts'
import type { System } from '../../../../src/effects/linux/system.ts'
import { linuxZfs } from '../../../../src/effects/linux/zfs.ts'

/** A host on which a dataset is mounted in these places, of which `zfs unmount` knows none but the first. */
function mounted(places: readonly string[]): { system: System; left: Set<string>; ran: string[] } {
  const left = new Set(places)
  const ran: string[] = []
  const mount = { source: 'tank/ct/web', root: '/', type: 'zfs', idmapped: false }
  const system = {
    mounts: async () => [...left].map((target) => ({ ...mount, target })),
    change: async ({ argv }: { argv: readonly string[] }) => {
      ran.push(argv.join(' '))
      const target = argv.at(-1) ?? ''
      if (argv[0] === 'zfs' && target !== places[0]) {
        const said = `cannot unmount '${target}': not an original mountpoint`
        throw new HostError('E_FAILED', 'permanent', said)
      }
      left.delete(target)
      return { stdout: '', stderr: '' }
    },
    removeDirectory: async () => undefined,
  } as unknown as System
  return { system, left, ran }
}

test('a dataset that is mounted twice is unmounted everywhere', async () => {
  const { system, left, ran } = mounted(['/tank/ct/web', '/run/osctl/rootfs/web'])
  await linuxZfs(system).unmount('tank/ct/web')
  assert.deepEqual([...left], [])
  assert.deepEqual(ran, [
    'zfs unmount /run/osctl/rootfs/web',
    'umount /run/osctl/rootfs/web',
    'zfs unmount /tank/ct/web',
  ])
})

test('a mount that is in use stays, and that is an error', async () => {
  const { system, left } = mounted(['/tank/ct/web'])
  system.change = () => Promise.reject(new HostError('E_BUSY', 'transient', 'target is busy'))
  await assert.rejects(linuxZfs(system).unmount('tank/ct/web'), { code: 'E_BUSY' })
  assert.equal(left.size, 1)
})

test('a dataset of which a bind mount alone is left is mounted', async () => {
  const dataset = {
    name: 'tank/ct/web',
    properties: {
      guid: { value: '1' },
      createtxg: { value: '1' },
      mounted: { value: 'yes' },
      mountpoint: { value: '/tank/ct/web' },
      origin: { value: '-' },
      canmount: { value: 'noauto' },
    },
  }
  const mount = { source: dataset.name, type: 'zfs', idmapped: true }
  const ROOTFS = '/run/osctl/pools/tank/containers/web/rootfs'
  let mounts = [{ ...mount, root: '/private', target: ROOTFS }]
  const system = {
    mounts: async () => [...mounts],
    query: async () => ({
      stdout: JSON.stringify({ datasets: { [dataset.name]: { type: 'FILESYSTEM', ...dataset } } }),
      stderr: '',
    }),
    change: async ({ argv }: { argv: readonly string[] }) => {
      if (argv[0] === 'umount') mounts = mounts.filter(({ target }) => target !== argv[1])
      else if (mounts.length > 0)
        throw new HostError('E_FAILED', 'permanent', "cannot mount 'tank/ct/web': filesystem already mounted")
      else mounts = [{ ...mount, root: '/', target: '/tank/ct/web' }]
      return { stdout: '', stderr: '' }
    },
  } as unknown as System
  await linuxZfs(system).mount(dataset.name)
  assert.deepEqual(mounts, [{ ...mount, root: '/', target: '/tank/ct/web' }])
})
