/**
 * Witnesses: who keeps the heads of a pool's log outside of its host, so that not even its root can take back what
 * was said. Settings of the pool; none holds a secret (DESIGN D13): a token and a key are named by their files.
 *
 * As an admin writes one:
 *   syslog                  the host's own syslog, which goes wherever it is sent
 *   syslog:HOST[:PORT]      a syslog server, over TCP (514)
 *   https://HOST/PATH       gets each head as a POST of JSON; the server's certificate is verified
 *   ssh:[USER@]HOST[:PORT]  another host with osctl: `osctl witness keep` is run there
 */
import { z } from 'zod'

export const WITNESS_PATTERN = /^[a-z0-9][a-z0-9_-]{0,63}$/i
export const witnessNameSchema = z
  .string()
  .regex(WITNESS_PATTERN, 'invalid name, allowed: a-z A-Z 0-9 _ - (at most 64, not starting with - or _)')

/** No leading `-`: it is an argument of a program. */
const HOST = /^[a-z0-9_](?:[a-z0-9._-]{0,252})$|^\[[0-9a-f:]{2,45}\]$/i
const USER = /^[a-z_][a-z0-9_.-]{0,63}$/i
const path = z.string().max(1000).startsWith('/', 'an absolute path of this host')
const host = z.string().regex(HOST, 'a host name or address')
const port = z.int().min(1).max(65_535)

export const witnessSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('syslog'), host: host.nullable(), port: port.nullable() }),
  z.object({
    kind: z.literal('https'),
    url: z.string().max(2000),
    /** Holds what is sent as `Authorization: Bearer`. */
    tokenFile: path.nullable(),
    /** Certificates that vouch for the server, instead of those that everybody knows. */
    caFile: path.nullable(),
  }),
  z.object({
    kind: z.literal('ssh'),
    user: z.string().regex(USER).nullable(),
    host,
    port: port.nullable(),
    /** Private key and known hosts, where they are not root's own. */
    keyFile: path.nullable(),
    knownHostsFile: path.nullable(),
  }),
])
export type Witness = z.infer<typeof witnessSchema>
export const MOST_WITNESSES = 16
export const witnessesSchema = z.record(witnessNameSchema, witnessSchema)

export type WitnessFiles = {
  readonly tokenFile?: string | undefined
  readonly caFile?: string | undefined
  readonly keyFile?: string | undefined
  readonly knownHostsFile?: string | undefined
}
export type WitnessReading = { ok: true; witness: Witness } | { ok: false; why: string }

const LEGAL = 'legal: syslog, syslog:HOST[:PORT], https://HOST/PATH, ssh:[USER@]HOST[:PORT]'
const wrong = (why: string): WitnessReading => ({ ok: false, why })
const PLACE = /^(?:([^@]*)@)?(\[[^\]]*\]|[^:@]*)(?::(\d{1,5}))?$/

/** Reads a witness as an admin wrote it. @pure */
export function parseWitness(text: string, files: WitnessFiles): WitnessReading {
  const { tokenFile = null, caFile = null, keyFile = null, knownHostsFile = null } = files
  if (text.startsWith('https:')) {
    if (keyFile !== null || knownHostsFile !== null) return wrong('a key and known hosts are for ssh: only')
    const why = urlFault(text)
    return why === null ? checked({ kind: 'https', url: text, tokenFile, caFile }) : wrong(why)
  }
  if (tokenFile !== null || caFile !== null) return wrong('a token and certificates are for https:// only')
  if (text.startsWith('ssh:')) {
    const place = placeOf(text.slice('ssh:'.length))
    return place ? checked({ kind: 'ssh', ...place, keyFile, knownHostsFile }) : wrong(notOne(text))
  }
  if (keyFile !== null || knownHostsFile !== null) return wrong('a key and known hosts are for ssh: only')
  if (text === 'syslog') return checked({ kind: 'syslog', host: null, port: null })
  const place = text.startsWith('syslog:') ? placeOf(text.slice('syslog:'.length)) : null
  if (!place || place.user !== null) return wrong(notOne(text))
  return checked({ kind: 'syslog', host: place.host, port: place.port })
}

const notOne = (text: string): string => `not a witness: ${text} (${LEGAL})`

function placeOf(text: string): { user: string | null; host: string; port: number | null } | null {
  const match = PLACE.exec(text)
  if (!match) return null
  const [, user = null, name = '', digits] = match
  return { user, host: name, port: digits === undefined ? null : Number(digits) }
}

function urlFault(url: string): string | null {
  if (!URL.canParse(url)) return notOne(url)
  const { username, password, search, hash } = new URL(url)
  if (username !== '' || password !== '')
    return 'an address must not carry a user name or password: it would stand in the log (--token-file names a file with a token)'
  if (search !== '' || hash !== '')
    return 'an address has no query and no fragment: they would stand in the log (--token-file names a file with a token)'
  return null
}

function checked(witness: Witness): WitnessReading {
  const read = witnessSchema.safeParse(witness)
  if (read.success) return { ok: true, witness: read.data }
  const [issue] = read.error.issues
  return wrong(`${issue?.path.join('.')}: ${issue?.message} (${LEGAL})`)
}

/** As an admin would write it. @pure */
export function witnessText(witness: Witness): string {
  switch (witness.kind) {
    case 'https':
      return witness.url
    case 'syslog':
      return witness.host === null ? 'syslog' : `syslog:${witness.host}${portText(witness.port)}`
    case 'ssh':
      return `ssh:${witness.user === null ? '' : `${witness.user}@`}${witness.host}${portText(witness.port)}`
  }
}

const portText = (number: number | null): string => (number === null ? '' : `:${number}`)
