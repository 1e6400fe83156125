/**
 * Where containers come from: repositories over HTTP, good and bad, and image files of the original in both its
 * formats. One machine; the web server is on the host side of QEMU's user network.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { scratch } from './driver.ts'
import { type Intercept, serveDirectory, type WebServer } from './driver-http.ts'
import { MINUTE, Scene } from './scene.ts'

const BUILT_IN = '/usr/share/osctl/repository/v1'
const top = scratch()
const hash = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

let scene: Scene
let web: WebServer
let busybox: Buffer
/** Answers a request in another way than a web server should. */
let behave: Intercept = () => false

type Listed = { version: string; tags?: string[]; path?: string; sha256?: string | null; data?: Buffer }

/** A repository on the web server: all images are of busybox. */
function repository(name: string, images: readonly Listed[]): string {
  const index = images.map(({ version, tags = [], path, sha256 = hash(busybox), data = busybox }) => {
    const relative = path ?? `vpsadminos/minimal/x86_64/busybox/${version}/image-archive.tar`
    put(`${name}/v1/${relative}`, path === undefined ? data : null)
    const sums = sha256 === null ? {} : { sha256: { tar: sha256 } }
    const of = { vendor: 'vpsadminos', variant: 'minimal', arch: 'x86_64', distribution: 'busybox' }
    return { ...of, version, tags, image: { tar: relative }, ...sums }
  })
  const vendors = { default: 'vpsadminos', vpsadminos: 'minimal' }
  put(`${name}/v1/INDEX.json`, JSON.stringify({ vendors, images: index }))
  return `${web.url}/${name}`
}

function put(path: string, data: string | Buffer | null): void {
  if (data === null) return
  mkdirSync(dirname(join(top, path)), { recursive: true })
  writeFileSync(join(top, path), data)
}

const requestsOf = (part: string) => web.requests.filter(({ line }) => line.includes(part))

/** The bytes in pieces, so that it takes seconds. */
async function slowly(response: ServerResponse, data: Buffer, seconds: number): Promise<void> {
  response.writeHead(200, { 'Content-Length': data.length, ETag: '"slow"' })
  const piece = Math.ceil(data.length / (seconds * 5))
  for (let at = 0; at < data.length; at += piece) {
    response.write(data.subarray(at, at + piece))
    await sleep(200)
  }
  response.end()
}

/** A creation that must fail with this, and must leave nothing. */
async function failsWhole(command: string, says: RegExp): Promise<void> {
  const before = await scene.made('tank')
  await scene.refused(command, says)
  assert.equal(await scene.made('tank'), before, 'nothing is left')
  await scene.daemonLives()
}

async function runs(ctid: string): Promise<void> {
  await scene.osctl(`ct start ${ctid}`)
  assert.match(
    await scene.inside(ctid, 'stat -c %u /bin /bin/busybox; cat /proc/1/attr/current'),
    /^0\n0\nosctl-ct/,
  )
}

before(
  async () => {
    web = await serveDirectory(top, (request, response) => behave(request, response))
    scene = await Scene.boot([6])
    await scene.pool('tank', '/dev/vdb')
    const file = `${BUILT_IN}/vpsadminos/minimal/x86_64/busybox/stable/image-archive.tar`
    behave = (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        busybox = Buffer.concat(chunks)
        response.end()
      })
      return true
    }
    await scene.sh(`curl -sf -T ${file} ${web.url}/busybox`)
    behave = () => false
  },
  { timeout: 5 * MINUTE },
)
after(async () => {
  await scene?.[Symbol.asyncDispose]()
  await web?.[Symbol.asyncDispose]()
  rmSync(top, { recursive: true, force: true })
})

describe('images from a repository over HTTP', { timeout: 6 * MINUTE }, () => {
  it('lists a repository and its images, by version and tag', async () => {
    const url = repository('good', [
      { version: '1', tags: ['stable'] },
      { version: '2', tags: ['testing'], data: Buffer.concat([busybox, Buffer.alloc(512)]), sha256: null },
    ])
    await scene.osctl(`repo add good ${url}`)
    const rows = await scene.osctl('repo ls -H -o name,url,enabled')
    assert.match(rows, new RegExp(`^good\\s+${url}\\s+true$`, 'm'))
    const images = await scene.osctl('repo images ls -H -o distribution,version,tags,cached good')
    assert.match(images, /^busybox\s+1\s+stable\s+(false|-)$/m)
    assert.match(images, /^busybox\s+2\s+testing\s+(false|-)$/m)
    assert.match(await scene.osctl('repo images ls -H -o version --tag testing good'), /^2$/)
    await scene.refused(`repo add good ${url}`, /already exists/)
    await scene.refused('repo add other ftp://10.0.2.2/x', /https?:/)
  })

  it('downloads with progress: a bar, a share and a rate on a terminal', async () => {
    behave = (request, response) => {
      if (request.method !== 'GET' || !request.url?.endsWith('busybox/1/image-archive.tar')) return false
      void slowly(response, busybox, 5)
      return true
    }
    const command = 'osctl ct new --distribution busybox --repository good slow'
    const seen = await scene.sh(
      `stty cols 200 2>/dev/null; script -qec 'stty cols 200; ${command}' /dev/null </dev/null`,
      2 * MINUTE,
    )
    behave = () => false
    assert.match(seen, /\[#+ *\] \d+%/)
    assert.match(seen, /\/s/)
    assert.match(await scene.osctl('repo images ls -H -o cached --version 1 good'), /true/)
    await runs('slow')
  })

  it('makes the second container of an image by clone, without a download', async () => {
    const before = requestsOf('/good/v1/vpsadminos').length
    await scene.osctl('ct new --distribution busybox --repository good second')
    assert.equal(requestsOf('/good/v1/vpsadminos').length, before)
    assert.match(await scene.sh('zfs get -H -o value origin tank/ct/second'), /^tank\/image\/.*@/)
    await runs('second')
    assert.equal(await scene.inside('slow', 'echo mine > /root/x; cat /root/x'), 'mine')
    assert.equal(await scene.inside('second', 'ls /root'), '')
    const maps = (await scene.osctl('ct ls -H -o uid_map slow second')).split('\n')
    assert.equal(new Set(maps).size, 2)
  })

  it('goes on where a connection broke, by Range, and the checksum holds', async () => {
    // Other bytes than those of the image on the pool, which would be cloned: an archive may be padded.
    const image = Buffer.concat([busybox, Buffer.alloc(1024)])
    const modified = new Date().toUTCString()
    let broken = 0
    behave = (request, response) => {
      if (!request.url?.includes('/drops/v1/vpsadminos') || broken++ > 1) return false
      const from = Number(/bytes=(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0)
      response.setHeader('Last-Modified', modified)
      if (from > 0) response.setHeader('Content-Range', `bytes ${from}-${image.length - 1}/${image.length}`)
      response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': image.length - from })
      const third = image.subarray(from, from + Math.floor(image.length / 3))
      response.write(third, () => setTimeout(() => response.destroy(), 300))
      return true
    }
    const listed = { version: '3', tags: ['stable'], sha256: hash(image), data: image }
    await scene.osctl(`repo add drops ${repository('drops', [listed])}`)
    await scene.osctl('ct new --distribution busybox --repository drops resumed')
    behave = () => false
    const statuses = requestsOf('/drops/v1/vpsadminos').map(({ status }) => status)
    assert.deepEqual(statuses, [200, 206, 206])
    assert.ok((await scene.sh('sha256sum /tank/repository/drops/*')).startsWith(hash(image)))
    assert.doesNotMatch(await scene.sh('ls /tank/repository/drops'), /part/)
    assert.match(await scene.osctl('event ls --limit 200'), /EffectRetried/)
    await runs('resumed')
  })

  it('refuses an image that is not what the index says: one line, nothing left', async () => {
    const wrong = 'd'.repeat(64)
    await scene.osctl(
      `repo add wrong ${repository('wrong', [{ version: '1', tags: ['stable'], sha256: wrong }])}`,
    )
    await failsWhole(
      'ct new --distribution busybox --repository wrong bad',
      new RegExp(`sha256 is ${hash(busybox)}, .*says ${wrong}`),
    )
    assert.equal(await scene.sh('ls -A /tank/repository/wrong'), '')
  })

  it('tells what is missing: the image, the index, the server, the repository', async () => {
    await scene.osctl(
      `repo add lost ${repository('lost', [{ version: '1', tags: ['stable'], path: 'not/there.tar', sha256: null }])}`,
    )
    await failsWhole('ct new --distribution busybox --repository lost bad', /not\/there\.tar: HTTP 404/)
    await scene.osctl(`repo add empty ${web.url}/nothing`)
    await failsWhole(
      'ct new --distribution busybox --repository empty bad',
      /image not found.*INDEX\.json: HTTP 404/,
    )
    const gone = await serveDirectory(top)
    await gone[Symbol.asyncDispose]()
    await scene.osctl(`repo add deaf ${gone.url}`)
    await failsWhole(
      'ct new --distribution busybox --repository deaf bad',
      /image not found.*INDEX\.json: .+/,
    )
    put('nonsense/v1/INDEX.json', '<html>')
    await scene.osctl(`repo add nonsense ${web.url}/nonsense`)
    await failsWhole('ct new --distribution busybox --repository nonsense bad', /not JSON/)
    put('shape/v1/INDEX.json', '{"vendors":{},"images":[{"version":3}]}')
    await scene.osctl(`repo add shape ${web.url}/shape`)
    await failsWhole('ct new --distribution busybox --repository shape bad', /not a repository index/)
    const leaving = '../../../etc/passwd'
    repository('leaving', [{ version: '1', tags: ['stable'], path: leaving, sha256: null }])
    await scene.osctl(`repo add leaving ${web.url}/leaving`)
    await failsWhole(
      'ct new --distribution busybox --repository leaving bad',
      /must stay inside the repository/,
    )
    await failsWhole('ct new --distribution busybox --repository none bad', /repository not found/)
    await failsWhole(
      'ct new --distribution gentoo --repository good bad',
      /image not found in searched repositories/,
    )
  })

  it('searches only enabled repositories unless one is named, and forgets a deleted one', async () => {
    await scene.osctl('repo disable good')
    assert.equal((await scene.osctl('repo ls -H -o enabled good')).trim(), '-')
    await failsWhole('ct new --distribution busybox --version 2 bad', /image not found/)
    await scene.osctl('repo enable good')
    await scene.osctl('ct new --distribution busybox --version 2 --vendor vpsadminos two')
    assert.equal(await scene.column('two', 'version'), '2')
    for (const name of ['empty', 'deaf', 'nonsense', 'shape', 'leaving', 'lost', 'wrong', 'drops', 'good'])
      await scene.osctl(`repo del ${name}`)
    assert.equal(await scene.osctl('repo ls -H -o name'), 'default')
    await scene.refused('repo del good', /repository not found/)
    await scene.osctl('ct start two')
    await scene.osctl('ct del -f two')
  })
})

describe("the original's image files", { timeout: 6 * MINUTE }, () => {
  const metadata = (format: string, datasets: string) =>
    `printf 'type: full\\nformat: ${format}\\nuser: null\\ngroup: null\\ncontainer: old\\ndatasets: ${datasets}\\nexported_at: 1700000000\\n'`

  it('imports its tar format', async () => {
    put('image.tar', busybox)
    await scene.sh(`curl -sf -o /tank/image.tar ${web.url}/image.tar`)
    await scene.osctl('ct import --as-id tarred /tank/image.tar')
    await runs('tarred')
  })

  it('imports its zfs format: base and incremental stream, a sub-dataset, snapshots that go away', async () => {
    await scene.sh(
      `set -e
      zfs create tank/made; mkdir /tank/made/private; cp -a /tank/ct/tarred/private/. /tank/made/private/
      zfs create tank/made/var; mkdir /tank/made/var/private; echo below > /tank/made/var/private/file
      zfs snapshot -r tank/made@osctl-base-1
      echo later > /tank/made/private/etc/later
      zfs snapshot -r tank/made@osctl-incr-1
      mkdir -p /tank/x/config /tank/x/rootfs/var; cd /tank/x
      ${metadata('zfs', '[var]')} > metadata.yml
      printf 'distribution: busybox\\nversion: "9"\\narch: x86_64\\n' > config/container.yml
      zfs send tank/made@osctl-base-1 | gzip > rootfs/base.dat.gz
      zfs send -I @osctl-base-1 tank/made@osctl-incr-1 | gzip > rootfs/incremental.dat.gz
      zfs send tank/made/var@osctl-base-1 > rootfs/var/base.dat
      printf -- '- osctl-incr-1\\n- osctl-base-1\\n' > snapshots.yml
      tar -cf /tank/zfs.tar metadata.yml config rootfs snapshots.yml
      zfs destroy -r tank/made`,
      3 * MINUTE,
    )
    await scene.osctl('ct import --as-id received /tank/zfs.tar')
    assert.equal(await scene.column('received', 'version'), '9')
    assert.equal(
      await scene.sh('zfs list -H -o name -r tank/ct/received'),
      'tank/ct/received\ntank/ct/received/var',
    )
    assert.equal(await scene.sh('zfs list -H -t snapshot -o name -r tank/ct/received'), '')
    assert.equal(
      await scene.sh('zfs get -H -o value canmount,mountpoint tank/ct/received'),
      'noauto\n/tank/ct/received',
    )
    await runs('received')
    assert.equal(await scene.inside('received', 'cat /etc/later'), 'later')
  })

  it('takes the id of the image when none is given, and refuses it twice', async () => {
    await scene.osctl('ct import /tank/zfs.tar')
    assert.equal(await scene.column('old', 'state'), 'stopped')
    await failsWhole('ct import /tank/zfs.tar', /container tank:old already exists/)
    await failsWhole('ct import --as-id bad /tank/none.tar', /none\.tar/)
    await failsWhole('ct import --as-id bad /dev/zero', /not a regular file/)
  })

  it('imports nothing of a truncated stream', async () => {
    await scene.sh(`set -e; cd /tank/x; gzip -dc rootfs/base.dat.gz | head -c 300000 | gzip > cut; mv cut rootfs/base.dat.gz
      tar -cf /tank/cut.tar metadata.yml config rootfs snapshots.yml`)
    await failsWhole('ct import --as-id bad /tank/cut.tar', /base\.dat\.gz|zfs recv|receive/)
  })

  it('deletes what it made, and the log is whole', async () => {
    for (const ctid of ['slow', 'second', 'resumed', 'tarred', 'received', 'old'])
      await scene.osctl(`ct del -f ${ctid}`)
    assert.equal(await scene.osctl('ct ls -H'), '')
    assert.equal(await scene.sh('zfs list -H -o name -r tank/ct'), 'tank/ct')
    await scene.osctl('trash-bin prune -y')
    assert.match(await scene.osctl('event verify --full'), /ok/)
    assert.match(await scene.osctl('healthcheck'), /No errors detected/)
    await scene.daemonLives()
  })

  it('and every change that ZFS wrote down is of an effect, of upkeep, or of this test', async () => {
    await scene.attributed()
  })
})
