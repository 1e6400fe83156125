/**
 * One flipped bit, over every byte of a file: so many of them as are asked for, spread evenly, each byte's turn of
 * its eight bits. OSCTL_DAMAGE=all flips one bit of every byte, OSCTL_DAMAGE=<n> n of each file.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Bench, changed, fault, type Kind, original } from './small-log.ts'

/** How many of a file's bytes are flipped. */
function samples(size: number, usual: number): number {
  const asked = process.env['OSCTL_DAMAGE']
  return asked === 'all' ? size : Math.min(size, asked === undefined ? usual : Number(asked))
}

export function flips(kind: Kind, file: string, usual: number): void {
  it(`a flipped bit in ${file} of a log that is ${kind} is harmless or named`, async (t) => {
    const whole = await original(kind)
    using bench = new Bench(whole)
    const anchor = whole.heads.at(-1)
    const size = whole.files[file]?.length ?? 0
    assert.ok(anchor && size > 0)
    const count = samples(size, usual)
    const tally = { harmless: 0, named: 0 }
    for (let i = 0; i < count; i++) {
      const at = Math.floor((i * size) / count)
      const bit = 1 << ((at + (at >> 3)) & 7)
      const files = changed(whole.files, file, (bytes) => {
        bytes[at] = (bytes[at] ?? 0) ^ bit
        return bytes
      })
      const verdict = await bench.judge(files, anchor)
      assert.equal(fault(verdict, anchor), null, `${file} byte ${at}, bit ${bit}`)
      if (verdict.complaints.length > 0) tally.named += 1
      else tally.harmless += 1
    }
    t.diagnostic(`${count} of ${size} bytes: ${tally.named} named, ${tally.harmless} read as they were`)
    assert.ok(tally.named > count / 20, 'hardly anything was found: is anything looked at?')
  })
}
