/** Names of actors, free of the schema library: the log's thread asks for them, too. */
import type { Actor } from './actor.ts'

/** Who, in a word: the login that was kept over su and sudo, else the uid; `system:…` for the daemon itself. */
export function actorName(actor: Actor | undefined): string {
  if (!actor) return '-'
  if ('system' in actor) return `system:${actor.system}`
  const { verified, claimed } = actor
  const who = claimed?.sudoUser ?? `uid ${verified.loginuid ?? verified.uid}`
  return claimed?.sshClient ? `${who} from ${claimed.sshClient}` : who
}

/**
 * Does an actor's name answer to one of these? To all of it, to who without from where, to the address alone,
 * to a number or `root` for a uid, and `system` to all that the daemon did of its own accord.
 */
export function isNamed(name: string, wanted: readonly string[]): boolean {
  const [who = name, from] = name.split(' from ')
  const uid = /^uid (\d+)$/.exec(who)?.[1]
  const names = [name, who, from, uid, uid === '0' ? 'root' : undefined]
  return wanted.some((want) => names.includes(want) || (want === 'system' && who.startsWith('system:')))
}
