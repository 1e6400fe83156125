import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectTo } from '../../../src/rpc/client.ts'
import type { Call } from '../../../src/rpc/server.ts'
import { startServer } from './harness.ts'

const scratch = () => join(mkdtempSync(join(tmpdir(), 'osctl-client-')), 's.sock')

test('a daemon that does not run is told in one line with what to do', async () => {
  await assert.rejects(connectTo(scratch()), {
    problem: 'no-daemon',
    message: /^cannot connect to osctld at .*: it is not running \(start it with: sv up osctld\)$/,
  })
})

test('long replies are joined, progress and events reach their callbacks', async () => {
  const rows = Array.from({ length: 2000 }, (_, n) => ({
    pool: 'tank',
    entity: 'ct',
    id: `${n}`,
    problem: 'x'.repeat(900),
    level: 'error' as const,
  }))
  let subscriber: Call | undefined
  await using h = await startServer(
    {
      healthcheck: async (_params, call) => {
        call.progress('Checking')
        return rows
      },
      'event.subscribe': async (_params, call) => {
        subscriber = call
        return { positions: {} }
      },
    },
    { simulated: true },
  )
  const client = await connectTo(h.path)
  const texts: string[] = []
  assert.deepEqual(await client.call('healthcheck', {}, { onProgress: ({ text }) => texts.push(text) }), rows)
  assert.deepEqual(texts, ['Checking'])
  assert.equal(client.hello?.simulated, true)
  const ended = Promise.withResolvers<string>()
  await client.call('event.subscribe', {}, { onEnded: ({ reason }) => ended.resolve(reason) })
  subscriber?.end('the pool was exported')
  assert.equal(await ended.promise, 'the pool was exported')
  client.close()
})

test('a daemon that goes away while we wait, or is something else, is told apart', async () => {
  const h = await startServer({ ping: () => new Promise(() => undefined) })
  const client = await connectTo(h.path)
  const call = client.call('ping', {})
  setTimeout(() => h.server.destroy(), 20)
  await assert.rejects(call, { problem: 'lost' })
  await h[Symbol.asyncDispose]()

  for (const answer of [
    '220 smtp ready\r\n',
    '{"jsonrpc":"2.0","method":"hello","params":{"protocol":99,"version":"9"}}\n',
  ]) {
    const path = scratch()
    const other = createServer((socket) => socket.write(answer)).listen(path)
    const stranger = await connectTo(path)
    await assert.rejects(stranger.call('ping', {}), { problem: 'protocol' })
    other.close()
  }
})
