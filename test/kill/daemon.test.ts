/**
 * The whole daemon under `kill -9`, a few times. A thousand, with a report: `npm run kills`.
 *
 * KILLS sets how many (12); SEED repeats the choice of moments and commands.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Random } from '../simulation/random.ts'
import { DaemonLives } from './daemon-life.ts'

const KILLS = Number(process.env['KILLS'] ?? 12)
const SEED = BigInt(process.env['SEED'] ?? Date.now())

describe('the daemon under kill -9', () => {
  it(`keeps what it acknowledged over ${KILLS} kills (SEED=${SEED})`, { timeout: 60 * 60_000 }, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'osctl-daemon-kill-'))
    const lives = new DaemonLives(directory, new Random(SEED))
    try {
      const { acknowledged, kills } = await lives.run(KILLS)
      assert.ok(acknowledged >= kills, `${acknowledged} commands were acknowledged in ${kills} lives`)
      t.diagnostic(`${kills} kills, ${acknowledged} acknowledged commands, none lost or halved`)
    } finally {
      await lives.end()
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
