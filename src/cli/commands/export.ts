/** `osctl event export` and `osctl incident`: logs as a file that `osctl replay` opens elsewhere. */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import type { ExportHeader } from '../../rpc/results.ts'
import { parseTime, TimeError } from '../../rpc/time.ts'
import { given, type Invocation, poolOf } from '../invocation.ts'
import type { CommandSpec, OptionSpec } from '../spec.ts'
import { CommandError, UsageError } from '../usage-error.ts'

const FILE = { name: 'file', optional: true, words: 'file' } as const
const POOL: OptionSpec = {
  long: 'pool',
  value: 'pool',
  words: 'pool',
  help: 'Of this pool; without it of all',
}

export const eventExport: CommandSpec = {
  name: 'export',
  summary: 'Write logs into a file that can be verified and replayed elsewhere',
  description: [
    'Each line is an event with its hash and its exact body, behind a header that says where it comes from and where it ends: JSON, one object a line. osctl replay opens the file on any machine.',
    'With --ct it holds the events of that container, and of the pool and the log itself what they need. The header says what such a file can prove and what it cannot.',
    'Without a file, or with -, it is printed. A file that exists is not written over.',
  ],
  args: [FILE],
  options: [
    { long: 'ct', value: 'id', words: 'ct', help: 'Only of this container, also of one that is gone' },
    POOL,
  ],
  examples: [
    { command: 'osctl event export /tmp/node1.log', what: 'Everything' },
    { command: 'osctl event export --ct web /tmp/web.log', what: 'One container' },
  ],
  run: async (invocation) => await write(invocation, null),
}

export const incident: CommandSpec = {
  name: 'incident',
  summary: 'Write what there is to know of the time since an incident into a file',
  description: [
    'The events since then, the states before the first and after the last of them, the last boots and what they found, what the newest made of each container, health, and versions. Nothing in it is secret, since no secret enters the log; names and addresses of users are. osctl replay opens it on any machine.',
  ],
  args: [FILE],
  options: [{ long: 'since', value: 'time', help: "From when on, such as '2 hours ago'; required" }, POOL],
  examples: [
    {
      command: "osctl incident --since 'yesterday 22:00' /tmp/night.log",
      what: 'For whoever looks into it tomorrow',
    },
  ],
  run: async (invocation) => {
    const since = invocation.options.text('since')
    if (since === undefined) throw new UsageError('missing option --since <time>')
    await write(invocation, sinceOf(since))
  },
}

function sinceOf(text: string): number {
  try {
    return parseTime(text, Date.now()).from
  } catch (error) {
    if (!(error instanceof TimeError)) throw error
    throw new UsageError(`invalid value for --since: ${error.message}`)
  }
}

async function write(invocation: Invocation, since: number | null): Promise<void> {
  const [file = '-'] = invocation.args
  const out = new Output(invocation, file)
  try {
    const { pools, ct } = await scopeOf(invocation)
    for (const pool of pools) await writePool(invocation, out, { pool, ct, since })
    out.close()
  } catch (error) {
    out.discard()
    throw error
  }
}

/** Pools to write, and the one container. */
async function scopeOf(invocation: Invocation): Promise<{ pools: string[]; ct?: string }> {
  const { link, options } = invocation
  const named = options.text('ct')
  const pool = poolOf(invocation)
  if (named !== undefined) {
    const subjects = await link.query('history.subjects', {
      ct: named,
      ...given({ pools: pool === undefined ? undefined : [pool] }),
    })
    const found = subjects.find(({ deleted_at }) => deleted_at === null) ?? subjects.at(-1)
    if (!found) throw new CommandError(`no container is or was called ${named}`)
    return { pools: [found.pool], ct: found.stream }
  }
  if (pool !== undefined) return { pools: [pool] }
  const rows = await link.query('pool.list', {})
  if (rows.length === 0) throw new CommandError('no pool is imported')
  return { pools: rows.map(({ name }) => name) }
}

type Part = { readonly pool: string; readonly ct?: string | undefined; readonly since: number | null }

async function writePool({ link }: Invocation, out: Output, { pool, ct, since }: Part): Promise<void> {
  const header: ExportHeader = await link.query('export.open', {
    pool,
    ...given({ ct, since: since ?? undefined }),
  })
  out.line(JSON.stringify(header))
  const pages = async (part: 'start' | 'events' | 'end', from: number, to: number): Promise<void> => {
    const container = given({ container: header.container?.id })
    for (let next: number | null = from; next !== null; ) {
      const page: { lines: readonly string[]; next: number | null } = await link.query('export.read', {
        pool,
        part,
        from: next,
        to,
        ...container,
      })
      for (const line of page.lines) out.line(line)
      next = page.next
    }
  }
  if (header.incident) await pages('start', 0, header.first - 1)
  await pages('events', header.first, header.head.seq)
  if (header.incident) await pages('end', 0, header.head.seq)
}

/** A new file, or what stands for standard output. */
class Output {
  readonly #invocation: Invocation
  readonly #file: string
  readonly #fd: number | null

  constructor(invocation: Invocation, file: string) {
    this.#invocation = invocation
    this.#file = file
    this.#fd = file === '-' ? null : create(file)
  }

  line(text: string): void {
    if (this.#fd === null) this.#invocation.io.out(`${text}\n`)
    else writeSync(this.#fd, `${text}\n`)
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd)
  }

  /** A half file would only mislead. */
  discard(): void {
    if (this.#fd === null) return
    closeSync(this.#fd)
    unlinkSync(this.#file)
  }
}

function create(file: string): number {
  try {
    return openSync(file, 'wx', 0o600)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new CommandError(code === 'EEXIST' ? `${file} exists already: name another file` : message)
  }
}
