/** `osctl witness …`: what is asked of the daemon, and the lines that another host sends and `verify` reads. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseKept } from '../../../src/rpc/heads.ts'
import type { KeptRow, WitnessRow } from '../../../src/rpc/proof.ts'
import { startServer } from '../rpc/harness.ts'
import { done, run } from './harness.ts'

const hash = 'ab'.repeat(32)
const TOP = join(import.meta.dirname, '../../..')

test('witness add names target and files, on the pool of --pool', async () => {
  const asked: unknown[] = []
  const handlers = {
    'witness.add': async ({ meta: _meta, ...params }: { meta?: unknown }) => {
      asked.push(params)
      return done
    },
  }
  await run(['witness', 'add', 'logs', 'syslog:logs'], handlers)
  await run(['--pool', 'tank', 'witness', 'add', 'n', 'https://a/', '--token-file', '/t'], handlers)
  assert.deepEqual(asked, [
    { name: 'logs', target: 'syslog:logs' },
    { name: 'n', target: 'https://a/', pool: 'tank', tokenFile: '/t' },
  ])
})

test('witness ls shows what each took last, and why it does not', async () => {
  const row: WitnessRow = {
    pool: 'tank',
    name: 'far',
    kind: 'ssh',
    target: 'ssh:node2',
    state: 'failing',
    last_head: null,
    sent_at: null,
    failures: 3,
    error: 'Connection refused',
  }
  const { out } = await run(['witness', 'ls'], { 'witness.list': async () => [row] })
  assert.match(out, /^POOL +NAME +KIND +TARGET +LAST_HEAD +SENT_AT +STATE +ERROR\n/)
  assert.match(out, /tank +far +ssh +ssh:node2 +- +- +failing +Connection refused/)
})

test('witness heads prints lines that event verify --against reads', async () => {
  const row: KeptRow = {
    keeper: 'deep',
    position: 'deep:9',
    kept_at: 2,
    pool: 'tank',
    guid: '77',
    host: 'node1',
    seq: 5,
    hash,
    time: 1,
  }
  const { out } = await run(['witness', 'heads', 'tank'], { 'witness.heads': async () => [row] })
  assert.deepEqual(parseKept(out), { pool: 'tank', guid: '77', seq: 5, hash, time: 1 })
})

test('witness keep offers every line of its input, and fails when one does not fit', async () => {
  const asked: unknown[] = []
  const handlers = {
    'witness.keep': async ({ meta: _meta, ...params }: { meta?: unknown; seq: number }) => {
      asked.push(params)
      return { complaint: params.seq === 6 ? 'its end is lost' : null }
    },
  }
  await using server = await startServer(handlers, {})
  const keep = async (input: string) => {
    const child = spawn(process.execPath, [join(TOP, 'bin/osctl.ts'), 'witness', 'keep'], {
      env: { ...process.env, OSCTL_SOCKET: server.path },
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    let err = ''
    child.stderr.on('data', (chunk) => {
      err += String(chunk)
    })
    child.stdin.end(input)
    const status = await new Promise((resolve) => child.once('close', resolve))
    return { status, err }
  }
  const head = { pool: 'tank', guid: '77', seq: 5, hash, time: 1, host: 'node1' }
  assert.deepEqual(await keep(`${JSON.stringify(head)}\n`), { status: 0, err: '' })
  assert.deepEqual(asked, [head])
  assert.deepEqual(await keep(JSON.stringify({ ...head, seq: 6 })), {
    status: 1,
    err: 'error: kept, but its end is lost\n',
  })
  for (const [input, says] of [
    ['', /there is no head on standard input/],
    ['noise', /not a head with pool, guid/],
    [`7:${hash}`, /not a head with pool, guid/],
  ] as const) {
    const { status, err } = await keep(input)
    assert.equal(status, 1)
    assert.match(err, says)
  }
})
