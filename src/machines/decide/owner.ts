/** Users that containers get of their own. */

import { exists } from '../life.ts'
import type { DecideView } from './decision.ts'

/**
 * Each container has an id block of its own; a user is shared only because the admin named it. So a
 * container gets a user of its name, or that name with a number when another container has that user.
 */
export function ownUser(view: DecideView, ctid: string): string {
  const { users } = view.pool().context
  const used = new Set([...view.cts()].filter(exists).map((ct) => ct.context.identity?.user))
  const isFree = (name: string): boolean => !used.has(name) && (!users[name] || users[name].standalone)
  let name = ctid
  for (let n = 2; !isFree(name); n++) name = `${ctid.slice(0, 90)}-${n}`
  return name
}
