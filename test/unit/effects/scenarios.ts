/** One honest situation for each kind of effect; the generic suites run every kind through them. */
import type { EffectKind } from '../../../src/effects/effect.ts'
import { imageFile } from '../../../src/effects/kinds/image-fetch.ts'
import { encodeArchive, sha256 } from '../../../src/effects/simulated/filesystem.ts'
import { DEFAULT_REPOSITORY } from '../../../src/effects/simulated/sandbox.ts'
import { effects } from '../../../src/effects/table.ts'
import type { IntentArgs, IntentKind } from '../../../src/events/types/intents.ts'
import {
  CT,
  containerDataset,
  contextOn,
  foreignDataset,
  type Lab,
  MAP,
  runContainer,
  STAGING,
  tarImage,
  zfsImage,
} from './lab.ts'

export type Scenario<K extends IntentKind> = {
  readonly kind: K
  readonly effect: EffectKind<K>
  /** Before the pool is laid out. */
  readonly bare?: boolean
  readonly prepare: (lab: Lab) => Promise<IntentArgs<K>>
}
export type AnyScenario = { [K in IntentKind]: Scenario<K> }[IntentKind]

export const image = {
  repository: 'default',
  key: 'busybox-1.37',
  vendor: 'vpsadminos',
  variant: 'minimal',
  arch: 'x86_64',
  distribution: 'busybox',
  version: '1.37',
  format: 'tar' as const,
  url: `${DEFAULT_REPOSITORY}/v1/vpsadminos/minimal/x86_64/busybox/1.37/image-archive.tar`,
  sha256: null,
}

const put = (lab: Lab, file: string, archive: typeof tarImage): string => {
  lab.machine.putFile(`/tank/${file}`, archive)
  return sha256(encodeArchive(archive))
}

export const scenarios: { [K in IntentKind]: Scenario<K> } = {
  'dataset.create': {
    kind: 'dataset.create',
    effect: effects['dataset.create'],
    prepare: async () => ({ dataset: STAGING }),
  },
  'dataset.clone': {
    kind: 'dataset.clone',
    effect: effects['dataset.clone'],
    prepare: async (lab) => {
      const origin = await foreignDataset(lab, 'tank/image/key')
      const host = lab.host()
      await host.zfs.snapshot('tank/image/key@base', contextOn(host, 'other').fence)
      return { snapshot: 'image/key@base', origin, dataset: STAGING }
    },
  },
  'dataset.snapshot': {
    kind: 'dataset.snapshot',
    effect: effects['dataset.snapshot'],
    prepare: async (lab) => ({
      dataset: STAGING,
      guid: await foreignDataset(lab, `tank/${STAGING}`),
      name: 'base',
    }),
  },
  'dataset.rename': {
    kind: 'dataset.rename',
    effect: effects['dataset.rename'],
    prepare: async (lab) => ({
      from: STAGING,
      to: 'ct/web',
      guid: await foreignDataset(lab, `tank/${STAGING}`),
      orExisting: false,
    }),
  },
  'dataset.trash': {
    kind: 'dataset.trash',
    effect: effects['dataset.trash'],
    prepare: async (lab) => ({ from: 'ct/web', to: 'trash/ct-web.1', guid: await containerDataset(lab) }),
  },
  'dataset.set': {
    kind: 'dataset.set',
    effect: effects['dataset.set'],
    prepare: async (lab) => {
      const guid = await containerDataset(lab)
      const host = lab.host()
      await host.zfs.set('tank/ct/web', { quota: '1000', canmount: 'on' })
      return { dataset: 'ct/web', guid, set: { quota: null, canmount: 'noauto' } }
    },
  },
  'dataset.destroy': {
    kind: 'dataset.destroy',
    effect: effects['dataset.destroy'],
    prepare: async (lab) => ({ dataset: 'trash/old', guid: await foreignDataset(lab, 'tank/trash/old') }),
  },
  'image.fetch': {
    kind: 'image.fetch',
    effect: effects['image.fetch'],
    prepare: async () => ({ image }),
  },
  'image.unpack': {
    kind: 'image.unpack',
    effect: effects['image.unpack'],
    prepare: async (lab) => {
      const file = imageFile({ repository: 'default', key: 'k' })
      return {
        file,
        sha256: put(lab, file, tarImage),
        dataset: STAGING,
        guid: await foreignDataset(lab, `tank/${STAGING}`),
        map: MAP,
      }
    },
  },
  'image.receive': {
    kind: 'image.receive',
    effect: effects['image.receive'],
    prepare: async (lab) => {
      const file = imageFile({ repository: 'default', key: 'z' })
      return { file, sha256: put(lab, file, zfsImage), dataset: STAGING, contents: null }
    },
  },
  'lxc.start': {
    kind: 'lxc.start',
    effect: effects['lxc.start'],
    prepare: async (lab) => {
      await containerDataset(lab)
      return { ...CT, run: 'r1', timeoutSeconds: 10 }
    },
  },
  'lxc.stop': {
    kind: 'lxc.stop',
    effect: effects['lxc.stop'],
    prepare: async (lab) => {
      await runContainer(lab, 'r1')
      return { ...CT, run: 'r1', mode: 'stop', timeoutSeconds: 10 }
    },
  },
  'lxc.freeze': {
    kind: 'lxc.freeze',
    effect: effects['lxc.freeze'],
    prepare: async (lab) => {
      await runContainer(lab, 'r1')
      return { ...CT, run: 'r1' }
    },
  },
  'lxc.thaw': {
    kind: 'lxc.thaw',
    effect: effects['lxc.thaw'],
    prepare: async (lab) => {
      await runContainer(lab, 'r1')
      const host = lab.host()
      await host.lxc.freeze({ pool: 'tank', ...CT }, contextOn(host, 'other').fence)
      return { ...CT, run: 'r1' }
    },
  },
  'pool.layout': {
    kind: 'pool.layout',
    effect: effects['pool.layout'],
    bare: true,
    prepare: async () => ({}),
  },
  'pool.mark': {
    kind: 'pool.mark',
    effect: effects['pool.mark'],
    bare: true,
    prepare: async () => ({ active: true, dataset: null }),
  },
}
