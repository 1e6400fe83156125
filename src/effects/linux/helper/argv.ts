/** The programs that the helper starts. Pure: a plan prints them without starting any. */

/** Properties that a stream may bring mean nothing here: a mount point or `exec=off` of another host. */
const OVERRIDES = ['-o', 'canmount=noauto', '-x', 'mountpoint']

/** An incremental stream goes onto what was just received: -F, lest a changed atime refuse it. */
export const receiveArgv = (dataset: string, stream: 'base' | 'incremental'): [string, ...string[]] => [
  'zfs',
  'recv',
  '-u',
  ...(stream === 'incremental' ? ['-F'] : []),
  ...OVERRIDES,
  dataset,
]

/** `src/hooks/unpack`, in a mount namespace of its own. */
export const unpackArgv = (job: {
  readonly script: string
  readonly directory: string
  readonly first: number
  readonly count: number
  readonly root: string
}): [string, ...string[]] => [
  'unshare',
  '--mount',
  '--propagation',
  'private',
  '/bin/sh',
  job.script,
  job.directory,
  String(job.first),
  String(job.count),
  job.root,
]
