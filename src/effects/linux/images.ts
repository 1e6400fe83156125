/**
 * Images: the port's side. Each call is one helper process (`helper/main.ts`), which does the work.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type Fence, HostError, type ImageInspection, type ImagePort, type ZfsPort } from '../host.ts'
import type { Ended } from './exec.ts'
import type { Job } from './helper/main.ts'
import { effectDirectory, hooksDirectory, type Paths } from './paths.ts'
import { mountedAt, type System } from './system.ts'
import { destroySnapshots } from './zfs.ts'

export type ImagesOptions = {
  readonly paths: Paths
  readonly system: System
  readonly zfs: ZfsPort
  /** The helper, a script for Node. */
  readonly helper: string
}

const PROGRESS_EVERY_MS = 1000
/** Hashing a large image on a slow disk. */
const READ_TIMEOUT_MS = 3600_000
const INDEX_TIMEOUT_MS = 60_000

const errorSchema = z.object({
  code: z.custom<HostError['code']>((value) => typeof value === 'string' && value.startsWith('E_')),
  failure: z.enum(['transient', 'permanent', 'refused', 'cancelled', 'undone']),
  message: z.string(),
})

/** What the helper answered. @throws HostError: the helper's own, or that it gave no answer */
function answerOf(ended: Ended): unknown {
  let answer: unknown
  try {
    answer = JSON.parse(ended.stdout)
  } catch (error) {
    throw new HostError('E_FAILED', 'permanent', 'the helper gave no answer', { cause: error })
  }
  if (typeof answer !== 'object' || answer === null) throw new HostError('E_FAILED', 'permanent', 'no answer')
  if ('ok' in answer) return answer.ok
  const { code, failure, message } = errorSchema.parse('error' in answer ? answer.error : null)
  throw new HostError(code, failure, message)
}

/** @throws E_REFUSED: nothing that could hold a password may stand in an event or an argument (DESIGN D13) */
function checkUrl(url: string): void {
  if (url.startsWith('/')) return
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol)) {
    throw new HostError('E_REFUSED', 'permanent', 'an image comes from http://, https:// or an absolute path')
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new HostError('E_REFUSED', 'permanent', 'an URL with user info is refused: it would be recorded')
  }
}

/** Tells the fence's listener what the helper wrote into its progress file, until it is stopped. */
function follow(file: string, text: string, fence: Fence): () => void {
  const { progress } = fence
  if (!progress) return () => undefined
  const timer = setInterval(() => {
    readFile(file, 'utf8').then(
      (line) => {
        const [done = '', total = ''] = line.split(' ')
        if (done !== '') progress(Number(done), total === '' ? null : Number(total), text)
      },
      () => undefined,
    )
  }, PROGRESS_EVERY_MS)
  return () => clearInterval(timer)
}

const counts = z.object({ entries: z.int(), bytes: z.int(), skippedDevices: z.int() })
const hashed = z.object({ bytes: z.int(), sha256: z.string() })

export function linuxImages(options: ImagesOptions): ImagePort {
  const { paths, system, zfs } = options
  const argv = (job: Job): [string, ...string[]] => [process.execPath, options.helper, JSON.stringify(job)]

  async function work(make: (progress: string) => Job, text: string, fence: Fence): Promise<unknown> {
    const file = join(effectDirectory(paths, fence.intent), 'progress')
    const stop = follow(file, text, fence)
    try {
      return answerOf(await system.run({ argv: argv(make(file)), scratch: ['progress', 'root'] }, fence))
    } finally {
      stop()
    }
  }
  const ask = async (job: Job, timeoutMs: number, signal?: AbortSignal): Promise<unknown> =>
    answerOf(await system.query({ argv: argv(job), timeoutMs }, signal))

  return {
    async fetch(url, file, sha256, fence) {
      checkUrl(url)
      return hashed.parse(
        await work((progress) => ({ job: 'fetch', url, file, sha256, progress }), url, fence),
      )
    },
    stat: async (file) => hashed.nullable().parse(await ask({ job: 'stat', file }, READ_TIMEOUT_MS)),
    inspect: async (file) => (await ask({ job: 'inspect', file }, READ_TIMEOUT_MS)) as ImageInspection,
    async unpack(file, dataset, map, fence) {
      const directory = await mountedAt(system, dataset)
      if (directory === null) throw new HostError('E_FAILED', 'permanent', `${dataset} is not mounted`)
      await zfs.directories(dataset, { private: 0o755 }, fence)
      const place = { file, directory: join(directory, 'private'), first: map.first, count: map.count }
      const script = join(hooksDirectory(paths), 'unpack')
      const root = join(effectDirectory(paths, fence.intent), 'root')
      const job = (progress: string): Job => ({ job: 'unpack', ...place, script, root, progress })
      return counts.parse(await work(job, file, fence))
    },
    async receive(file, dataset, fence) {
      if (await zfs.get(dataset)) throw new HostError('E_EXISTS', 'permanent', `${dataset} exists already`)
      await work((progress) => ({ job: 'receive', file, dataset, progress }), file, fence)
      await destroySnapshots(system, dataset, fence)
    },
    async index(url, signal) {
      checkUrl(url)
      return ask({ job: 'index', url }, INDEX_TIMEOUT_MS, signal)
    },
  }
}
