/** All scripts, in the order in which they are played: some go on where the one before ended. */
import { CONTAINERS } from './containers.ts'
import { DATASETS } from './datasets.ts'
import { KINDS, LAYOUT, RUNS } from './kinds.ts'
import { POOLS } from './pools.ts'
import type { Script } from './transcript.ts'

const gone = CONTAINERS.slice(-1)

export const SCRIPTS: readonly Script[] = [
  ...LAYOUT,
  ...DATASETS,
  ...POOLS,
  ...KINDS,
  ...CONTAINERS.slice(0, -1),
  ...RUNS,
  ...gone,
]
