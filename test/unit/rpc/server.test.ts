import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { RpcError } from '../../../src/rpc/errors.ts'
import { MAX_LINE_BYTES } from '../../../src/rpc/protocol.ts'
import type { EventRow } from '../../../src/rpc/results.ts'
import { type Call, serve } from '../../../src/rpc/server.ts'
import { memoryLog, RawClient, startServer } from './harness.ts'

const handlers = { ping: async () => 'pong' as const }

const row = (seq: number, data: unknown = {}): EventRow => ({
  position: `tank:${seq}`,
  pool: 'tank',
  seq,
  time: 0,
  boot: 'b',
  mono: 1,
  stream: 'pool',
  target: null,
  ver: seq,
  type: 'X',
  v: 1,
  id: 'x',
  op: null,
  by: null,
  data,
})

test('the first line says who serves, then a request is answered with its id', async () => {
  await using h = await startServer(handlers)
  const client = new RawClient(h.path).request('a', 'ping')
  const hello = await client.next()
  assert.deepEqual(hello?.params, { version: '0.0.0-test', protocol: 1, simulated: false, pid: process.pid })
  assert.deepEqual(await client.next(), { jsonrpc: '2.0', id: 'a', result: 'pong' })
  client.socket.destroy()
})

test('the socket is mode 0600', async () => {
  await using h = await startServer(handlers)
  assert.equal(statSync(h.path).mode & 0o777, 0o600)
})

const malformed: [string, string | Buffer, number, RegExp][] = [
  ['garbage', 'hello osctld\n', -32700, /not valid JSON/],
  ['binary', Buffer.from([0xff, 0xfe, 0x00, 0x7b, 0x0a]), -32700, /not valid JSON/],
  ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n', -32600, /batches are not served/],
  ['a number', '42\n', -32600, /JSON object/],
  ['no version', '{"id":1,"method":"ping"}\n', -32600, /"jsonrpc": "2.0"/],
  ['no method', '{"jsonrpc":"2.0","id":1}\n', -32600, /"method"/],
  ['an object as id', '{"jsonrpc":"2.0","id":{},"method":"ping"}\n', -32600, /"id"/],
  [
    'an unknown method',
    '{"jsonrpc":"2.0","id":1,"method":"toString"}\n',
    -32601,
    /unknown method 'toString' \(known: ping/,
  ],
  ['parameters by position', '{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}\n', -32602, /by name/],
  [
    'an unknown parameter',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":1}}\n',
    -32602,
    /unknown parameter 'x'/,
  ],
  [
    'a string as parameters',
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}\n',
    -32602,
    /expected object/,
  ],
]
for (const [name, bytes, code, text] of malformed) {
  test(`${name} is answered with an error and the connection goes on`, async () => {
    await using h = await startServer(handlers)
    const client = new RawClient(h.path).send(bytes)
    const reply = await client.reply()
    assert.equal(reply.error?.code, code)
    assert.match(reply.error?.message ?? '', text)
    assert.equal(reply.error?.message.includes('\n'), false)
    assert.equal((await client.request(7, 'ping').reply()).result, 'pong')
    client.socket.destroy()
  })
}

const wrong: [string, unknown, RegExp][] = [
  ['ct.start', { id: 5 }, /invalid parameter 'id'.*string/],
  ['ct.start', { id: 'x', waitSeconds: -1 }, /'waitSeconds'.*>=0/],
  ['ct.stop', { id: 'x', mode: 'gently' }, /'mode'.*stop.*shutdown.*kill/],
  ['ct.new', { id: '../x' }, /^invalid ID, allowed characters: a-z A-Z 0-9 _ -.*'id'/],
  [
    'ct.set',
    { id: 'x', set: { autostart: { priority: 'high', delay: 1 } } },
    /'set\.autostart\.priority'.*number/,
  ],
  ['ct.set', { id: 'x', set: { colour: 'red' } }, /unknown parameter 'colour' in 'set'/],
]
for (const [method, params, text] of wrong) {
  test(`${method} ${JSON.stringify(params)} names the field and what is legal`, async () => {
    const never = async () => assert.fail('the handler must not run')
    await using h = await startServer({
      'ct.start': never,
      'ct.stop': never,
      'ct.new': never,
      'ct.set': never,
    })
    const client = new RawClient(h.path).request(1, method, params)
    const { error } = await client.reply()
    assert.equal(error?.code, -32602)
    assert.equal(error?.data.kind, 'invalid')
    assert.match(error?.message ?? '', text)
    client.socket.destroy()
  })
}

test('a line that is too long is refused before it is complete, and the connection ends', async () => {
  await using h = await startServer(handlers)
  const client = new RawClient(h.path).send(Buffer.alloc(MAX_LINE_BYTES + 1, 'x'))
  const reply = await client.reply()
  assert.match(reply.error?.message ?? '', /longer than 1048576 bytes/)
  await client.closed
  const other = new RawClient(h.path).request(1, 'ping')
  assert.equal((await other.reply()).result, 'pong')
  other.socket.destroy()
})

test('a line may come in pieces, even cut within a character', async () => {
  const seen: string[] = []
  await using h = await startServer({
    'op.show': async ({ op }) => {
      seen.push(op)
      throw new Error('x')
    },
  })
  const bytes = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"op.show","params":{"op":"ž€😀"}}\n')
  const client = new RawClient(h.path)
  for (const byte of bytes) {
    client.send(Buffer.from([byte]))
    await new Promise(setImmediate)
  }
  await client.reply()
  assert.deepEqual(seen, ['ž€😀'])
  client.socket.destroy()
})

test('half a line and then the end: an error, then the end', async () => {
  await using h = await startServer(handlers)
  const client = new RawClient(h.path)
  client.socket.end('{"jsonrpc":"2.0","id":1,"meth')
  assert.equal((await client.reply()).error?.code, -32700)
  await client.closed
})

test('a client that closes its writing end still gets its replies', async () => {
  await using h = await startServer({
    ping: () => new Promise((resolve) => setTimeout(() => resolve('pong'), 20)),
  })
  const client = new RawClient(h.path)
  client.socket.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n{"jsonrpc":"2.0","id":2,"method":"ping"}')
  assert.equal((await client.reply()).result, 'pong')
  assert.equal((await client.reply()).result, 'pong')
  await client.closed
})

test('a notification runs and is not answered', async () => {
  let ran = 0
  await using h = await startServer({
    ping: async () => {
      ran += 1
      return 'pong'
    },
  })
  const client = new RawClient(h.path).send('{"jsonrpc":"2.0","method":"ping"}\n').request(1, 'ping')
  assert.equal((await client.reply()).id, 1)
  assert.equal(ran, 2)
  client.socket.destroy()
})

test('an unexpected exception is an internal error with an id that the log has, and nothing more', async () => {
  await using h = await startServer({
    ping: async () => {
      throw new TypeError('secret /path/x.ts:1')
    },
  })
  const client = new RawClient(h.path).request(1, 'ping')
  const { error } = await client.reply()
  assert.match(error?.message ?? '', /^internal error [a-z0-9]+-\d+ \(/)
  assert.equal(JSON.stringify(error).includes('secret'), false)
  const entry = h.log.lines.find(({ level }) => level === 'error')
  assert.ok(error?.message.includes(String(entry?.fields['errorId'])))
  client.socket.destroy()
})

test('a refusal reaches the caller with kind, code, state and what is possible', async () => {
  const data = { kind: 'refused', code: 'E_CT_RUNNING', state: 'running', possible: ['stop'] } as const
  await using h = await startServer({
    'ct.delete': async () => {
      throw new RpcError('container is running', { ...data, possible: ['stop'] })
    },
  })
  const client = new RawClient(h.path).request(1, 'ct.delete', { id: 'x' })
  assert.deepEqual((await client.reply()).error, { code: 1, message: 'container is running', data })
  client.socket.destroy()
})

test('progress, the operation and the reply come in order and carry the request id', async () => {
  await using h = await startServer({
    'ct.start': async (params, call) => {
      assert.equal(params.waitSeconds, 120)
      call.operation('OP')
      call.progress('Downloading', 5, 10)
      return { op: 'OP', result: 'done', position: null, warnings: [] }
    },
  })
  const client = new RawClient(h.path).request(9, 'ct.start', { id: 'x' })
  await client.next()
  assert.deepEqual((await client.next())?.params, { id: 9, text: '', op: 'OP' })
  assert.deepEqual((await client.next())?.params, { id: 9, text: 'Downloading', done: 5, total: 10 })
  assert.equal((await client.next())?.id, 9)
  client.socket.destroy()
})

test('a reply longer than a line comes in parts, each within the limit', async () => {
  const rows = Array.from({ length: 3000 }, (_, i) => row(i, { text: 'ž'.repeat(300) }))
  await using h = await startServer({
    'event.list': async () => rows,
    'event.show': async () => row(1, 'x'.repeat(MAX_LINE_BYTES)),
  })
  const client = new RawClient(h.path).request(1, 'event.list', {})
  const got: unknown[] = []
  for (let message = await client.next(); ; message = await client.next()) {
    assert.ok(JSON.stringify(message).length <= MAX_LINE_BYTES)
    if (message?.method === 'rows') got.push(...((message.params?.['rows'] ?? []) as unknown[]))
    if (message?.id === 1) break
  }
  assert.deepEqual(got, rows)
  const single = await client.request(2, 'event.show', { position: '1' }).reply()
  assert.match(single.error?.message ?? '', /reply is longer/)
  client.socket.destroy()
})

test('a hundred requests in one write are all answered', async () => {
  await using h = await startServer(handlers)
  const lines = Array.from({ length: 100 }, (_, id) => JSON.stringify({ jsonrpc: '2.0', id, method: 'ping' }))
  const client = new RawClient(h.path).send(`${lines.join('\n')}\n`)
  const ids = new Set<unknown>()
  while (ids.size < 100) ids.add((await client.reply()).id)
  client.socket.destroy()
})

test('no more than 64 requests of a connection run at once', async () => {
  let now = 0
  let most = 0
  const ping = async () => {
    now += 1
    most = Math.max(most, now)
    await new Promise((resolve) => setTimeout(resolve, 5))
    now -= 1
    return 'pong' as const
  }
  await using h = await startServer({ ping })
  const client = new RawClient(h.path)
  for (let id = 0; id < 200; id++) client.request(id, 'ping')
  for (let n = 0; n < 200; n++) await client.reply()
  assert.equal(most, 64)
  client.socket.destroy()
})

test('a subscription gets its events and ends with the client', async () => {
  let subscriber: Call | undefined
  await using h = await startServer({
    'event.subscribe': async (_params, call) => {
      subscriber = call
      return { positions: { tank: 3 } }
    },
  })
  const client = new RawClient(h.path).request(1, 'event.subscribe', {})
  assert.deepEqual((await client.reply()).result, { positions: { tank: 3 } })
  assert.ok(subscriber)
  const { signal } = subscriber
  subscriber.notify({ event: row(4), state: 'running' })
  const note = await client.next()
  assert.equal(note?.method, 'event')
  assert.deepEqual(note?.params, { id: 1, event: row(4), state: 'running' })
  const aborted = once(signal, 'abort')
  client.socket.end()
  await aborted
  subscriber.notify({ event: row(5) })
  await subscriber.drained()
})

test('a subscriber that does not read is full after a bounded buffer, and gets all of it when it reads', async () => {
  let subscriber: Call | undefined
  await using h = await startServer({
    'event.subscribe': async (_params, call) => {
      subscriber = call
      return { positions: {} }
    },
  })
  const client = new RawClient(h.path).request(1, 'event.subscribe', {})
  await client.reply()
  assert.ok(subscriber)
  client.socket.pause()
  let sent = 0
  while (!subscriber.isFull) {
    subscriber.notify({ event: row(sent, 'x'.repeat(10_000)) })
    sent += 1
    assert.ok(sent < 1000, 'the buffer has no end')
    if (sent % 10 === 0) await new Promise(setImmediate)
  }
  const drained = subscriber.drained()
  client.socket.resume()
  for (let seq = 0; seq < sent; seq++) {
    const note = await client.next()
    assert.deepEqual((note?.params as { event: EventRow } | undefined)?.event.seq, seq)
  }
  await drained
  assert.equal(subscriber.isFull, false)
  client.socket.destroy()
})

test('who waits for a subscriber that reads no more hears when it is gone', async () => {
  let subscriber: Call | undefined
  await using h = await startServer({
    'event.subscribe': async (_params, call) => {
      subscriber = call
      return { positions: {} }
    },
  })
  const client = new RawClient(h.path).request(1, 'event.subscribe', {})
  await client.reply()
  assert.ok(subscriber)
  client.socket.pause()
  while (!subscriber.isFull) subscriber.notify({ event: row(1, 'x'.repeat(100_000)) })
  const drained = subscriber.drained()
  client.socket.destroy()
  await drained
  assert.equal(subscriber.signal.aborted, true)
})

test('the signal of a call is aborted when its client is gone', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  await using h = await startServer({
    ping: async (_params, call) => {
      client.socket.destroy()
      await once(call.signal, 'abort')
      resolve()
      return 'pong'
    },
  })
  const client = new RawClient(h.path).request(1, 'ping')
  await promise
})

test('a live daemon keeps its socket, and a dead one leaves it to the next', async () => {
  await using h = await startServer(handlers)
  const options = { path: h.path, handlers, version: '1', simulated: false, log: memoryLog() }
  await assert.rejects(serve(options), new RegExp(`another osctld \\(pid ${process.pid}\\) already serves`))
  const client = new RawClient(h.path).request(1, 'ping')
  assert.equal((await client.reply()).result, 'pong')
  client.socket.destroy()

  const directory = mkdtempSync(join(tmpdir(), 'osctl-stale-'))
  const path = join(directory, 's.sock')
  const stale = createServer().listen(path)
  await once(stale, 'listening')
  await assert.rejects(serve({ ...options, path }), /another daemon already serves/)
  stale.close()
  await once(stale, 'close')
  writeFileSync(path, '')
  await assert.rejects(serve({ ...options, path }), /not a socket/)
})

test('closing answers what is in flight and takes nothing new', async () => {
  const gate = Promise.withResolvers<'pong'>()
  const h = await startServer({ ping: () => gate.promise })
  const client = new RawClient(h.path).request(1, 'ping')
  await client.next()
  await new Promise((resolve) => setTimeout(resolve, 20))
  const closed = h.server.close()
  gate.resolve('pong')
  assert.equal((await client.reply()).result, 'pong')
  await closed
  chmodSync(dirname(h.path), 0o700)
})
