/**
 * The table of effects: every kind of intent that can stand in a log, and the hands that carry it out.
 *
 * The type demands an entry for each kind of `intentSchemas` and all six parts of each entry. Running them,
 * with retries, fences and lanes, is the daemon's engine; nothing here decides anything.
 */
import type { EffectTable } from './effect.ts'
import { datasetClone } from './kinds/dataset-clone.ts'
import { datasetCreate } from './kinds/dataset-create.ts'
import { datasetDestroy } from './kinds/dataset-destroy.ts'
import { datasetRename } from './kinds/dataset-rename.ts'
import { datasetSet } from './kinds/dataset-set.ts'
import { datasetSnapshot } from './kinds/dataset-snapshot.ts'
import { datasetTrash } from './kinds/dataset-trash.ts'
import { imageFetch } from './kinds/image-fetch.ts'
import { imageReceive } from './kinds/image-receive.ts'
import { imageUnpack } from './kinds/image-unpack.ts'
import { lxcFreeze } from './kinds/lxc-freeze.ts'
import { lxcStart } from './kinds/lxc-start.ts'
import { lxcStop } from './kinds/lxc-stop.ts'
import { lxcThaw } from './kinds/lxc-thaw.ts'
import { poolLayout } from './kinds/pool-layout.ts'
import { poolMark } from './kinds/pool-mark.ts'

export const effects: EffectTable = {
  'dataset.create': datasetCreate,
  'dataset.clone': datasetClone,
  'dataset.snapshot': datasetSnapshot,
  'dataset.rename': datasetRename,
  'dataset.trash': datasetTrash,
  'dataset.set': datasetSet,
  'dataset.destroy': datasetDestroy,
  'image.fetch': imageFetch,
  'image.unpack': imageUnpack,
  'image.receive': imageReceive,
  'lxc.start': lxcStart,
  'lxc.stop': lxcStop,
  'lxc.freeze': lxcFreeze,
  'lxc.thaw': lxcThaw,
  'pool.layout': poolLayout,
  'pool.mark': poolMark,
}
