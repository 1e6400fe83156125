/**
 * Where things are on a running host. One place, so that an admin's question "where is …" has one answer.
 *
 * /run/osctl                                            0711
 *   effects/<intent>/                                   output of an effect's processes while they work
 *   hooks/                                              the scripts that LXC calls
 *   spool/<pool>.<id>.json                              last word of each container's hooks
 *   pools/<pool>/containers/<ctid>/config               LXC's configuration: `lxc-ls -P /run/osctl/pools/<pool>/containers`
 *
 * cgroup v2, below its root:
 *   osctl/effects/<intent>                              processes of one effect
 *   osctl/pool.<pool>/group.default/user.<user>/ct.<ctid>/{monitor,payload,pivot}
 */
import { join } from 'node:path'

export type Paths = {
  readonly run: string
  readonly etc: string
  /** Mount point of cgroup v2. */
  readonly cgroup: string
}

/** Parts of file and cgroup names come from checked identifiers; this is the last line of defence. */
const PART = /^[A-Za-z0-9_][A-Za-z0-9_.:-]*$/

/** @throws Error when `part` could be anything but one plain file name: a defect of the caller */
export function part(value: string): string {
  if (!PART.test(value) || value.length > 200) throw new Error(`not a plain name: ${JSON.stringify(value)}`)
  return value
}

export const effectsDirectory = (p: Paths): string => join(p.run, 'effects')
export const effectDirectory = (p: Paths, intent: string): string => join(p.run, 'effects', part(intent))
export const hooksDirectory = (p: Paths): string => join(p.run, 'hooks')
export const spoolDirectory = (p: Paths): string => join(p.run, 'spool')
export const poolDirectory = (p: Paths, pool: string): string => join(p.run, 'pools', part(pool))
export const lxcPath = (p: Paths, pool: string): string => join(poolDirectory(p, pool), 'containers')
export const containerDirectory = (p: Paths, pool: string, ctid: string): string =>
  join(lxcPath(p, pool), part(ctid))

/** A pool's name may hold dots; the id, a ULID, cannot: the last dot but one separates them. */
export const spoolName = (pool: string, id: string): string => `${part(pool)}.${part(id)}.json`

export const CGROUP = 'osctl'
export const effectCgroup = (p: Paths, intent: string): string =>
  join(p.cgroup, CGROUP, 'effects', part(intent))
export const poolCgroup = (pool: string): string => `${CGROUP}/pool.${part(pool)}`

/** A group is a path (`/default`, `/a/b`): one `group.<name>` level for each part of it. */
export function userCgroup(pool: string, group: string, user: string): string {
  const groups = group.split('/').filter((name) => name !== '')
  return [poolCgroup(pool), ...groups.map((name) => `group.${part(name)}`), `user.${part(user)}`].join('/')
}

export const containerCgroup = (at: { pool: string; group: string; user: string; ctid: string }): string =>
  `${userCgroup(at.pool, at.group, at.user)}/ct.${part(at.ctid)}`
