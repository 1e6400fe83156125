/** Scripts of effects: each probed, run twice, undone twice. The pool is laid out by the first. */
import type { EffectContext, EffectKind } from '../../src/effects/effect.ts'
import { isNone } from '../../src/effects/effect.ts'
import { effects } from '../../src/effects/table.ts'
import type { Evidence, IntentArgs, IntentKind } from '../../src/events/types/intents.ts'
import { CT, POOL, SPEC } from './stage.ts'
import type { Script, Transcript } from './transcript.ts'

const INTENT = '01J000000000000000000000AA.2'
const STAGING = `staging/${INTENT}`

const contextOn = (t: Transcript, intent = INTENT): EffectContext => ({
  host: t.host,
  pool: POOL,
  dataset: POOL,
  directory: `/${POOL}`,
  intent,
  fence: { ...t.fence, intent },
  container: () => SPEC,
})

/** What an effect can do, to a thing at `seen`. */
async function exercise<K extends IntentKind>(
  t: Transcript,
  kind: K,
  args: IntentArgs<K>,
  seen: () => Promise<void>,
): Promise<void> {
  const { run, probe, undo } = effects[kind] as unknown as EffectKind<K>
  const context = contextOn(t)
  const look = async (): Promise<void> => {
    await seen()
    if (!isNone(probe)) await t.note(`probe ${kind}`, async () => summary(await probe(args, context)))
  }
  await look()
  let evidence: Evidence<K> | null = null
  for (let time = 1; time <= 2; time++) {
    evidence = (await t.note(`run ${kind}`, () => run(args, context))) ?? evidence
    await look()
  }
  if (isNone(undo)) return
  for (let time = 1; time <= 2; time++) {
    await t.note(`undo ${kind}`, () => undo(args, evidence, context))
    await look()
  }
}

/** Without the words. */
const summary = ({ is, ...rest }: { is: string; evidence?: unknown }): unknown =>
  'evidence' in rest ? { is, evidence: rest.evidence } : is

const effect = <K extends IntentKind>(
  kind: K,
  prepare: (t: Transcript) => Promise<IntentArgs<K>>,
  seen: (t: Transcript) => Promise<void>,
): Script => ({
  name: kind,
  play: async (t) => exercise(t, kind, await prepare(t), () => seen(t)),
})

/** A file system that somebody made, mounted. @returns its guid */
async function made(t: Transcript, relative: string): Promise<string> {
  const { zfs } = t.host
  const name = `${POOL}/${relative}`
  await zfs.create(name, { mount: true, properties: { canmount: 'noauto' } }, t.fence)
  await zfs.directories(name, { private: 0o755 }, t.fence)
  return (await zfs.get(name))?.guid ?? ''
}

async function clean(t: Transcript, ...names: string[]): Promise<void> {
  for (const name of names) {
    const seen = await t.host.zfs.get(`${POOL}/${name}`)
    if (!seen) continue
    await t.host.zfs.unmount(seen.name)
    await t.host.zfs.destroy(seen.name, seen.guid, t.fence)
  }
}

const below =
  (...names: string[]) =>
  async (t: Transcript): Promise<void> => {
    for (const name of names) await t.see(`${POOL}/${name}`)
  }

const image = {
  repository: 'default',
  key: 'conformance',
  vendor: 'vpsadminos',
  variant: 'minimal',
  arch: 'x86_64',
  distribution: 'busybox',
  version: '1',
  format: 'tar' as const,
  sha256: null,
}

export const LAYOUT: readonly Script[] = [
  effect('pool.layout', async () => ({}), below()),
  effect(
    'pool.mark',
    async () => ({ active: true, dataset: null }),
    async (t) => {
      await t.zfs.get(POOL)
    },
  ),
]

export const KINDS: readonly Script[] = [
  effect('dataset.create', async () => ({ dataset: STAGING }), below('staging')),
  effect(
    'dataset.snapshot',
    async (t) => ({ dataset: STAGING, guid: await made(t, STAGING), name: 'base' }),
    (t) => t.see(`${POOL}/${STAGING}`, 'with snapshots'),
  ),
  effect(
    'dataset.rename',
    async (t) => {
      const guid = (await t.host.zfs.get(`${POOL}/${STAGING}`))?.guid ?? ''
      return { from: STAGING, to: 'image/kinds', guid, orExisting: false }
    },
    below('staging', 'image'),
  ),
  effect(
    'dataset.clone',
    async (t) => {
      await clean(t, STAGING)
      const origin = await made(t, 'image/origin')
      await t.host.zfs.snapshot(`${POOL}/image/origin@base`, t.fence)
      return { snapshot: 'image/origin@base', origin, dataset: STAGING }
    },
    below('staging'),
  ),
  effect(
    'dataset.set',
    async (t) => {
      const guid = await made(t, 'image/set')
      await t.host.zfs.set(`${POOL}/image/set`, { quota: '1048576', canmount: 'on', mountpoint: '/run/x' })
      return { dataset: 'image/set', guid, set: { quota: null, canmount: 'noauto', mountpoint: null } }
    },
    below('image/set'),
  ),
  effect(
    'dataset.trash',
    async (t) => ({ from: 'image/trashed', to: 'trash/trashed.1', guid: await made(t, 'image/trashed') }),
    below('image/trashed', 'trash'),
  ),
  effect(
    'dataset.destroy',
    async (t) => ({ dataset: 'trash/old', guid: await made(t, 'trash/old') }),
    below('trash'),
  ),
  effect('image.fetch', async (t) => ({ image: { ...image, url: t.stage.archives.tar } }), below()),
  effect(
    'image.receive',
    async (t) => ({ file: t.stage.archives.zfs, sha256: null, dataset: STAGING, contents: null }),
    below('staging'),
  ),
  effect(
    'image.unpack',
    async (t) => {
      const guid = await made(t, STAGING)
      const map = SPEC.map
      return { file: t.stage.archives.tar, sha256: null, dataset: STAGING, guid, map }
    },
    below('staging'),
  ),
  { name: 'what is left', play: (t) => below('staging', 'image', 'trash')(t) },
]

const run = 'kind1'
const looked = (t: Transcript): Promise<void> => t.look(CT)

/** On the container of containers.ts. */
export const RUNS: readonly Script[] = [
  effect('lxc.start', async () => ({ ...CT, run, timeoutSeconds: 60 }), looked),
  effect(
    'lxc.freeze',
    async (t) => {
      await effects['lxc.start'].run({ ...CT, run, timeoutSeconds: 60 }, contextOn(t))
      return { ...CT, run }
    },
    looked,
  ),
  effect(
    'lxc.thaw',
    async (t) => {
      await t.host.lxc.freeze(CT, t.fence)
      return { ...CT, run }
    },
    looked,
  ),
  effect('lxc.stop', async () => ({ ...CT, run, mode: 'stop', timeoutSeconds: 60 }), looked),
  {
    name: 'a container of another run',
    async play(t) {
      const other = { ...CT, run: 'other', timeoutSeconds: 60 }
      await effects['lxc.start'].run(other, contextOn(t))
      for (const [kind, args] of [
        ['lxc.start', { ...CT, run, timeoutSeconds: 60 }],
        ['lxc.freeze', { ...CT, run }],
        ['lxc.stop', { ...CT, run, mode: 'stop', timeoutSeconds: 60 }],
      ] as const)
        await exercise(t, kind, args as never, () => t.look(CT))
      await t.host.lxc.stop(CT, 'kill', 0, t.fence)
    },
  },
  {
    name: 'a container that somebody else started is not put into the trash',
    async play(t) {
      await t.host.materialise.container(SPEC, run)
      await t.stage.startByHand(CT)
      const guid = await t.guidOf(SPEC.dataset)
      const args = { from: 'ct/box', to: 'trash/box.1', guid }
      await exercise(t, 'dataset.trash', args, () => below('ct', 'trash')(t))
      await t.look(CT, 'without')
      await t.host.lxc.stop(CT, 'kill', 0, t.fence)
    },
  },
]
