/**
 * The command line as it stands in the history: as typed, without what may be secret (DESIGN D13). Of
 * somebody else's command line, behind `ct exec`, only the program's name; of a URL, never user and password.
 */
import { withoutUserInfo } from '../rpc/secrets.ts'

const MAX_LENGTH = 1000

/**
 * @param argv     as typed, without `osctl`
 * @param foreign  how many words at the end are arguments of another program
 */
export function cliText(argv: readonly string[], foreign: number): string {
  const kept = foreign > 0 ? argv.slice(0, argv.length - foreign) : argv
  const words = kept.map((word) => quote(withoutUserInfo(word)))
  return ['osctl', ...words].join(' ').slice(0, MAX_LENGTH)
}

/** Quoted where a shell would need it, so that the line can be typed again. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
