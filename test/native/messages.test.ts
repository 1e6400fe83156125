/** Messages over real sockets: an HTTPS server whose certificate counts, and a syslog server. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { HostError } from '../../src/effects/host.ts'
import { linuxMessages } from '../../src/effects/linux/messages.ts'

const dir = mkdtempSync(join(tmpdir(), 'osctl-messages-'))
const file = (name: string): string => join(dir, name)
const messages = linuxMessages()
let server: Server
let url = ''
type Seen = { method: string | undefined; auth: string | undefined; type: string | undefined; body: string }
const seen: Seen[] = []

/** `/heads` takes them, `/404` does not, `/endless` sends on and on, `/silent` never answers. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  const { authorization: auth, 'content-type': type } = request.headers
  seen.push({ method: request.method, auth, type, body })
  if (request.url === '/silent') return
  if (request.url === '/404') return void response.writeHead(404).end('no')
  response.writeHead(200)
  if (request.url !== '/endless') return void response.end()
  const more = (): void => {
    if (!response.destroyed) response.write('x'.repeat(65_536), () => setImmediate(more))
  }
  more()
}

const refusal = async (work: Promise<void>): Promise<HostError> => {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof HostError, String(error))
  return error
}

before(async () => {
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...names]
  execFileSync('openssl', [...request, '-keyout', file('key'), '-out', file('ca')], { stdio: 'ignore' })
  const options = { key: readFileSync(file('key')), cert: readFileSync(file('ca')) }
  server = createHttps(options, (incoming, response) => void answer(incoming, response)).listen(
    0,
    'localhost',
  )
  await once(server, 'listening')
  url = `https://localhost:${(server.address() as AddressInfo).port}`
  writeFileSync(file('token'), 's3cret\n')
})
after(() => {
  server.close()
  rmSync(dir, { recursive: true })
})

describe('A head by HTTPS', () => {
  it('is a POST of JSON with the token of the file, to a server whose certificate counts', async () => {
    await messages.post(`${url}/heads`, '{"seq":1}', { token: file('token'), ca: file('ca') })
    assert.deepEqual(seen.at(-1), {
      method: 'POST',
      auth: 'Bearer s3cret',
      type: 'application/json',
      body: '{"seq":1}',
    })
    await messages.post(`${url}/heads`, '{}', { token: null, ca: file('ca') })
    assert.equal(seen.at(-1)?.auth, undefined)
  })

  it('does not go to a server that nobody vouches for', async () => {
    const before = seen.length
    const error = await refusal(messages.post(`${url}/heads`, '{}', { token: file('token'), ca: null }))
    assert.match(error.message, /self.signed certificate/)
    assert.equal(seen.length, before)
  })

  it('that is refused, or goes nowhere, is told in one line without the token', async () => {
    const files = { token: file('token'), ca: file('ca') }
    const notThere = await refusal(messages.post(`${url}/404`, '{}', files))
    assert.match(notThere.message, /HTTP 404$/)
    const nobody = await refusal(messages.post('https://localhost:1/', '{}', files))
    assert.match(nobody.message, /ECONNREFUSED/)
    const noFile = await refusal(messages.post(`${url}/heads`, '{}', { ...files, token: file('none') }))
    assert.match(noFile.message, /^cannot read .*none: /)
    writeFileSync(file('two'), 's3cret\r\nX-Other: header')
    const twoWords = await refusal(messages.post(`${url}/heads`, '{}', { ...files, token: file('two') }))
    assert.match(twoWords.message, /does not hold one word/)
    for (const { message } of [notThere, nobody, noFile, twoWords])
      assert.ok(!message.includes('s3cret') && !message.includes('\n'))
  })

  it('is over when the server has said that it took it, whatever more it says', async () => {
    const began = performance.now()
    await messages.post(`${url}/endless`, '{}', { token: null, ca: file('ca') })
    assert.ok(performance.now() - began < 15_000)
  })
})

describe('A head by syslog', () => {
  it('is a line of RFC 5424 to a server, over TCP', async () => {
    let text = ''
    const syslog = createServer((socket) => {
      socket.on('data', (chunk) => {
        text += String(chunk)
      })
    }).listen(0, '127.0.0.1')
    await once(syslog, 'listening')
    const { port } = syslog.address() as AddressInfo
    try {
      await messages.syslog('log head pool=tank guid=7 seq=1 hash=ab', { host: '127.0.0.1', port })
      for (let i = 0; i < 100 && !text.includes('hash=ab'); i++)
        await new Promise((done) => setTimeout(done, 20))
      assert.match(text, /<29>1 .* osctld .*log head pool=tank guid=7 seq=1 hash=ab/)
    } finally {
      syslog.close()
    }
    const error = await refusal(messages.syslog('x', { host: '127.0.0.1', port }))
    assert.match(error.message, /refused|failed to connect/i)
  })
})
