import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { readPressure, someTotal } from '../../../src/effects/linux/pressure.ts'

const CPU =
  'some avg10=1.23 avg60=0.50 avg300=0.10 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n'

it('reads the total of "some", and nothing of what is no such file', () => {
  assert.equal(someTotal(CPU), 123_456)
  assert.equal(someTotal(''), null)
  assert.equal(someTotal('full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n'), null)
})

it('tells the pressure of a host that keeps account of it, and null of one that does not', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pressure-'))
  try {
    for (const [name, total] of [
      ['cpu', 1],
      ['memory', 2],
      ['io', 3],
    ] as const) {
      assert.equal(await readPressure(directory), null)
      await writeFile(join(directory, name), CPU.replace('123456', `${total}`))
    }
    assert.deepEqual(await readPressure(directory), { cpu: 1, memory: 2, io: 3 })
  } finally {
    await rm(directory, { recursive: true })
  }
})
