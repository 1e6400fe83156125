/** What is true of datasets on any host: names that are taken, and what a list of them tells. */
import { HostError } from './host.ts'

/** A name that zfs(8) accepts and that cannot be taken for an option. */
const NAME = /^[A-Za-z][A-Za-z0-9_.:-]*(\/[A-Za-z0-9_][A-Za-z0-9_.:-]*)*(@[A-Za-z0-9_][A-Za-z0-9_.:-]*)?$/

/** @throws E_FAILED (permanent) */
export function checkedName(name: string): string {
  if (!NAME.test(name))
    throw new HostError('E_FAILED', 'permanent', `not a dataset name: ${JSON.stringify(name)}`)
  return name
}

/** What `ZfsPort.list` tells of each dataset, besides what every answer has; `get` tells everything. */
export const LISTED: readonly string[] = [
  'canmount',
  'readonly',
  'quota',
  'refquota',
  'reservation',
  'refreservation',
  'used',
  'org.vpsadminos.osctl.trash-bin:original_name',
  'org.vpsadminos.osctl.trash-bin:trashed_at',
  'org.vpsadminos.osctl:intent',
  'org.vpsadminos.osctl:unpacked',
]
