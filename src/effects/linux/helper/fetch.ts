/**
 * Downloads an image, or copies it, and hashes it on the way.
 *
 * What has come lies in `<file>.part`, with its validator (ETag or Last-Modified) in `<file>.part.meta`. The
 * next attempt asks for the rest with `If-Range`, so bytes of two versions are never joined: a server that
 * has another version answers 200 with all of it. `<file>` appears by rename, verified and synced.
 * Source: RFC 9110 §13.1.5, §14.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HostError } from '../../host.ts'
import { systemError } from '../errors.ts'
import { HTTP_HEADERS, networkError, requireOk } from './http.ts'
import { type Progress, progressFile } from './progress.ts'

export type FetchJob = {
  readonly job: 'fetch'
  readonly url: string
  readonly file: string
  readonly sha256: string | null
  readonly progress: string
}

/** A server that is silent for that long has failed. */
const IDLE_MS = 60_000

type Meta = { readonly url: string; readonly validator: string }

async function readMeta(path: string, url: string): Promise<Meta | null> {
  try {
    const meta = JSON.parse(await readFile(path, 'utf8')) as Partial<Meta> | null
    return meta?.url === url && typeof meta.validator === 'string' ? { url, validator: meta.validator } : null
  } catch {
    return null
  }
}

async function hashFile(path: string, hash: Hash): Promise<number> {
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    hash.update(chunk as Buffer)
    bytes += (chunk as Buffer).length
  }
  return bytes
}

/** @returns null when the file is not there */
export async function statFile(path: string): Promise<{ bytes: number; sha256: string } | null> {
  try {
    const hash = createHash('sha256')
    const bytes = await hashFile(path, hash)
    return { bytes, sha256: hash.digest('hex') }
  } catch (error) {
    const failure = systemError(error, `cannot read ${path}`)
    if (failure.code === 'E_NOT_FOUND') return null
    throw failure
  }
}

async function append(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten
}

type Download = { job: FetchJob; part: string; meta: string; hash: Hash; have: number }

/** What is there of an earlier attempt, hashed; nothing when it cannot be continued. */
async function resume(job: FetchJob): Promise<Download & { validator: string | null }> {
  const part = `${job.file}.part`
  const meta = `${part}.meta`
  const hash = createHash('sha256')
  const known = await readMeta(meta, job.url)
  const size = known
    ? await stat(part).then(
        (found) => found.size,
        () => 0,
      )
    : 0
  if (!known || size === 0) return { job, part, meta, hash, have: 0, validator: null }
  return { job, part, meta, hash, have: await hashFile(part, hash), validator: known.validator }
}

async function request(
  download: Download & { validator: string | null },
  signal: AbortSignal,
): Promise<Response> {
  const range = download.have > 0 && download.validator
  const headers = range
    ? { ...HTTP_HEADERS, Range: `bytes=${download.have}-`, 'If-Range': download.validator ?? '' }
    : HTTP_HEADERS
  try {
    return await fetch(download.job.url, { headers, signal })
  } catch (error) {
    throw networkError(download.job.url, error)
  }
}

const startsAt = (response: Response): number =>
  Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? -1)

/** A weak ETag does not promise equal bytes and may not stand in If-Range. */
const validatorOf = (response: Response): string | null => {
  const etag = response.headers.get('etag')
  return etag !== null && !etag.startsWith('W/') ? etag : response.headers.get('last-modified')
}

async function save(
  download: Download,
  response: Response,
  progress: Progress,
  alive: () => void,
): Promise<number> {
  const handle = await open(download.part, download.have > 0 ? 'a' : 'w', 0o600)
  let bytes = download.have
  try {
    const reader = response.body?.getReader()
    for (;;) {
      const piece = await reader?.read().catch((error: unknown) => {
        throw networkError(download.job.url, error)
      })
      if (!piece || piece.done) break
      alive()
      await append(handle, piece.value)
      download.hash.update(piece.value)
      bytes += piece.value.length
      progress.add(piece.value.length)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return bytes
}

async function download(job: FetchJob): Promise<{ bytes: number; sha256: string }> {
  const idle = new AbortController()
  const timer = setTimeout(() => idle.abort(new Error(`no data for ${IDLE_MS / 1000} s`)), IDLE_MS)
  try {
    let state = await resume(job)
    const response = await request(state, idle.signal)
    if (response.status === 416) {
      // The part is longer than what the server has: it is of something else.
      await rm(state.part, { force: true })
      await rm(state.meta, { force: true })
      throw new HostError(
        'E_NETWORK',
        'transient',
        `${job.url}: the server has less than was downloaded before`,
      )
    }
    requireOk(job.url, response)
    if (response.status !== 206 || startsAt(response) !== state.have) {
      if (response.status === 206)
        throw new HostError('E_NETWORK', 'permanent', `${job.url}: not the range asked for`)
      state = { ...state, have: 0, hash: createHash('sha256') }
    }
    const validator = validatorOf(response)
    if (validator === null) await rm(state.meta, { force: true })
    else await writeFile(state.meta, JSON.stringify({ url: job.url, validator } satisfies Meta))
    const length = response.headers.get('content-length')
    const total = length === null ? null : state.have + Number(length)
    const progress = progressFile(job.progress, total)
    progress.add(state.have)
    const bytes = await save(state, response, progress, () => timer.refresh())
    if (total !== null && bytes !== total) {
      throw new HostError('E_NETWORK', 'transient', `${job.url}: ended after ${bytes} of ${total} bytes`)
    }
    return { bytes, sha256: state.hash.digest('hex') }
  } finally {
    clearTimeout(timer)
  }
}

async function copy(job: FetchJob): Promise<{ bytes: number; sha256: string }> {
  const source = await open(job.url, 'r')
  const target = await open(`${job.file}.part`, 'w', 0o600)
  const hash = createHash('sha256')
  let bytes = 0
  try {
    const progress = progressFile(job.progress, (await source.stat()).size)
    for await (const chunk of source.createReadStream({ autoClose: false, highWaterMark: 1 << 18 })) {
      await append(target, chunk as Buffer)
      hash.update(chunk as Buffer)
      bytes += (chunk as Buffer).length
      progress.add((chunk as Buffer).length)
    }
    await target.sync()
  } finally {
    await source.close()
    await target.close()
  }
  return { bytes, sha256: hash.digest('hex') }
}

async function publish(from: string, to: string): Promise<void> {
  await rename(from, to)
  const directory = await open(dirname(to), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/**
 * Brings `url` (http, https, or an absolute path) to `file`.
 *
 * @returns size and hash
 * @throws E_NETWORK (transient for what may pass), E_CHECKSUM (permanent), E_NO_SPACE, E_NOT_FOUND
 * @idempotent continues what an earlier call left
 */
export async function fetchImage(job: FetchJob): Promise<{ bytes: number; sha256: string }> {
  try {
    await mkdir(dirname(job.file), { recursive: true, mode: 0o700 })
    const got = job.url.startsWith('/') ? await copy(job) : await download(job)
    if (job.sha256 !== null && got.sha256 !== job.sha256) {
      await rm(`${job.file}.part`, { force: true })
      await rm(`${job.file}.part.meta`, { force: true })
      throw new HostError(
        'E_CHECKSUM',
        'permanent',
        `${job.url}: sha256 is ${got.sha256}, the index says ${job.sha256}`,
      )
    }
    await publish(`${job.file}.part`, job.file)
    await rm(`${job.file}.part.meta`, { force: true })
    return got
  } catch (error) {
    throw systemError(error, `cannot fetch ${job.url}`)
  }
}
