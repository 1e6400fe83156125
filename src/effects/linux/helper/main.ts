/**
 * The helper: work on archives, in a process of its own.
 *
 * The daemon starts it once for each job and passes no data through itself (DESIGN D12): bytes flow between
 * the archive's file, this process and its child (`tar`, `zfs recv`), all in the cgroup of the effect, so a
 * fence ends them together. Node rather than curl, gunzip and tar in a pipeline: one program sees every
 * stage's end, continues a download by the server's validator, hashes while it writes, and names the bad
 * entry of a hostile archive.
 *
 * `helper <job as JSON>` prints one line: `{"ok":…}` or `{"error":{"code","failure","message"}}`. It exits 0
 * in both cases; anything else is a defect or a kill.
 */
import { HostError } from '../../host.ts'
import { systemError } from '../errors.ts'
import { type FetchJob, fetchImage, statFile } from './fetch.ts'
import { readIndex } from './http.ts'
import type { ReceiveJob } from './receive.ts'
import { type UnpackJob, unpackImage } from './unpack.ts'

export type Job =
  | FetchJob
  | UnpackJob
  | ReceiveJob
  | { readonly job: 'stat' | 'inspect'; readonly file: string }
  | { readonly job: 'index'; readonly url: string }

/** What reads YAML is loaded only when needed: the helper starts once for each job. */
async function perform(job: Job): Promise<unknown> {
  switch (job.job) {
    case 'fetch':
      return fetchImage(job)
    case 'unpack':
      return unpackImage(job)
    case 'receive':
      return (await import('./receive.ts')).receiveImage(job)
    case 'stat':
      return statFile(job.file)
    case 'inspect':
      return (await import('./metadata.ts')).inspectImage(job.file)
    case 'index':
      return readIndex(job.url)
  }
}

async function answer(json: string): Promise<object> {
  try {
    return { ok: await perform(JSON.parse(json) as Job) }
  } catch (thrown) {
    const error = thrown instanceof HostError ? thrown : systemError(thrown, 'helper')
    return { error: { code: error.code, failure: error.failure, message: error.message } }
  }
}

// No await at the top: the bundle is a CommonJS file. `answer` never rejects.
void answer(process.argv[2] ?? '').then((given) => process.stdout.write(`${JSON.stringify(given)}\n`))
