/** The log behind a thread: pending commits seen, a dead thread survived, one bundle for both threads. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { build } from 'esbuild'
import { WorkerLog } from '../../../../src/events/log/client.ts'
import { codeOf, ct, event, readAll, scratchDir, stamp } from './helpers.ts'

const cleanups: (() => void)[] = []
after(() => {
  for (const clean of cleanups) clean()
})

function dirOf(): string {
  const { dir, remove } = scratchDir()
  cleanups.push(remove)
  return dir
}

const repository = join(import.meta.dirname, '../../../..')
const slow = new URL('./slow-worker.ts', import.meta.url)

describe('the log behind a worker', () => {
  it('an overdue commit makes the pool suspended until it came through', async () => {
    const told: boolean[] = []
    const log = new WorkerLog({
      dir: '/nowhere',
      stamp,
      entry: slow,
      suspendedAfterMs: 50,
      onSuspended: (isSuspended) => told.push(isSuspended),
    })
    await log.open()
    assert.equal(log.pendingSince(), null)
    const appended = log.append({ events: [event('pool')], expected: {} })
    assert.equal(typeof log.pendingSince(), 'number')
    assert.deepEqual(told, [])
    await appended
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(told, [true, false])
    assert.equal(log.pendingSince(), null)
    await log.close()
  })

  it('a thread that dies leaves appends unknown and all else closed', async () => {
    const log = new WorkerLog({ dir: '/nowhere', stamp, entry: slow })
    await log.open()
    const codes = [
      codeOf(log.append({ events: [event('pool')], expected: {} })),
      codeOf(log.append({ events: [], expected: {} })),
    ]
    assert.deepEqual(await Promise.all(codes), ['E_LOG_UNKNOWN', 'E_LOG_UNKNOWN'])
    assert.equal(await codeOf(log.read({ from: 1, limit: 1 })), 'E_LOG_CLOSED')
    await log.close()
  })

  it('hundreds of appends and reads at once come back to who asked', async () => {
    const log = new WorkerLog({ dir: dirOf(), stamp })
    await log.open()
    const events = Array.from({ length: 300 }, (_, i) => event(ct(i % 7)))
    const acks = await Promise.all(
      events.map(async (one) => {
        const { first } = await log.append({ events: [one], expected: {} })
        const [found, read] = await Promise.all([log.byId(one.id), log.read({ from: first, limit: 1 })])
        assert.equal(found?.seq, first)
        assert.equal(read.events[0]?.id, one.id)
        return first
      }),
    )
    assert.deepEqual(
      acks,
      acks.map((_, i) => i + 2),
    )
    assert.equal(log.head().seq, 301)
    assert.equal(log.segmentEvents(), 301)
    assert.equal((await readAll(log)).length, 301)
    await log.close()
  })

  it('a single-file bundle serves as its own worker, as CommonJS and as a module', async () => {
    for (const format of ['cjs', 'esm'] as const) {
      const dir = dirOf()
      const source = join(dir, 'main.ts')
      const bundle = join(dir, format === 'cjs' ? 'main.cjs' : 'main.mjs')
      writeFileSync(source, bundledMain(format))
      await build({
        entryPoints: [source],
        outfile: bundle,
        bundle: true,
        platform: 'node',
        format,
        logLevel: 'error',
        logOverride: { 'empty-import-meta': 'silent' },
        nodePaths: [join(repository, 'node_modules')],
        banner: format === 'esm' ? { js: esmBanner } : {},
      })
      const native = join(repository, `node_modules/better-sqlite3/prebuilds/linux-${process.arch}.node`)
      const out = execFileSync(process.execPath, [bundle, join(dir, 'log'), native], { encoding: 'utf8' })
      assert.equal(out.trim(), 'head 2')
      assert.ok(existsSync(join(dir, 'log', 'log.db')))
    }
  })
})

const esmBanner = `import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);
const __filename = import.meta.filename, __dirname = import.meta.dirname;`

function bundledMain(format: 'cjs' | 'esm'): string {
  const self = format === 'cjs' ? '__filename' : 'new URL(import.meta.url)'
  return `
    import { mkdirSync } from 'node:fs'
    import { startLogWorkerIfAsked } from '${repository}/src/events/log/worker.ts'
    import { WorkerLog } from '${repository}/src/events/log/client.ts'
    if (!startLogWorkerIfAsked()) main()
    async function main() {
      const [dir, nativeBinding] = process.argv.slice(2)
      mkdirSync(dir)
      const stamp = () => ({ id: 'A', t: 1, m: 1 })
      const log = new WorkerLog({ dir, stamp, nativeBinding, entry: ${self} })
      await log.open()
      await log.append({ events: [{ stream: 'pool', id: 'B', type: 'PoolClosed', v: 1, t: 1, m: 1, data: {} }], expected: {} })
      console.log('head', log.head().seq)
      await log.close()
    }`
}
