/**
 * Reading the file of a log (src/rpc/portable.ts): sections of pools, each verified while it is read.
 *
 * Lines are cut out of large pieces and kept as the bytes that they are: an event's body is hashed as it stands.
 * A file of bare events, one a line, is read as well; where it comes from is then what its first session says.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { NO_HASH } from '../events/log/chain.ts'
import type { EventData } from '../events/types/events.ts'
import type { StreamId } from '../events/types/ids.ts'
import { canonical } from '../machines/baseline.ts'
import { EVENT_PREFIX_LENGTH, EXPORT_FORMAT } from '../rpc/portable.ts'
import type { ExportHeader } from '../rpc/results.ts'
import { OfflineLog } from './log.ts'

const PIECE = 4 * 1024 * 1024
const LONGEST_LINE = 16 * 1024 * 1024

/** A pool's part of what is replayed. */
export type Section = {
  readonly header: ExportHeader
  readonly log: OfflineLog
  /** States before the first event, and those that the daemon had after the last, by stream: canonical JSON. */
  readonly start: ReadonlyMap<StreamId, string>
  readonly end: ReadonlyMap<StreamId, string>
  readonly segments: number | null
}

/** The file is none that can be replayed: one line for whoever named it. */
export class NotALog extends Error {}

export function readFile(path: string): Section[] {
  const sections: Builder[] = []
  let number = 0
  for (const line of linesOf(path)) {
    number += 1
    if (line.length === 0) continue
    const started = headerOf(line, path)
    if (started) sections.push(new Builder(started))
    else if (sections.length === 0) sections.push(new Builder(bareHeader(line, path)))
    sections.at(-1)?.take(started ? null : line, `${path}, line ${number}`)
  }
  if (sections.length === 0) throw new NotALog(`${path}: this file is empty`)
  return sections.map((builder) => builder.done())
}

class Builder {
  readonly header: ExportHeader
  readonly log: OfflineLog
  readonly start = new Map<StreamId, string>()
  readonly end = new Map<StreamId, string>()
  readonly #isBare: boolean

  constructor(header: ExportHeader) {
    this.header = header
    this.log = new OfflineLog(header.first, header.previous, header.container !== null)
    this.#isBare = header.osctl_log === 0
  }

  take(line: Buffer | null, where: string): void {
    if (line === null) return
    if (this.#isBare) return this.log.add(line, null)
    if (line.subarray(0, 9).equals(HASH_KEY)) {
      const hash = Buffer.from(line.subarray(9, 73).toString('latin1'), 'hex')
      return this.log.add(line.subarray(EVENT_PREFIX_LENGTH, -1), hash)
    }
    const item = objectOf(line)
    if (typeof item?.['previous'] === 'string') this.log.gap(item['previous'])
    else if (item?.['at'] === 'start' || item?.['at'] === 'end')
      this[item['at']].set(item['stream'] as StreamId, canonical(item['state']))
    else this.log.wrong(`${where}: this line is none of a log`)
  }

  done(): Section {
    const { header, log, start, end } = this
    const head = log.head()
    if (!this.#isBare && !log.fault && (head.seq !== header.head.seq || head.hash !== header.head.hash)) {
      // In the part of one container the last events may be of others.
      const isPart = header.container !== null && head.seq < header.head.seq
      if (!isPart) log.wrong(`the file ends at ${head.seq}, its header says ${header.head.seq}: it was cut`)
    }
    return { header: this.#isBare ? named(header, log) : header, log, start, end, segments: null }
  }
}

const HASH_KEY = Buffer.from('{"hash":"')

function headerOf(line: Buffer, path: string): ExportHeader | null {
  if (!line.subarray(0, 13).equals(Buffer.from('{"osctl_log":'))) return null
  const header = objectOf(line) as ExportHeader | null
  const isWhole =
    header !== null &&
    typeof header.pool === 'string' &&
    Number.isSafeInteger(header.first) &&
    /^[0-9a-f]{64}$/.test(header.previous) &&
    Number.isSafeInteger(header.head?.seq)
  if (!isWhole) throw new NotALog(`${path}: its header cannot be read`)
  if (header.osctl_log > EXPORT_FORMAT)
    throw new NotALog(
      `${path}: it has format ${header.osctl_log}, this osctl reads up to ${EXPORT_FORMAT}: use the osctl of ${header.versions?.osctl ?? 'its host'}`,
    )
  return header
}

/** Of a file of bare events; completed when they are read. */
function bareHeader(line: Buffer, path: string): ExportHeader {
  const event = objectOf(line)
  if (event?.['seq'] !== 1 || typeof event['stream'] !== 'string')
    throw new NotALog(`${path}: this is no log that osctl wrote (osctl event export writes one)`)
  return {
    osctl_log: 0,
    pool: 'pool',
    guid: null,
    dataset: '',
    directory: '',
    container: null,
    first: 1,
    previous: NO_HASH.toString('hex'),
    head: { seq: 0, hash: '' },
    exported_at: 0,
    host: '',
    versions: { osctl: '', machines: 0, baseline_schema: 0 },
    simulated: false,
    proves: 'The events follow each other; that none is missing at the end is not shown by anything.',
    incident: null,
  }
}

/** What the first session says of the pool. */
export function named(header: ExportHeader, log: OfflineLog): ExportHeader {
  const session = log.firstOf('SessionOpened')?.data as EventData<'SessionOpened'> | undefined
  const opened = log.firstOf('PoolOpened')?.data as EventData<'PoolOpened'> | undefined
  const pool = session?.pool ?? header.pool
  const dataset = opened?.dataset ?? pool
  return {
    ...header,
    pool,
    guid: session?.poolGuid ?? null,
    dataset,
    directory: `/${dataset}`,
    head: log.head(),
    host: session?.host ?? '',
    versions: { ...header.versions, osctl: session?.code ?? '', machines: session?.machines ?? 0 },
    simulated: session?.simulated ?? false,
  }
}

function objectOf(line: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

function* linesOf(path: string): Generator<Buffer> {
  const fd = open(path)
  try {
    let rest: Buffer = Buffer.alloc(0)
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE)
      const length = readSync(fd, piece, 0, PIECE, null)
      if (length === 0) break
      let at = 0
      for (let end = piece.indexOf(10); end >= 0 && end < length; end = piece.indexOf(10, at)) {
        const line = piece.subarray(at, end)
        yield rest.length > 0 ? Buffer.concat([rest, line]) : line
        rest = Buffer.alloc(0)
        at = end + 1
      }
      rest = Buffer.concat([rest, piece.subarray(at, length)])
      if (rest.length > LONGEST_LINE) throw new NotALog(`${path}: this is no log that osctl wrote`)
    }
    if (rest.length > 0) yield rest
  } finally {
    closeSync(fd)
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw new NotALog(error instanceof Error ? error.message : String(error))
  }
}
