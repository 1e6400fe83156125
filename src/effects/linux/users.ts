/**
 * System users of containers, and the id ranges of root. Pure edits of /etc/passwd, group, subuid, subgid.
 *
 * The users carry a name for `ps` and `ls` and nothing else: they cannot log in, and no process runs as them.
 * root needs the ranges because lxc-start runs as root and `newuidmap` asks /etc/subuid even for root
 * (measured, lab.md). Our passwd entries are told by their comment `osctl` and their uid in 100000–199999; our
 * subuid lines by the list of what we wrote. Everything else in these files is the admin's and is kept, in
 * its order.
 */
import type { IdBlock } from '../../events/types/config.ts'

export type SystemUser = { name: string; uid: number; map: IdBlock }
type Wanted = { pool: string; name: string; map: IdBlock }

export const UID_FIRST = 100_000
export const UID_LAST = 199_999
const COMMENT = 'osctl'

type Entry = { line: string; fields: string[]; ours: boolean }

function entries(passwd: string): Entry[] {
  return passwd
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(':')
      const uid = Number(fields[2])
      return { line, fields, ours: fields[4] === COMMENT && uid >= UID_FIRST && uid <= UID_LAST }
    })
}

/** passwd(5) knows no escape for `:`, which a pool's name may hold. */
const systemName = (user: Wanted): string => `${user.pool}-${user.name}`.replaceAll(':', '_')

/**
 * Gives each user a name and a uid: the one it has in `passwd`, else the lowest free one.
 *
 * @throws Error when 100,000 users exist
 * @pure
 */
export function assignUsers(passwd: string, wanted: readonly Wanted[]): SystemUser[] {
  const present = entries(passwd)
  const taken = new Set(present.map((entry) => Number(entry.fields[2])))
  const known = new Map(
    present.filter((entry) => entry.ours).map((entry) => [entry.fields[0], Number(entry.fields[2])]),
  )
  let next = UID_FIRST
  return wanted.map((user) => {
    const name = systemName(user)
    let uid = known.get(name)
    if (uid === undefined) {
      while (taken.has(next)) next++
      if (next > UID_LAST) throw new Error('no system uid is left in 100000–199999')
      uid = next
      taken.add(uid)
      known.set(name, uid)
    }
    return { name, uid, map: user.map }
  })
}

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

/** /etc/passwd with exactly these users of ours. @pure */
export function editPasswd(passwd: string, users: readonly SystemUser[]): string {
  const others = entries(passwd).filter((entry) => !entry.ours)
  const ours = users.map(
    (user) => `${user.name}:*:${user.uid}:${user.uid}:${COMMENT}:/nonexistent:/usr/sbin/nologin`,
  )
  return text([...others.map((entry) => entry.line), ...ours])
}

/**
 * /etc/group with exactly these groups of ours. A group has no comment: ours are those of a gid in our range
 * whose name a passwd entry of ours carries, now or before.
 *
 * @pure
 */
export function editGroup(group: string, passwdBefore: string, users: readonly SystemUser[]): string {
  const names = new Set(entries(passwdBefore).flatMap((entry) => (entry.ours ? [entry.fields[0]] : [])))
  for (const user of users) names.add(user.name)
  const isOurs = (line: string): boolean => {
    const [name = '', , gid] = line.split(':')
    return names.has(name) && Number(gid) >= UID_FIRST && Number(gid) <= UID_LAST
  }
  const others = group.split('\n').filter((line) => line !== '' && !isOurs(line))
  return text([...others, ...users.map((user) => `${user.name}:*:${user.uid}:`)])
}

/** Lines of /etc/subuid and /etc/subgid for these users: theirs, and root's. @pure */
export function subidLines(users: readonly SystemUser[]): string[] {
  const lines = users.map(({ uid, map }) => `${uid}:${map.first}:${map.count}`)
  const roots = new Set(users.map(({ map }) => `root:${map.first}:${map.count}`))
  return [...lines, ...roots]
}

/** Replaces the lines that we wrote by those that we want. @pure */
export function editSubids(present: string, written: readonly string[], wanted: readonly string[]): string {
  const ours = new Set([...written, ...wanted])
  return text([...present.split('\n').filter((line) => line !== '' && !ours.has(line)), ...wanted])
}
