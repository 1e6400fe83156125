/**
 * Where osctl-replay begins: it reads what it is given, then answers requests on its standard input with lines on its
 * standard output, in the daemon's own protocol, until the input ends. `osctl replay` starts it; nobody types it.
 */
import { readSync, writeSync } from 'node:fs'
import type { Call } from '../rpc/call.ts'
import type { Handlers } from '../rpc/dispatch.ts'
import { dispatch, idOf, type ServerLog, toErrorObject, toRequest } from '../rpc/dispatch.ts'
import { encodeLine, LineDecoder, parseLine } from '../rpc/framing.ts'
import { PROTOCOL, type RpcId } from '../rpc/protocol.ts'
import { replyLines } from '../rpc/reply.ts'
import { Archive } from './archive.ts'
import { NotALog, readFile } from './file.ts'
import { archiveHandlers } from './handlers.ts'
import { readSnapshot } from './snapshot.ts'

const USAGE = 'usage: osctl-replay FILE | osctl-replay --pool-snapshot DIR\n'
const USAGE_ERROR = 64
const NO_LOG = 3
const INPUT = 0
const OUTPUT = 1

/** @returns the exit status: 0, 3 when there is no log to read, 64 when the command line is wrong */
export async function main(argv: readonly string[], version: string): Promise<number> {
  const [first, second] = argv
  const isSnapshot = first === '--pool-snapshot'
  const source = isSnapshot ? second : first
  if (source === undefined || argv.length !== (isSnapshot ? 2 : 1)) {
    process.stderr.write(USAGE)
    return USAGE_ERROR
  }
  try {
    const archive = await Archive.of(source, isSnapshot ? readSnapshot(source) : readFile(source))
    await serve(archiveHandlers(archive, version), version)
    return 0
  } catch (error) {
    process.stderr.write(
      `error: ${error instanceof NotALog || error instanceof Error ? error.message : error}\n`,
    )
    return NO_LOG
  }
}

/** One request after the other: whoever asks waits for the answer anyway. */
async function serve(handlers: Handlers, version: string): Promise<void> {
  const hello = { version, protocol: PROTOCOL, simulated: false, pid: process.pid, replay: true }
  write(encodeLine({ jsonrpc: '2.0', method: 'hello', params: hello }))
  const decoder = new LineDecoder()
  const chunk = Buffer.alloc(65_536)
  for (;;) {
    const length = read(chunk)
    if (length === 0) return
    const { lines } = decoder.push(Buffer.from(chunk.subarray(0, length)))
    for (const line of lines) for (const reply of await answer(handlers, parseLine(line))) write(reply)
  }
}

async function answer(handlers: Handlers, message: unknown): Promise<string[]> {
  let id: RpcId | null = idOf(message)
  try {
    const request = toRequest(message)
    id = request.id
    const result = await dispatch(handlers, request, callOf(id))
    return id === null ? [] : replyLines(id, result)
  } catch (error) {
    return [encodeLine({ jsonrpc: '2.0', id, error: toErrorObject(error, log, null) })]
  }
}

const log: ServerLog = {
  info: () => {},
  warn: () => {},
  error: (fields, text) => process.stderr.write(`osctl-replay: ${text} ${JSON.stringify(fields)}\n`),
}

const callOf = (id: RpcId | null): Call => ({
  actor: { uid: 0, gid: 0, pid: 0, start: null, loginuid: null, exe: null, tty: null },
  id,
  signal: new AbortController().signal,
  progress: () => {},
  operation: () => {},
  notify: () => undefined,
  isFull: false,
  drained: async () => undefined,
  end: () => {},
})

function read(chunk: Buffer): number {
  try {
    return readSync(INPUT, chunk, 0, chunk.length, null)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EOF') return 0
    throw error
  }
}

function write(text: string): void {
  const data = Buffer.from(text)
  for (let at = 0; at < data.length; ) at += writeSync(OUTPUT, data, at)
}
