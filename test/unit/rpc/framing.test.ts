import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeLine, LineDecoder, parseLine } from '../../../src/rpc/framing.ts'
import { MAX_LINE_BYTES } from '../../../src/rpc/protocol.ts'
import { replyLines } from '../../../src/rpc/reply.ts'

test('messages survive any cut of the bytes into chunks', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 8 }), fc.array(fc.nat(40)), (messages, cuts) => {
      const bytes = Buffer.from(messages.map(encodeLine).join(''))
      const decoder = new LineDecoder()
      const got: unknown[] = []
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        const { lines, tooLong } = decoder.push(bytes.subarray(at, at + cut))
        assert.equal(tooLong, false)
        got.push(...lines.map(parseLine))
        at += cut
      }
      const { lines } = decoder.push(bytes.subarray(at))
      assert.deepEqual([...got, ...lines.map(parseLine)], JSON.parse(JSON.stringify(messages)))
      assert.equal(decoder.rest(), null)
    }),
    { numRuns: 200 },
  )
})

test('the limit counts the bytes of a line, however they come', () => {
  for (const chunk of [1, 7, 100]) {
    const decoder = new LineDecoder(10)
    assert.equal(feed(decoder, `${'x'.repeat(10)}\n${'y'.repeat(10)}\n`, chunk), false)
    assert.equal(feed(decoder, `${'x'.repeat(11)}\n`, chunk), true)
  }
})

function feed(decoder: LineDecoder, text: string, chunk: number): boolean {
  for (let at = 0; at < text.length; at += chunk) {
    if (decoder.push(Buffer.from(text.slice(at, at + chunk))).tooLong) return true
  }
  return false
}

test('a line that is not UTF-8 is no message', () => {
  assert.equal(parseLine(Buffer.from([0x22, 0xff, 0x22])), undefined)
})

test('a long reply is cut into parts that together are the reply', () => {
  const rows = fc.array(fc.string({ minLength: 200_000, maxLength: 210_000 }), {
    minLength: 8,
    maxLength: 12,
  })
  fc.assert(
    fc.property(rows, (list) => {
      const lines = replyLines('id', list)
      assert.ok(lines.length > 1)
      const got = lines.flatMap((line) => {
        assert.ok(Buffer.byteLength(line) <= MAX_LINE_BYTES)
        const message = JSON.parse(line) as { result?: unknown[]; params?: { rows: unknown[] } }
        return message.result ?? message.params?.rows ?? []
      })
      assert.deepEqual(got, list)
    }),
    { numRuns: 5 },
  )
})
