/**
 * The host side of QEMU's user network: what listens on 127.0.0.1 here is 10.0.2.2 in the guest. Serves the files of
 * a directory as a plain web server does: HEAD, one Range, Last-Modified and If-Modified-Since, no listing, nothing
 * outside the directory. A test may answer a request itself, to be slow, wrong or broken.
 */
import { createReadStream, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'
import { pipeline } from 'node:stream'

export interface WebServer extends AsyncDisposable {
  readonly port: number
  /** Its address as the guest sees it. */
  readonly url: string
  /** Each request so far: `GET /path` and the status it got. */
  readonly requests: readonly { readonly line: string; readonly status: number }[]
}

/** Returns true if it took the request. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean

export async function serveDirectory(dir: string, intercept: Intercept = () => false): Promise<WebServer> {
  const requests: { line: string; status: number }[] = []
  const server = createServer((request, response) => {
    response.on('close', () => {
      requests.push({ line: `${request.method} ${request.url}`, status: response.statusCode })
    })
    if (!intercept(request, response)) serveFile(dir, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://10.0.2.2:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function serveFile(dir: string, request: IncomingMessage, response: ServerResponse): void {
  const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0] ?? '/'))
  const file = join(dir, path)
  const stat = path.includes('\0') ? undefined : statSync(file, { throwIfNoEntry: false })
  if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end()
  else if (!stat?.isFile()) response.writeHead(404).end()
  else sendFile(file, stat.size, new Date(Math.floor(stat.mtimeMs / 1000) * 1000), request, response)
}

function sendFile(
  file: string,
  size: number,
  modified: Date,
  request: IncomingMessage,
  response: ServerResponse,
) {
  response.setHeader('Last-Modified', modified.toUTCString())
  response.setHeader('Accept-Ranges', 'bytes')
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const first = Number(range?.[1] ?? 0)
  const last = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1

  if (Date.parse(request.headers['if-modified-since'] ?? '') >= modified.getTime()) {
    response.writeHead(304).end()
  } else if (range !== null && first > last) {
    response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end()
  } else {
    if (range !== null) response.setHeader('Content-Range', `bytes ${first}-${last}/${size}`)
    response.writeHead(range === null ? 200 : 206, { 'Content-Length': last - first + 1 })
    if (request.method === 'HEAD' || size === 0) response.end()
    else pipeline(createReadStream(file, { start: first, end: last }), response, () => undefined)
  }
}
