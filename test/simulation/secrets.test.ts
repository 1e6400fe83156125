/**
 * No secret enters (DESIGN D13): one is planted in every input that carries or might carry one, through the real
 * osctl and over the raw socket, and looked for in every byte that the real daemon wrote: logs and their WALs,
 * caches, the host's own log, what it told its operator, completion, derived files. Only the machine is simulated.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fromJSON, toJSON } from '../../src/effects/simulated/machine.ts'
import { createSandbox } from '../../src/effects/simulated/sandbox.ts'
import { archiveSchema } from '../../src/effects/simulated/state.ts'
import { SqliteLog } from '../../src/events/log/sqlite/log.ts'

const TOP = join(import.meta.dirname, '..', '..')
const SECRET = 'c4n4ry-9f2e'
/** What is recorded on purpose: if this is not found, neither would the secret be. */
const MARK = 'm4rk3r-77aa'
const WEB = 'http://images.example.org'

/** A machine whose repositories and archives try to bring a secret in. */
function machine(): string {
  const sandbox = createSandbox({ now: () => Date.now() })
  const image = {
    vendor: 'v',
    variant: 'x',
    arch: 'x86_64',
    distribution: 'signed',
    version: '1',
    tags: ['stable'],
  }
  const archive = archiveSchema.parse({
    format: 'tar',
    bytes: 1000,
    distribution: 'plain',
    version: '1',
    arch: 'x86_64',
    rootfs: { 'sbin/init': 'ELF', 'etc/shadow': `root:${SECRET}` },
  })
  const index = (path: string, more: object) => ({
    vendors: { default: 'v', v: 'x' },
    password: SECRET,
    images: [{ ...image, ...more, image: { tar: path }, token: SECRET }],
  })
  sandbox.addImageRepository(WEB, index('plain.tar', { distribution: 'plain' }), { 'plain.tar': archive })
  sandbox.addImageRepository(`${WEB}/signed`, index(`plain.tar?sig=${SECRET}`, {}), {})
  sandbox.putFile('/root/ct.tar', { ...archive, distribution: 'imported' })
  return toJSON(sandbox)
}

/** Where it was planted on the machine, and where files of an archive come to lie. */
const PLANTED = /^ web |^ files \/root\/ct\.tar|etc\/shadow$|repository files \S+\.tar$/

class Host {
  readonly dir = mkdtempSync(join(tmpdir(), 'osctl-secrets-'))
  readonly socket = join(this.dir, 's')
  told = ''
  #daemon: ChildProcess | null = null

  async start(): Promise<void> {
    writeFileSync(join(this.dir, 'machine.json'), machine())
    const argv = ['--host', 'simulated', '--state', this.dir, '--socket', this.socket, '--log-level', 'debug']
    const child = spawn(process.execPath, [join(TOP, 'bin', 'osctld.ts'), ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PASSWORD: SECRET },
    })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.told += chunk.toString('latin1')
      })
    this.#daemon = child
    while (!existsSync(this.socket)) await sleep(20)
  }

  /** osctl as an admin runs it; what it says goes to the admin and nowhere else. */
  osctl(...argv: string[]): number {
    const env = { ...process.env, OSCTL_SOCKET: this.socket, DB_PASSWORD: SECRET, SUDO_USER: MARK }
    const { status } = spawnSync(process.execPath, [join(TOP, 'bin', 'osctl.ts'), ...argv], {
      env,
      input: SECRET,
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: 20_000,
    })
    return status ?? -1
  }

  /** Lines that no client of ours would send. */
  async raw(...lines: string[]): Promise<void> {
    const socket = connect(this.socket)
    socket.resume()
    socket.end(lines.map((line) => `${line}\n`).join(''))
    await once(socket, 'close')
  }

  /** As a power cut would leave it: the WAL is not folded into the file. */
  async kill(): Promise<void> {
    const daemon = this.#daemon
    this.#daemon = null
    if (!daemon) return
    const exited = once(daemon, 'exit')
    daemon.kill('SIGKILL')
    await exited
  }

  /** Every file that the daemon wrote. The machine's own memory holds what was planted on it. */
  files(): string[] {
    const walk = (dir: string): string[] =>
      readdirSync(dir).flatMap((name) => {
        const path = join(dir, name)
        const stats = statSync(path)
        return stats.isDirectory() ? walk(path) : stats.isFile() && name !== 'machine.json' ? [path] : []
      })
    return walk(this.dir)
  }
}

/** Bodies of all events: a text may lie across two pages of the file. */
async function bodies(dir: string): Promise<string> {
  const log = new SqliteLog({ dir, stamp: () => ({ id: '', t: 0, m: 0 }), create: false })
  await log.open()
  let text = ''
  for (let from: number | null = 1; from !== null; ) {
    const slice = await log.read({ from, limit: 1000 })
    text += JSON.stringify(slice.events)
    from = slice.next
  }
  await log.close()
  return text
}

/** Paths on the simulated machine whose content holds the secret. */
function infected(value: unknown, path = ''): string[] {
  if (typeof value === 'string') return value.includes(SECRET) ? [path] : []
  if (typeof value !== 'object' || value === null) return path.includes(SECRET) ? [path] : []
  return Object.entries(value).flatMap(([name, part]) => infected(part, `${path} ${name}`))
}

const call = (method: string, params: object): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })

describe('A secret', () => {
  it('is in no byte that osctld writes, wherever it was put', async () => {
    const host = new Host()
    try {
      await host.start()
      assert.equal(host.osctl('pool', 'install', 'tank'), 0)
      // Addresses with user and password, or a token.
      assert.notEqual(host.osctl('repo', 'add', 'a', `https://user:${SECRET}@images.example.org`), 0)
      assert.notEqual(host.osctl('repo', 'add', 'b', `https://images.example.org/?token=${SECRET}`), 0)
      assert.notEqual(host.osctl('repo', 'add', 'c', `ftp://user:${SECRET}@images.example.org`), 0)
      assert.notEqual(host.osctl('ct', 'import', `https://user:${SECRET}@images.example.org/ct.tar`), 0)
      assert.notEqual(host.osctl('ct', 'start', `https://user:${SECRET}@images.example.org`), 0)
      // A witness: in its address, and in the file that holds its token.
      assert.notEqual(host.osctl('witness', 'add', 'w', `https://u:${SECRET}@notary.example.org/`), 0)
      assert.notEqual(host.osctl('witness', 'add', 'w', `https://notary.example.org/?t=${SECRET}`), 0)
      writeFileSync(join(host.dir, 'machine.token'), SECRET)
      const token = ['--token-file', join(host.dir, 'machine.token')]
      assert.equal(host.osctl('witness', 'add', 'w', 'https://notary.example.org/', ...token), 0)
      assert.equal(host.osctl('witness', 'test', 'w'), 0)
      rmSync(join(host.dir, 'machine.token'))
      // What an index and an archive say.
      assert.equal(host.osctl('repo', 'add', 'web', WEB), 0)
      assert.equal(host.osctl('repo', 'add', 'signed', `${WEB}/signed`), 0)
      assert.equal(host.osctl('ct', 'new', '--repository', 'web', '--distribution', 'plain', 'web'), 0)
      assert.notEqual(host.osctl('ct', 'new', '--repository', 'signed', '--distribution', 'signed', 'no'), 0)
      assert.equal(host.osctl('ct', 'import', '--as-id', 'copy', '/root/ct.tar'), 0)
      // Arguments, input and environment of what runs inside.
      assert.equal(host.osctl('--reason', MARK, 'ct', 'start', 'web'), 0)
      host.osctl('ct', 'exec', 'web', 'mysql', `-p${SECRET}`)
      host.osctl('ct', 'exec', 'web', `mysql -p${SECRET}`)
      host.osctl('ct', 'exec', 'web', `MYSQL_PWD=${SECRET}`, 'mysql')
      host.osctl('ct', 'exec', 'web', 'sh', '-c', `echo ${SECRET}`)
      // Values that are refused, and clients that lie.
      assert.notEqual(host.osctl('ct', 'set', 'hostname', 'web', `${SECRET}!`), 0)
      assert.notEqual(host.osctl('ct', 'set', 'attr', 'web', SECRET, SECRET), 0)
      assert.notEqual(host.osctl('ct', 'start', 'web', `--password=${SECRET}`), 0)
      const cli = `osctl ct stop https://u:${SECRET}@h/`
      await host.raw(
        SECRET,
        `{"password":"${SECRET}"`,
        call('ct.start', { id: 'web', password: SECRET }),
        call(SECRET, {}),
        call('ct.freeze', {
          id: 'web',
          meta: { cli, reason: `see https://u:${SECRET}@h/`, key: 'a-key-of-mine' },
        }),
        call('ct.exec', { id: 'web', program: `env TOKEN=${SECRET} sh` }),
        call('repo.add', { name: 'd', url: `https://u:${SECRET}@h/` }),
      )
      await sleep(200)
      await host.kill()
      await check(host)
    } finally {
      await host.kill()
      rmSync(host.dir, { recursive: true, force: true })
    }
  })
})

async function check(host: Host): Promise<void> {
  const written = host.files()
  const names = written.map((path) => path.slice(host.dir.length + 1))
  for (const name of ['tank/events/log.db', 'tank/events/log.db-wal', 'host-events/log.db'])
    assert.ok(names.includes(name), names.join(' '))
  const found = written.filter((path) => readFileSync(path).includes(SECRET))
  // The search finds what is there.
  assert.ok(written.some((path) => readFileSync(path).includes(MARK)))
  assert.deepEqual(found, [])
  assert.ok(!host.told.includes(SECRET), host.told)
  const { state } = fromJSON(readFileSync(join(host.dir, 'machine.json'), 'utf8'), { now: () => 0 })
  const strange = infected(state).filter((path) => !PLANTED.test(path))
  assert.deepEqual(strange, [])
  const log = await bodies(join(host.dir, 'tank', 'events'))
  assert.ok(!log.includes(SECRET))
  assert.ok(!(await bodies(join(host.dir, 'host-events'))).includes(SECRET))
  assert.ok(log.includes(MARK) && log.includes('"program":"mysql"') && log.includes('"program":"env"'))
  assert.ok(host.told.includes('host log'))
}
