/** Scripts of calls of the port to ZFS. Each has a file system of its own, and leaves it. */
import { POOL, SMALL } from './stage.ts'
import type { Script, Transcript } from './transcript.ts'

const USER = 'org.vpsadminos.osctl:intent'
/** One that no listing asks for. */
const OTHER = 'org.example:colour'
const NOAUTO = { mount: false, properties: { canmount: 'noauto' } }

/** A script in a file system that is made for it. */
const script = (name: string, play: (t: Transcript, at: string) => Promise<void>): Script => ({
  name,
  async play(t) {
    const at = `${POOL}/${name.replaceAll(' ', '-')}`
    await t.host.zfs.create(at, { mount: true, properties: {} }, t.fence)
    await play(t, at)
  },
})

/** One after another is in use, where no mount shows it, when all is to be destroyed. */
async function usedUnseen(t: Transcript, name: string, each: readonly string[]): Promise<void> {
  for (const used of each) {
    for (const mounted of each) await t.zfs.mount(mounted)
    const release = await t.stage.occupy(used)
    await t.zfs.unmount(name, { lazy: true })
    await t.zfs.destroy(name, await t.guidOf(name), t.fence)
    await t.see(name, 'with snapshots')
    await release()
  }
}

export const DATASETS: readonly Script[] = [
  script('create', async (t, at) => {
    await t.zfs.create(`${at}/a`, { mount: true, properties: {} }, t.fence)
    await t.zfs.create(`${at}/a`, { mount: true, properties: {} }, t.fence)
    await t.zfs.create(`${at}/no/parent`, { mount: true, properties: {} }, t.fence)
    await t.zfs.create('no-such-pool/a', { mount: false, properties: {} }, t.fence)
    await t.zfs.create(`${at}/unmounted`, { mount: false, properties: {} }, t.fence)
    await t.zfs.create(
      `${at}/noauto`,
      { mount: true, properties: { canmount: 'noauto', [USER]: 'x' } },
      t.fence,
    )
    await t.zfs.create(`${at}/off`, { mount: true, properties: { canmount: 'off' } }, t.fence)
    await t.zfs.create(`${at}/off/below`, { mount: true, properties: {} }, t.fence)
    await t.zfs.create(`${at}/quota`, { mount: false, properties: { quota: '1048576' } }, t.fence)
    await t.zfs.create(`${at}/bad`, { mount: false, properties: { canmount: 'sometimes' } }, t.fence)
    await t.see(at)
    await t.zfs.get(`${at}/noauto`)
    await t.zfs.get(`${at}/none`)
    await t.zfs.get(`${at}/a@none`)
    await t.zfs.list(`${at}/none`)
    await t.zfs.snapshots(`${at}/none`)
  }),

  script('names', async (t, at) => {
    await t.zfs.get(`${at}/with blank`)
    await t.zfs.create(`${at}/with blank`, NOAUTO, t.fence)
    await t.zfs.create(`${at}/-option`, NOAUTO, t.fence)
    await t.zfs.create(`${at}/a:b.c_d-e`, NOAUTO, t.fence)
    await t.see(at)
  }),

  script('properties', async (t, at) => {
    const name = `${at}/a`
    await t.zfs.create(name, NOAUTO, t.fence)
    await t.zfs.create(`${name}/below`, NOAUTO, t.fence)
    await t.zfs.set(name, { [USER]: 'x', [OTHER]: 'red' }, t.fence)
    await t.zfs.get(name)
    // What is inherited says nothing of the one that inherits it.
    await t.zfs.get(`${name}/below`)
    await t.zfs.list(at)
    await t.zfs.set(name, { [USER]: null, [OTHER]: 'with\ttab and "quotes"' }, t.fence)
    await t.zfs.set(name, { [USER]: null }, t.fence)
    await t.zfs.get(name)
    await t.zfs.set(name, { quota: '1048576', readonly: 'on' }, t.fence)
    await t.see(at)
    await t.zfs.set(name, { quota: 'none', readonly: null }, t.fence)
    await t.zfs.set(name, { readonly: null }, t.fence)
    await t.see(at)
    await t.zfs.set(name, { canmount: 'off' }, t.fence)
    await t.zfs.mount(name)
    await t.see(at)
    await t.zfs.set(name, { canmount: 'noauto' }, t.fence)
    await t.zfs.mount(name)
    await t.zfs.set(name, { canmount: 'off' }, t.fence)
    await t.see(at)
    await t.zfs.set(name, { canmount: 'on' }, t.fence)
    await t.see(at)
    await t.zfs.set(name, { canmount: null }, t.fence)
    await t.zfs.set(name, { canmount: 'sometimes' }, t.fence)
    await t.zfs.set(name, { 'no-such': 'x' }, t.fence)
    await t.zfs.set(`${at}/none`, { [USER]: 'x' }, t.fence)
    await t.zfs.set(`${at}/none`, { [USER]: null }, t.fence)
    await t.see(at)
  }),

  script('mounts', async (t, at) => {
    const [a, b] = [`${at}/a`, `${at}/a/b`]
    await t.zfs.create(a, { mount: true, properties: { canmount: 'noauto' } }, t.fence)
    await t.zfs.create(b, { mount: true, properties: { canmount: 'noauto' } }, t.fence)
    await t.zfs.mount(a)
    await t.see(at)
    await t.zfs.unmount(a)
    await t.zfs.unmount(a)
    await t.see(at)
    await t.zfs.mount(b)
    await t.see(at)
    await t.zfs.unmount(b)
    await t.zfs.mount(a)
    await t.zfs.mount(b)
    await t.zfs.mount(`${at}/none`)
    await t.zfs.unmount(`${at}/none`)
    const leave = await t.stage.occupy(a)
    await t.zfs.unmount(a)
    await t.see(at)
    await leave()
    await t.zfs.mount(b)
    const release = await t.stage.occupy(b)
    await t.zfs.unmount(a)
    await t.see(at)
    await t.zfs.mount(a)
    await t.zfs.mount(b)
    await t.zfs.unmount(a, { lazy: true })
    await t.see(at)
    await t.zfs.destroy(a, await t.guidOf(a), t.fence)
    await t.see(at)
    await release()
    await t.zfs.destroy(a, await t.guidOf(a), t.fence)
    await t.see(at)
  }),

  script('mountpoints', async (t, at) => {
    const name = `${at}/a`
    await t.zfs.create(name, { mount: true, properties: {} }, t.fence)
    await t.zfs.create(`${name}/below`, { mount: true, properties: { canmount: 'noauto' } }, t.fence)
    await t.zfs.set(name, { mountpoint: 'none' }, t.fence)
    await t.see(at)
    await t.zfs.mount(name)
    await t.see(at)
    await t.zfs.set(name, { mountpoint: '/run/elsewhere' }, t.fence)
    await t.see(at)
    await t.zfs.unmount(name)
    await t.zfs.set(name, { mountpoint: null }, t.fence)
    await t.see(at)
    const release = await t.stage.occupy(name)
    await t.zfs.set(name, { mountpoint: 'legacy' }, t.fence)
    await t.see(at)
    await release()
    await t.zfs.set(name, { canmount: 'noauto' }, t.fence)
    await t.zfs.unmount(name)
    await t.zfs.set(name, { mountpoint: '/run/elsewhere' }, t.fence)
    await t.see(at)
  }),

  script('directories', async (t, at) => {
    const name = `${at}/a`
    await t.zfs.create(name, NOAUTO, t.fence)
    await t.zfs.directories(name, { '.': 0o770, private: 0o755 }, t.fence)
    await t.zfs.mount(name)
    await t.zfs.directories(name, { '.': 0o770, private: 0o755, 'deep/er': 0o700 }, t.fence)
    await t.zfs.directories(name, { '.': 0o770, private: 0o755 }, t.fence)
    await t.zfs.directories(name, { '../out': 0o755 }, t.fence)
    await t.by('a symlink', () => t.stage.link(name, 'link'))
    await t.zfs.directories(name, { link: 0o755 }, t.fence)
    await t.zfs.directories(name, { 'link/in': 0o755 }, t.fence)
    await t.zfs.directories(`${at}/none`, { '.': 0o755 }, t.fence)
  }),

  script('snapshots', async (t, at) => {
    const name = `${at}/a`
    await t.zfs.create(name, NOAUTO, t.fence)
    await t.zfs.set(name, { [USER]: 'of the dataset' }, t.fence)
    await t.zfs.snapshot(`${name}@one`, t.fence)
    await t.zfs.snapshot(`${name}@one`, t.fence)
    await t.zfs.snapshot(`${name}@two`, t.fence, { [OTHER]: 'blue' })
    await t.zfs.snapshot(`${at}/none@one`, t.fence)
    await t.zfs.get(`${name}@one`)
    await t.zfs.snapshots(name)
    await t.see(at, 'with snapshots')
    await t.by('zfs hold', () => t.stage.hold(`${name}@one`, true))
    await t.zfs.destroy(`${name}@one`, await t.guidOf(`${name}@one`), t.fence)
    await t.zfs.destroy(name, await t.guidOf(name), t.fence)
    await t.see(at, 'with snapshots')
    await t.by('zfs release', () => t.stage.hold(`${name}@one`, false))
    await t.zfs.destroy(`${name}@one`, '1', t.fence)
    await t.zfs.destroy(`${name}@one`, await t.guidOf(`${name}@one`), t.fence)
    await t.zfs.destroy(`${name}@one`, '1', t.fence)
    await t.zfs.destroy(name, await t.guidOf(name), t.fence)
    await t.see(at, 'with snapshots')
  }),

  script('clones', async (t, at) => {
    const [image, clone] = [`${at}/image`, `${at}/clone`]
    await t.zfs.create(image, { mount: true, properties: {} }, t.fence)
    await t.zfs.clone(`${image}@base`, clone, { canmount: 'noauto' }, t.fence)
    await t.zfs.snapshot(`${image}@base`, t.fence)
    await t.zfs.clone(`${image}@base`, `${at}/no/parent`, { canmount: 'noauto' }, t.fence)
    await t.zfs.clone(`${image}@base`, clone, { canmount: 'noauto', [USER]: 'x' }, t.fence)
    await t.zfs.clone(`${image}@base`, clone, { canmount: 'noauto' }, t.fence)
    await t.zfs.clone(`${image}@base`, `${at}/mounted`, {}, t.fence)
    await t.see(at, 'with snapshots')
    await t.zfs.destroy(`${image}@base`, await t.guidOf(`${image}@base`), t.fence)
    // Mounted and with clones: what is said first?
    await t.zfs.destroy(image, await t.guidOf(image), t.fence)
    await t.zfs.unmount(image)
    await t.zfs.destroy(image, await t.guidOf(image), t.fence)
    await t.zfs.rename(image, `${at}/other`, t.fence)
    await t.see(at, 'with snapshots')
    await t.zfs.unmount(at)
    // The clones are below it as well.
    await t.zfs.destroy(at, await t.guidOf(at), t.fence)
    await t.zfs.destroy(`${at}/mounted`, await t.guidOf(`${at}/mounted`), t.fence)
    await t.zfs.destroy(clone, await t.guidOf(clone), t.fence)
    await t.zfs.destroy(`${at}/other`, await t.guidOf(`${at}/other`), t.fence)
    await t.see(at, 'with snapshots')
  }),

  script('rename', async (t, at) => {
    const [from, to] = [`${at}/from`, `${at}/to`]
    await t.zfs.create(from, { mount: true, properties: { canmount: 'noauto' } }, t.fence)
    await t.zfs.create(`${from}/below`, { mount: true, properties: { canmount: 'noauto' } }, t.fence)
    await t.zfs.snapshot(`${from}@s`, t.fence)
    await t.zfs.create(`${at}/taken`, { mount: true, properties: {} }, t.fence)
    await t.zfs.rename(from, `${at}/taken`, t.fence)
    await t.see(at)
    await t.zfs.rename(from, `${at}/no/parent`, t.fence)
    await t.zfs.rename(from, `${from}/below/it`, t.fence)
    await t.zfs.rename(from, from, t.fence)
    await t.zfs.rename(from, `${SMALL}/from`, t.fence)
    await t.zfs.rename(SMALL, `${at}/pool`, t.fence)
    await t.zfs.mount(SMALL)
    await t.zfs.mount(from)
    await t.zfs.mount(`${from}/below`)
    const release = await t.stage.occupy(`${from}/below`)
    await t.zfs.rename(from, to, t.fence)
    await t.see(at)
    await release()
    await t.zfs.mount(from)
    await t.zfs.rename(from, to, t.fence)
    await t.see(at)
    await t.zfs.rename(from, to, t.fence)
    await t.zfs.mount(to)
    await t.see(at, 'with snapshots')
  }),

  script('destroy', async (t, at) => {
    const name = `${at}/a`
    await t.zfs.create(name, { mount: true, properties: {} }, t.fence)
    await t.zfs.create(`${name}/below`, { mount: true, properties: {} }, t.fence)
    await t.zfs.snapshot(`${name}/below@s`, t.fence)
    await t.zfs.destroy(name, '1', t.fence)
    await t.zfs.destroy(name, await t.guidOf(name), t.fence)
    await t.zfs.unmount(name)
    await t.zfs.destroy(name, '1', t.fence)
    await t.zfs.mount(`${name}/below`)
    await t.zfs.destroy(name, await t.guidOf(name), t.fence)
    await t.zfs.unmount(`${name}/below`)
    await t.see(at)
    await t.zfs.destroy(name, await t.guidOf(name), t.fence)
    await t.zfs.destroy(name, '1', t.fence)
    await t.see(at)
  }),

  script('in use', async (t, at) => {
    const [name, below] = [`${at}/a`, `${at}/a/below`]
    for (const made of [name, below, `${name}/last`])
      await t.zfs.create(made, { mount: true, properties: {} }, t.fence)
    for (const made of [`${name}@s`, `${below}@one`, `${below}@two`]) await t.zfs.snapshot(made, t.fence)
    await usedUnseen(t, name, [name, below])
    await t.by('a bookmark of its last snapshot', () => t.stage.bookmark(`${below}@two`, 'mark'))
    await t.zfs.destroy(`${below}@two`, await t.guidOf(`${below}@two`), t.fence)
    // ZFS does not tell of this one whether it is in use.
    await t.zfs.destroy(name, await t.guidOf(name), t.fence)
    await t.see(at, 'with snapshots')
    await t.zfs.snapshot(`${below}@three`, t.fence)
    await t.zfs.destroy(name, await t.guidOf(name), t.fence)
    await t.see(at, 'with snapshots')
  }),

  script('in use without snapshots', async (t, at) => {
    const [name, below] = [`${at}/a`, `${at}/a/below`]
    for (const made of [name, below]) await t.zfs.create(made, { mount: true, properties: {} }, t.fence)
    await usedUnseen(t, name, [name, below])
    await t.zfs.destroy(name, await t.guidOf(name), t.fence)
    await t.see(at)
  }),

  {
    name: 'pools',
    async play(t) {
      await t.zfs.pool('no-such-pool')
      await t.zfs.pool(SMALL)
      await t.zfs.set(SMALL, { 'org.vpsadminos.osctl:active': 'yes' }, t.fence)
      await t.zfs.markedPools()
      await t.zfs.pool(SMALL)
      await t.zfs.create(`${SMALL}/ds`, { mount: true, properties: {} }, t.fence)
      await t.zfs.set(SMALL, { 'org.vpsadminos.osctl:dataset': `${SMALL}/ds` }, t.fence)
      await t.zfs.markedPools()
      await t.zfs.set(`${SMALL}/ds`, { sync: 'disabled' }, t.fence)
      await t.zfs.pool(SMALL)
      await t.zfs.set(`${SMALL}/ds`, { sync: null }, t.fence)
      await t.zfs.set(
        SMALL,
        { 'org.vpsadminos.osctl:active': null, 'org.vpsadminos.osctl:dataset': null },
        t.fence,
      )
      await t.zfs.markedPools()
    },
  },

  {
    name: 'a full pool',
    async play(t) {
      for (const name of ['a', 'b', 'c']) await t.zfs.create(`${SMALL}/${name}`, NOAUTO, t.fence)
      await t.zfs.create(`${SMALL}/d`, { mount: true, properties: { canmount: 'noauto' } }, t.fence)
      await t.zfs.create(`${SMALL}/e`, NOAUTO, t.fence)
      await t.zfs.snapshot(`${SMALL}/e@s`, t.fence)
      await t.by('the pool is filled', () => t.stage.fill())
      await t.zfs.create(`${SMALL}/new`, NOAUTO, t.fence)
      await t.zfs.snapshot(`${SMALL}/a@s`, t.fence)
      await t.zfs.rename(`${SMALL}/a`, `${SMALL}/renamed`, t.fence)
      await t.zfs.set(`${SMALL}/b`, { [USER]: 'x' }, t.fence)
      await t.zfs.mount(`${SMALL}/b`)
      await t.zfs.directories(`${SMALL}/d`, { new: 0o755 }, t.fence)
      await t.zfs.directories(`${SMALL}/d`, { '.': 0o700 }, t.fence)
      await t.zfs.directories(`${SMALL}/d`, { '.': 0o755 }, t.fence)
      await t.zfs.destroy(`${SMALL}/c`, await t.guidOf(`${SMALL}/c`), t.fence)
      await t.zfs.destroy(`${SMALL}/e`, await t.guidOf(`${SMALL}/e`), t.fence)
    },
  },

  {
    name: 'a read-only pool',
    async play(t) {
      await t.by('the pool is imported read-only', () => t.stage.makeReadOnly())
      await t.zfs.pool(SMALL)
      await t.zfs.create(`${SMALL}/new`, NOAUTO, t.fence)
      await t.zfs.snapshot(`${SMALL}/b@s2`, t.fence)
      await t.zfs.rename(`${SMALL}/b`, `${SMALL}/again`, t.fence)
      await t.zfs.set(`${SMALL}/b`, { [USER]: 'y' }, t.fence)
      await t.zfs.set(`${SMALL}/b`, { [USER]: null }, t.fence)
      await t.zfs.mount(`${SMALL}/b`)
      await t.zfs.mount(`${SMALL}/d`)
      await t.zfs.directories(`${SMALL}/d`, { more: 0o755 }, t.fence)
      await t.zfs.unmount(`${SMALL}/d`)
      await t.zfs.mount(`${SMALL}/d`)
      await t.see(`${SMALL}/d`)
      await t.zfs.destroy(`${SMALL}/b`, await t.guidOf(`${SMALL}/b`), t.fence)
    },
  },
]
