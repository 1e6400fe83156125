/** Scripts of calls of the port to ZFS about whole pools: one that is let go and taken back, and the diary of one. */
import { parseZpoolHistory, propertyOf, subjectOf, type ZpoolRecord } from '../../src/audit/zpool-history.ts'
import { MOVED, POOL } from './stage.ts'
import type { Script, Transcript } from './transcript.ts'

const ACTIVE = 'org.vpsadminos.osctl:active'
const USER = 'org.vpsadminos.osctl:intent'
const NOAUTO = { mount: false, properties: { canmount: 'noauto' } }
const DIARY_BYTES = 1_000_000

/** Notes the guid of a pool that is not imported; the answer has it. */
async function offered(t: Transcript): Promise<string> {
  const all = (await t.zfs.importable()) ?? []
  return all.find(({ name }) => name === MOVED)?.guid ?? '1'
}

/** Of a property its name, for ZFS writes values in a form of its own. */
const inWords = (record: ZpoolRecord): string => {
  const { operation, dataset, detail } = record
  const what = propertyOf(record) ?? (operation === 'rename' ? detail : '')
  return `${operation} ${dataset} ${what}`.trimEnd()
}

/** Notes what ZFS wrote down of a dataset and of all below it, in its order; of one txg the order is ZFS's. */
async function diary(t: Transcript, at: string): Promise<void> {
  const text = await t.host.zfs.history(POOL, DIARY_BYTES)
  const isBelow = (name: string): boolean => name === at || name.startsWith(`${at}/`)
  const records = parseZpoolHistory(text).records.filter((record) => isBelow(subjectOf(record)))
  t.lines.push(...records.map((record) => `  wrote down: ${inWords(record)}`))
}

export const POOLS: readonly Script[] = [
  {
    name: 'a pool that comes and goes',
    async play(t) {
      const { zfs } = t
      await zfs.create(`${MOVED}/a`, { mount: true, properties: {} }, t.fence)
      await zfs.create(`${MOVED}/a/b`, { mount: true, properties: { canmount: 'noauto' } }, t.fence)
      await zfs.set(MOVED, { [ACTIVE]: 'yes' }, t.fence)
      await offered(t)
      await zfs.importPool('1', { force: false }, t.fence)
      const release = await t.stage.occupy(`${MOVED}/a/b`)
      await zfs.exportPool(MOVED, t.fence)
      await release()
      await zfs.pool(MOVED)
      await zfs.exportPool(MOVED, t.fence)
      await zfs.pool(MOVED)
      await zfs.markedPools()
      await t.see(MOVED)
      await zfs.exportPool(MOVED, t.fence)
      await zfs.mountPool(MOVED)
      const guid = await offered(t)
      await zfs.importPool(guid, { force: false }, t.fence)
      await zfs.importPool(guid, { force: false }, t.fence)
      await offered(t)
      await t.see(MOVED)
      await zfs.markedPools()
      await zfs.mountPool(MOVED)
      await zfs.mountPool(MOVED)
      await t.see(MOVED)
      await zfs.exportPool(MOVED, t.fence)
      await zfs.importPool(guid, { force: true }, t.fence)
    },
  },
  {
    name: 'what ZFS writes down by itself',
    async play(t) {
      const at = `${POOL}/diary`
      const { zfs } = t.host
      await zfs.create(at, NOAUTO, t.fence)
      await zfs.create(
        `${at}/a`,
        { mount: false, properties: { ...NOAUTO.properties, [USER]: 'x' } },
        t.fence,
      )
      await zfs.set(`${at}/a`, { [USER]: 'y' })
      await zfs.set(`${at}/a`, { [USER]: 'y', quota: '1048576' })
      await zfs.set(`${at}/a`, { [USER]: null, quota: 'none' })
      await zfs.set(`${at}/a`, { [USER]: null })
      await zfs.snapshot(`${at}/a@s`, t.fence, { [USER]: 'z' })
      await zfs.clone(`${at}/a@s`, `${at}/c`, NOAUTO.properties, t.fence)
      await zfs.rename(`${at}/c`, `${at}/d`, t.fence)
      await zfs.mount(`${at}/a`)
      await zfs.unmount(`${at}/a`)
      await zfs.create(`${at}/a`, NOAUTO, t.fence).catch(() => {})
      await zfs.destroy(`${at}/d`, (await zfs.get(`${at}/d`))?.guid ?? '', t.fence)
      await zfs.destroy(`${at}/a`, (await zfs.get(`${at}/a`))?.guid ?? '', t.fence)
      await diary(t, at)
    },
  },
]
