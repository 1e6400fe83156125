/** HTTP as repositories speak it, and what its failures mean. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HostError } from '../../host.ts'
import { errnoOf, oneLine, systemError } from '../errors.ts'

/** Bytes as they are: a compressed transfer has another length and cannot be continued. */
export const HTTP_HEADERS = { 'User-Agent': 'osctl', 'Accept-Encoding': 'identity' } as const

const INDEX_MAX_BYTES = 8 * 1024 * 1024
const INDEX_TIMEOUT_MS = 30_000

/** fetch(2) hides the reason in `cause`. */
export function networkError(url: string, error: unknown): HostError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = cause instanceof Error ? cause.message || (errnoOf(cause) ?? cause.name) : String(cause)
  return new HostError('E_NETWORK', 'transient', oneLine(`${url}: ${reason}`), { cause: error })
}

/** @throws E_NETWORK: permanent when asking again cannot help, transient for 408, 429 and 5xx */
export function requireOk(url: string, response: Response): void {
  if (response.ok) return
  const mayPass = response.status >= 500 || response.status === 408 || response.status === 429
  const status = `HTTP ${response.status} ${response.statusText}`.trim()
  throw new HostError('E_NETWORK', mayPass ? 'transient' : 'permanent', `${url}: ${status}`)
}

async function download(url: string): Promise<string> {
  try {
    const response = await fetch(url, {
      headers: HTTP_HEADERS,
      signal: AbortSignal.timeout(INDEX_TIMEOUT_MS),
    })
    requireOk(url, response)
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length
      if (bytes > INDEX_MAX_BYTES)
        throw new HostError('E_BAD_IMAGE', 'permanent', `${url} is too large for an index`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  } catch (error) {
    throw error instanceof HostError ? error : networkError(url, error)
  }
}

async function readLocal(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw systemError(error, `cannot read ${path}`)
  }
}

/**
 * Reads the index of a repository.
 *
 * @param url of the repository: http, https, or the absolute path of a directory
 * @throws E_NETWORK, E_NOT_FOUND, E_BAD_IMAGE when it is no JSON
 */
export async function readIndex(url: string): Promise<unknown> {
  const local = url.startsWith('/')
  const path = local ? join(url, 'v1/INDEX.json') : `${url.replace(/\/+$/, '')}/v1/INDEX.json`
  const text = local ? await readLocal(path) : await download(path)
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new HostError('E_BAD_IMAGE', 'permanent', `${path} is not JSON`, { cause: error })
  }
}
