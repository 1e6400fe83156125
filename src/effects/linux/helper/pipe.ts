/**
 * One stream of an image, from its place in the archive into a child process, every stage's end checked.
 */
import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { Transform, type TransformCallback, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { HostError } from '../../host.ts'
import { errnoOf, programError } from '../errors.ts'
import { TarError } from '../tar/header.ts'
import { badImage, type Member } from './outer.ts'
import type { Progress } from './progress.ts'

const MAX_STDERR = 8192

class Counter extends Transform {
  readonly #count: (bytes: number) => void
  constructor(count: (bytes: number) => void) {
    super()
    this.#count = count
  }
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#count(chunk.length)
    done(null, chunk)
  }
}

type Consumer = {
  stdin: Writable
  ended: Promise<{ status: number | null; signal: string | null; said: string }>
}

function start(argv: readonly [string, ...string[]]): Consumer {
  const [file, ...args] = argv
  const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' } })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < MAX_STDERR) said += chunk.toString('utf8')
  })
  const { promise, resolve } = Promise.withResolvers<{
    status: number | null
    signal: string | null
    said: string
  }>()
  child.on('error', (error) =>
    resolve({ status: null, signal: null, said: `cannot run ${file}: ${error.message}` }),
  )
  child.on('close', (status, signal) => resolve({ status, signal, said }))
  return { stdin: child.stdin, ended: promise }
}

/** What an error of the stages before the consumer means for the image. */
function streamError(error: unknown, file: string, member: string): HostError | null {
  const name = `${file}: ${member}`
  if (error instanceof TarError) return badImage(`${name}: ${error.message}`, error)
  const code = errnoOf(error) ?? ''
  if (code === 'Z_BUF_ERROR') return badImage(`${name} is truncated`, error)
  if (code.startsWith('Z_')) return badImage(`${name} is not a valid gzip stream`, error)
  return null
}

/**
 * Feeds a member into a program.
 *
 * When a check fails the program's input ends early, so it fails too: the first cause is what is reported. A
 * program that ended with an error closed its input, which is no cause but a consequence.
 *
 * @throws E_BAD_IMAGE, or what the program said
 */
export async function feed(
  file: string,
  member: Member,
  filters: readonly Transform[],
  argv: readonly [string, ...string[]],
  progress: Progress,
): Promise<void> {
  if (member.size === 0) throw badImage(`${file}: ${member.name} is empty`)
  const source = createReadStream(file, {
    start: member.offset,
    end: member.offset + member.size - 1,
    highWaterMark: 1 << 18,
  })
  const gunzip = member.name.endsWith('.gz') ? [createGunzip({ chunkSize: 1 << 18 })] : []
  const counter = new Counter((bytes) => progress.add(bytes))
  const consumer = start(argv)
  const [flow, ended] = await Promise.all([
    pipeline([source, counter, ...gunzip, ...filters, consumer.stdin]).then(
      () => null,
      (error: unknown) => error,
    ),
    consumer.ended,
  ])
  const bad = flow === null ? null : streamError(flow, file, member.name)
  if (bad) throw bad
  if (ended.status !== 0) {
    throw programError(
      argv[0],
      ended.said,
      ended.signal ? `killed by ${ended.signal}` : `exit status ${ended.status}`,
    )
  }
  if (flow !== null) throw flow
}
