/**
 * Texts without what may be secret (DESIGN D13). No parameter of ours is meant to carry a secret, but people put
 * one where it does not belong: a password into an address, a whole command line where a program's name is asked
 * for. What is recorded goes through here, in the CLI and again in the daemon, which believes no client.
 */

/** Of an address, never user and password; also of one that was taken for a path, and lost a slash by it. */
export const withoutUserInfo = (text: string): string => text.replace(/(:\/{1,2})[^/\s]*@/g, '$1***@')

/** The same in all texts of a value. */
export function maskedDeep(value: unknown): unknown {
  if (typeof value === 'string') return withoutUserInfo(value)
  if (Array.isArray(value)) return value.map(maskedDeep)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, maskedDeep(part)]))
}

/** A program's name: of `mysql -pTOPSECRET` and of `PASSWORD=TOPSECRET env`, given as one word, the first part. */
export const programName = (word: string): string => /^[^\s=]*/.exec(word)?.[0] ?? ''
