/**
 * The spool: what containers' hooks said, one file a container (`src/hooks/report`).
 *
 * A file a container, overwritten: a reboot loop cannot fill anything, and a report that the daemon missed
 * is superseded by the one that matters. The daemon reads all files at its start and then each one that
 * changes. Files stay until the container is forgotten, so nothing depends on who read them when.
 */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { watch } from 'chokidar'
import { z } from 'zod'
import type { HookReport } from '../host.ts'
import { type Paths, spoolDirectory, spoolName } from './paths.ts'

const reportSchema = z.object({
  pool: z.string(),
  id: z.string(),
  run: z.string(),
  inits: z.int().min(0),
  last: z.enum(['started', 'stop', 'reboot']),
  initPid: z.int().min(1).nullable(),
  uptime: z.number().min(0),
})

/**
 * Reads one report. `at` is milliseconds of the epoch, reckoned from the uptime that the hook noted: a hook
 * forks nothing to ask for the time, and a wall clock that was set later does not matter.
 *
 * @returns null when the text is not a report
 * @pure
 */
export function parseReport(text: string, now: { epochMs: number; uptime: number }): HookReport | null {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return null
  }
  const parsed = reportSchema.safeParse(json)
  if (!parsed.success) return null
  const { uptime, ...report } = parsed.data
  return { ...report, at: Math.round(now.epochMs - Math.max(0, now.uptime - uptime) * 1000) }
}

const clock = async (): Promise<{ epochMs: number; uptime: number }> => ({
  epochMs: Date.now(),
  uptime: Number.parseFloat(await readFile('/proc/uptime', 'utf8')),
})

async function readFileReport(file: string): Promise<HookReport | null> {
  const text = await readFile(file, 'utf8').catch(() => null)
  return text === null ? null : parseReport(text, await clock())
}

export const readReport = (paths: Paths, pool: string, id: string): Promise<HookReport | null> =>
  readFileReport(join(spoolDirectory(paths), spoolName(pool, id)))

/** What a container's hooks leave: their report, and how many inits they counted. */
export function reportFiles(paths: Paths, pool: string, id: string): string[] {
  const name = spoolName(pool, id)
  const counter = `.${name.slice(0, -'.json'.length)}.inits`
  return [name, counter].map((file) => join(spoolDirectory(paths), file))
}

const isReport = (name: string): boolean => !name.startsWith('.') && name.endsWith('.json')

/**
 * Tells of every report that lies in the spool, then of each that is written.
 *
 * Each file's reports arrive in order and without repetition; of two that were written at once only the
 * later one may be seen. Watching begins before the first reading, so none falls in between.
 *
 * @returns a function that ends it
 */
export async function watchSpool(
  paths: Paths,
  listener: (report: HookReport) => void,
): Promise<() => Promise<void>> {
  const directory = spoolDirectory(paths)
  const told = new Map<string, string>()
  let lane: Promise<unknown> = Promise.resolve()
  const tell = (file: string): void => {
    if (!isReport(basename(file))) return
    lane = lane.then(async () => {
      const report = await readFileReport(file)
      if (!report) return
      const key = `${report.run} ${report.inits} ${report.last}`
      if (told.get(file) === key) return
      told.set(file, key)
      listener(report)
    })
  }
  const watcher = watch(directory, { depth: 0, ignoreInitial: true, alwaysStat: false })
  const rescan = async (): Promise<void> => {
    for (const name of (await readdir(directory)).sort()) tell(join(directory, name))
  }
  watcher.on('add', tell).on('change', tell)
  watcher.on('unlink', (file) => told.delete(file))
  await new Promise<void>((resolve, reject) => watcher.on('ready', resolve).on('error', reject))
  await rescan()
  await lane
  return () => watcher.close()
}
