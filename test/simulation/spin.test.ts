/** A life that never ends is named: by the world while its time stands still, by the process that watches it else. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { scene } from './scenes.ts'
import { launched, watched } from './watch.ts'

const SPINNING = join(import.meta.dirname, 'spinning.ts')
/** Its lives take no time at all: this is for the start of a process on a busy machine. */
const SILENCE_MS = 4000

async function lived(how: string): Promise<{ lives: string[]; spins: string[] }> {
  const lives: string[] = []
  const spins: string[] = []
  await watched(
    (first, count) => launched([SPINNING, `${first}`, `${count}`, how]),
    1n,
    6,
    ({ seed, isWrong }, isSpinning) => {
      lives.push(`${seed}${isWrong ? ' wrong' : ''}`)
      if (isSpinning) spins.push(seed)
    },
    SILENCE_MS,
  )
  return { lives, spins }
}

const ALL = ['1', '2', '3 wrong', '4', '5 wrong', '6']

describe('A life that spins', () => {
  it('in microtasks is killed and named, and the others are lived', async () => {
    assert.deepEqual(await lived('lives'), { lives: ALL, spins: ['3'] })
  })

  it('while it is shrunk is killed, counted once as wrong, and the others are lived', async () => {
    assert.deepEqual(await lived('is shrunk'), { lives: ALL, spins: [] })
  })

  it('is told from a process that died, which nothing can be concluded from', async () => {
    await assert.rejects(lived('dies'), /a job ended in the middle, at seed 4/)
  })

  it('in virtual time that stands still is found by the world itself', async () => {
    const world = await scene()
    const life = { isDead: false }
    const spin = async (): Promise<never> => {
      for (;;) await world.time.turn(life)
    }
    void spin()
    await assert.rejects(world.pass(1000), /it spins: \d+ turns at one moment/)
  })
})
