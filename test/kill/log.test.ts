/**
 * The real log on a real disk under `kill -9`, at random moments: while it opens, commits, checkpoints,
 * seals. After each kill: what was acknowledged is there, once; positions have no gap; the chain holds.
 *
 * A kill leaves the page cache alone, so this proves the order of steps and the recovery, not the syncs:
 * those take a power cut (test/vm). KILLS sets how many (50); SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { SqliteLog } from '../../src/events/log/sqlite/log.ts'
import type { StoredEvent } from '../../src/events/types/envelope.ts'

const KILLS = Number(process.env['KILLS'] ?? 50)
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const writer = join(import.meta.dirname, 'log-writer.ts')

let state = SEED
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}

type Life = { acks: Map<number, string>; hasOpened: boolean; said: string }

/** Runs a writer and kills it some time after it started, or after it opened. */
async function liveAndDie(dir: string, life: number): Promise<Life> {
  const kind = life % 2 === 0 ? 'process' : 'worker'
  const child = spawn(process.execPath, [writer, dir, String(life), kind], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  const kill = (ms: number): void => void setTimeout(() => child.kill('SIGKILL'), ms)
  if (random() < 0.15) kill(30 + random() * 150)
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    if (!said.includes('open\n') && (said + text).includes('open\n')) kill(random() * 120)
    said += text
  })
  await new Promise((resolve) => child.on('close', resolve))
  const acks = new Map<number, string>()
  for (const [, seq, id] of said.matchAll(/^ack (\d+) (\S+)\n/gm)) acks.set(Number(seq), id ?? '')
  return { acks, hasOpened: said.includes('open\n'), said }
}

async function recovered(dir: string): Promise<StoredEvent[]> {
  const log = new SqliteLog({ dir, stamp: () => ({ id: '01JCHECK', t: 1, m: 1 }) })
  const opened = await log.open()
  assert.equal(opened.readOnly, null)
  assert.deepEqual(opened.damage, [])
  const report = await log.verify({ full: true })
  assert.deepEqual(report.damage, [])
  assert.equal(report.checked, opened.head.seq)
  const events: StoredEvent[] = []
  for (let from: number | null = 1; from !== null; ) {
    const slice = await log.read({ from, limit: 10_000 })
    events.push(...slice.events)
    from = slice.next
  }
  await log.close()
  return events
}

describe('the log under kill -9', () => {
  it(`keeps what it acknowledged over ${KILLS} kills (SEED=${SEED})`, { timeout: 15 * 60_000 }, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'osctl-log-kill-'))
    const acked = new Map<number, string>()
    let opens = 0
    try {
      for (let life = 1; life <= KILLS; life++) {
        const { acks, hasOpened, said } = await liveAndDie(dir, life)
        assert.ok(!said.includes('damage'), said)
        opens += hasOpened ? 1 : 0
        for (const [seq, id] of acks) acked.set(seq, id)
        const events = await recovered(dir)
        assert.deepEqual(
          events.map((it) => it.seq),
          events.map((_, i) => i + 1),
        )
        assert.equal(new Set(events.map((it) => it.id)).size, events.length)
        for (const [seq, id] of acked)
          assert.equal(events[seq - 1]?.id, id, `life ${life}: ${seq} was acknowledged`)
      }
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
    assert.ok(opens >= KILLS / 2, `${opens} of ${KILLS} writers got to appending`)
    t.diagnostic(`${KILLS} kills, ${acked.size} acknowledged events, none lost`)
  })
})
