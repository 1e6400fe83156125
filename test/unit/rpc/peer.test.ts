import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import { dirname } from 'node:path'
import { test } from 'node:test'
import type { VerifiedActor } from '../../../src/events/types/actor.ts'
import { peerCredentials } from '../../../src/rpc/libc.ts'
import { identifyPeer } from '../../../src/rpc/peer.ts'
import { RawClient, startServer } from './harness.ts'

const ASK = `
  const socket = require('net').connect(process.argv[1])
  socket.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\\n')
  socket.on('data', (data) => String(data).includes('"id"') && process.stdin.once('data', () => process.exit()))
`

/** Starts a child that asks once, and answers what the server saw of it. */
async function actorOfChild(
  options: { uid?: number } = {},
): Promise<{ actor: VerifiedActor; pid: number; start: number }> {
  const seen = Promise.withResolvers<VerifiedActor>()
  await using h = await startServer({
    ping: async (_params, call) => {
      seen.resolve(call.actor)
      return 'pong'
    },
  })
  const child = spawn(process.execPath, ['-e', ASK, h.path], {
    stdio: ['pipe', 'ignore', 'inherit'],
    ...options,
  })
  const pid = child.pid ?? 0
  const actor = await seen.promise
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  child.stdin.end('bye')
  await once(child, 'exit')
  return { actor, pid, start: Number(fields[19]) }
}

test('the kernel names the child process that connected', async () => {
  const { actor, pid, start } = await actorOfChild()
  assert.equal(actor.pid, pid)
  assert.equal(actor.uid, process.getuid?.())
  assert.equal(actor.gid, process.getgid?.())
  assert.equal(actor.start, start)
  assert.equal(actor.exe, readlinkSync('/proc/self/exe'))
  assert.equal(actor.tty, null)
})

test('a process that died before it was accepted keeps its uid and pid', async () => {
  const seen = Promise.withResolvers<VerifiedActor>()
  await using h = await startServer({}, { onConnection: seen.resolve })
  const client = `require('net').connect(process.argv[1], () => process.kill(process.pid, 9))`
  const { pid } = spawnSync(process.execPath, ['-e', client, h.path])
  const actor = await seen.promise
  assert.deepEqual(actor, {
    ...actor,
    pid,
    uid: process.getuid?.(),
    start: null,
    exe: null,
    tty: null,
    loginuid: null,
  })
})

test('other users than root are told so and served nothing', { skip: process.getuid?.() !== 0 }, async () => {
  await using h = await startServer({ ping: async () => assert.fail('served') })
  chmodSync(dirname(h.path), 0o711)
  chmodSync(h.path, 0o666)
  const ask = `require('net').connect(process.argv[1]).on('data', (d) => process.stdout.write(d))`
  const child = spawn(process.execPath, ['-e', ask, h.path], {
    uid: 65534,
    gid: 65534,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output] = (await once(child.stdout, 'data')) as [Buffer]
  assert.match(String(output), /permission denied: osctld serves root only, not uid 65534/)
  await once(child, 'exit')
})

test('anything but a real descriptor fails closed', async () => {
  assert.throws(() => identifyPeer(new Socket()), /no file descriptor/)
  assert.throws(() => peerCredentials(openSync('/dev/null', 'r')), /SO_PEERCRED/)
  await using h = await startServer({ ping: async () => 'pong' as const })
  const client = new RawClient(h.path)
  await client.next()
  assert.throws(
    () => identifyPeer(Object.assign(new Socket(), { _handle: { fd: 1.5 } })),
    /no file descriptor/,
  )
  client.socket.destroy()
})
