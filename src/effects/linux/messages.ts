/**
 * Messages to other machines: by logger(1), ssh(1) and HTTPS. None of them may keep the daemon waiting: programs are
 * processes of their own that are killed when they take too long, and a server that sends on and on is not read.
 *
 * A token is read from its file for each message and goes into a header; it is in no argument, and never in an error.
 */
import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { HostError, type MessagePort, type SshTarget } from '../host.ts'
import { errnoOf, oneLine, systemError } from './errors.ts'
import { query } from './exec.ts'
import { HTTP_HEADERS } from './helper/http.ts'

const TIMEOUT_MS = 20_000
const CONNECT_SECONDS = 10
const SYSLOG_PORT = 514
const TAG = ['--tag', 'osctld', '--priority', 'daemon.notice'] as const

const bare = (host: string): string => host.replace(/^\[|\]$/g, '')

/** Nobody is asked anything, and a host that is not known is refused. @pure */
export function sshArguments({
  user,
  host,
  port,
  keyFile,
  knownHostsFile,
}: SshTarget): [string, ...string[]] {
  const options = ['BatchMode=yes', `ConnectTimeout=${CONNECT_SECONDS}`, 'StrictHostKeyChecking=yes']
  if (knownHostsFile !== null) options.push(`UserKnownHostsFile=${knownHostsFile}`)
  return [
    'ssh',
    '-T',
    ...options.flatMap((option) => ['-o', option]),
    ...(keyFile === null ? [] : ['-i', keyFile]),
    ...(port === null ? [] : ['-p', String(port)]),
    '--',
    `${user === null ? '' : `${user}@`}${bare(host)}`,
    'osctl witness keep',
  ]
}

/** @pure */
export function loggerArguments(
  line: string,
  server: { readonly host: string; readonly port: number | null } | null,
): [string, ...string[]] {
  const to =
    server === null
      ? ['--socket-errors=on']
      : ['--tcp', '--rfc5424', '--server', bare(server.host), '--port', String(server.port ?? SYSLOG_PORT)]
  return ['logger', ...TAG, ...to, '--', line]
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw systemError(error, `cannot read ${file}`)
  }
}

async function post(
  url: string,
  json: string,
  files: { token: string | null; ca: string | null },
): Promise<void> {
  const token = files.token === null ? null : (await textOf(files.token)).trim()
  if (token !== null && !/^[\x21-\x7e]+$/.test(token))
    throw new HostError('E_FAILED', 'permanent', `${files.token} does not hold one word, as a token is`)
  const ca = files.ca === null ? {} : { ca: await textOf(files.ca) }
  const headers = {
    ...HTTP_HEADERS,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(json),
    ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
  }
  const options = { method: 'POST', headers, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS), ...ca }
  const status = await answered(url, json, options)
  if (status < 200 || status > 299)
    throw new HostError('E_NETWORK', status >= 500 ? 'transient' : 'permanent', `${url}: HTTP ${status}`)
}

async function answered(url: string, json: string, options: RequestOptions): Promise<number> {
  // Few hosts have a witness that takes HTTPS: the others have neither the time of loading it nor its memory to give.
  const { request } = await import('node:https')
  return await new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const what = error.name === 'AbortError' || error.name === 'TimeoutError' ? 'no answer' : error.message
      const reason = what === '' ? (errnoOf(error) ?? error.name) : what
      reject(new HostError('E_NETWORK', 'transient', oneLine(`${url}: ${reason}`), { cause: error }))
    }
    const asked = request(url, options, (response) => {
      resolve(response.statusCode ?? 0)
      // What it has to say is of no use, and could be endless.
      response.destroy()
    })
    asked.on('error', failed)
    asked.end(json)
  })
}

export const linuxMessages = (): MessagePort => ({
  async syslog(line, server) {
    await query({ argv: loggerArguments(line, server), timeoutMs: TIMEOUT_MS })
  },
  post,
  async ssh(to, text) {
    await query({ argv: sshArguments(to), timeoutMs: TIMEOUT_MS, stdin: text })
  },
})
