/**
 * Programs on paper: what each command line of our effects would have changed, and what the program would have
 * answered. A command line that is not known here cannot be rehearsed and says so; it is never run.
 */
import { type ContainerRef, type ContainerSeen, HostError } from '../../host.ts'
import type { Action } from '../../rehearsal.ts'
import { programError } from '../errors.ts'
import type { Command, Ended } from '../exec.ts'
import { receiveArgv, unpackArgv } from '../helper/argv.ts'
import type { Job } from '../helper/main.ts'
import { PaperDatasets } from './datasets.ts'
import type { Observer } from './observer.ts'

/** Of a file that is downloaded on paper, when nobody said what it will be. */
const DOWNLOADED = 'f'.repeat(64)
/** Numbers that are told from others, where a plan puts words for them. */
const UNPACKED = { entries: 880_000_001, bytes: 880_000_002, skippedDevices: 880_000_003 }

/** Quoted where a shell would need it. @pure */
export const quoted = (argv: readonly string[]): string =>
  argv
    .map((word) => (/^[\w@%+=:,./<>-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ')

const said = (stdout: string): Ended => ({ stdout, stderr: '', exitCode: 0, signal: null })
const ok = (value: unknown): Ended => said(JSON.stringify({ ok: value }))

/** `-o name=value` pairs of a command line. @pure */
function assigned(args: readonly string[]): { properties: Record<string, string>; names: string[] } {
  const properties: Record<string, string> = {}
  const names: string[] = []
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? ''
    const pair = word === '-o' ? (args[++i] ?? '') : word
    const at = pair.indexOf('=')
    if (at > 0 && !pair.startsWith('-')) properties[pair.slice(0, at)] = pair.slice(at + 1)
    else if (!word.startsWith('-')) names.push(word)
  }
  return { properties, names }
}

export class PaperPrograms {
  readonly datasets: PaperDatasets
  readonly #observer: Observer
  readonly #note: (action: Action) => void
  readonly #archives = new Map<string, { bytes: number; sha256: string }>()
  /** What became of containers, by the path and name that LXC's tools are given. */
  readonly #containers = new Map<string, ContainerSeen>()
  readonly #lxcPath: (pool: string) => string

  constructor(observer: Observer, lxcPath: (pool: string) => string, note: (action: Action) => void) {
    this.datasets = new PaperDatasets(observer)
    this.#observer = observer
    this.#lxcPath = lxcPath
    this.#note = note
  }

  async inspect(ref: ContainerRef): Promise<ContainerSeen> {
    return (
      this.#containers.get(`${this.#lxcPath(ref.pool)} ${ref.ctid}`) ?? (await this.#observer.inspect(ref))
    )
  }

  /** Answers a look. @throws HostError as the program would, or that it is not known here */
  async query({ argv }: Command): Promise<Ended> {
    const [program, ...args] = argv
    const name = args.at(-1) ?? ''
    const what = args.slice(0, -1).join(' ')
    if (program === 'zfs' && what === 'get -jp all') {
      const seen = await this.datasets.get(name)
      if (!seen) throw programError('zfs', `cannot open '${name}': dataset does not exist`, 'exit status 1')
      return said(PaperDatasets.json([seen]))
    }
    if (program === 'zfs' && what.startsWith('get -jp -r -t filesystem ')) {
      return said(PaperDatasets.json(await this.datasets.tree(name)))
    }
    if (program === 'zfs' && what === 'get -jp -d 1 -t snapshot all')
      return said(PaperDatasets.json(await this.datasets.snapshotsOf(name)))
    if (program === 'zfs' && what === 'list -H -o name -r -t snapshot')
      return said(this.datasets.snapshots(name).join('\n'))
    const job = jobOf(argv)
    if (job?.job === 'stat')
      return ok(this.#archives.get(job.file) ?? (await this.#observer.archive(job.file)))
    throw new HostError('E_FAILED', 'permanent', `not known to a rehearsal: ${quoted(argv)}`)
  }

  /** Does on paper what the program would do. */
  async run({ argv, env }: Command): Promise<Ended> {
    const [program, ...args] = argv
    if (program === 'zfs') return await this.#zfs(args)
    if (program.startsWith('lxc-')) return this.#lxc(program, args, env?.['OSCTL_RUN'] ?? null)
    if (program === 'umount') await this.datasets.unmount(args.at(-1) ?? '')
    else if (program === '/bin/sh') await this.datasets.bind(args[1] ?? '', args.at(-1) ?? '')
    else return await this.#helper(argv)
    return said('')
  }

  async #zfs([verb = '', ...args]: string[]): Promise<Ended> {
    const { properties, names } = assigned(args)
    const [one = '', other = ''] = names
    const { datasets } = this
    if (verb === 'create') await datasets.make(one, properties)
    else if (verb === 'clone') await datasets.make(other, properties, one)
    else if (verb === 'snapshot') await datasets.make(one, properties)
    else if (verb === 'rename') await datasets.rename(one, other)
    else if (verb === 'set') await datasets.set(one, properties)
    else if (verb === 'inherit') await datasets.set(other, { [one]: null })
    else if (verb === 'mount') await datasets.mount(one)
    else if (verb === 'unmount') await datasets.unmount(one)
    else if (verb === 'destroy') datasets.destroy(one)
    else if (verb === 'program') {
      datasets.destroy(other)
      return said(JSON.stringify({ return: 'done' }))
    } else throw new HostError('E_FAILED', 'permanent', `not known to a rehearsal: zfs ${verb}`)
    return said('')
  }

  #lxc(program: string, args: readonly string[], runName: string | null): Ended {
    const key = `${args[args.indexOf('-P') + 1]} ${args[args.indexOf('-n') + 1]}`
    const before = this.#containers.get(key)
    const evidence = { initPid: 1, startTime: 0, bootId: this.#observer.bootId() }
    const run = { run: before?.run ?? evidence, runName: runName ?? before?.runName ?? null }
    if (program === 'lxc-stop') this.#containers.set(key, { state: 'stopped', run: null, runName: null })
    else this.#containers.set(key, { state: program === 'lxc-freeze' ? 'frozen' : 'running', ...run })
    return said('')
  }

  async #helper(argv: Command['argv']): Promise<Ended> {
    const job = jobOf(argv)
    if (job?.job === 'fetch') {
      const got = { bytes: 0, sha256: job.sha256 ?? DOWNLOADED }
      this.#archives.set(job.file, got)
      return ok(got)
    }
    if (job?.job === 'unpack') {
      this.#note({ is: 'note', text: `it runs ${quoted(unpackArgv(job))}`, argv: unpackArgv(job) })
      return ok(UNPACKED)
    }
    if (job?.job === 'receive') return await this.#receive(job.file, job.dataset)
    throw new HostError('E_FAILED', 'permanent', `not known to a rehearsal: ${quoted(argv)}`)
  }

  async #receive(file: string, dataset: string): Promise<Ended> {
    const seen = await this.#observer.contents(file)
    if (!seen)
      this.#note({
        is: 'note',
        text: `what datasets and snapshots ${file} brings is not known before it is there`,
      })
    for (const relative of ['', ...(seen?.datasets ?? [])]) {
      const name = relative === '' ? dataset : `${dataset}/${relative}`
      const argv = receiveArgv(name, 'base')
      this.#note({ is: 'note', text: `it runs ${quoted(argv)}`, argv })
      await this.datasets.make(name, { canmount: 'noauto' })
      for (const snapshot of seen?.snapshots ?? []) await this.datasets.make(`${name}@${snapshot}`, {})
    }
    return ok({})
  }
}

/** The helper's job, which is its last argument. @pure */
function jobOf(argv: readonly string[]): Job | null {
  try {
    return JSON.parse(argv.at(-1) ?? '') as Job
  } catch {
    return null
  }
}
