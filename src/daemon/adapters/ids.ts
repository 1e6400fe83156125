/**
 * ULIDs that rise within one process, also within one millisecond and when the clock goes back: 48 bits of
 * time and 80 of chance, the chance counted up where the time did not move. Source: ULID specification,
 * "monotonicity".
 */
import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const TIME_CHARS = 10
const RANDOM_BITS = 80n

function encode(value: bigint, chars: number): string {
  let text = ''
  for (let rest = value, i = 0; i < chars; i++, rest >>= 5n) text = ALPHABET.charAt(Number(rest & 31n)) + text
  return text
}

export function ulids(
  now: () => number = Date.now,
  random: () => bigint = () => BigInt(`0x${randomBytes(10).toString('hex')}`),
): { ulid(): string } {
  let last = 0
  let chance = 0n
  return {
    ulid: () => {
      const time = now()
      if (time > last) {
        last = time
        // The top bit stays free, so that counting up never overflows within a millisecond.
        chance = random() >> 1n
      } else {
        chance = (chance + 1n) & ((1n << RANDOM_BITS) - 1n)
      }
      return encode(BigInt(last), TIME_CHARS) + encode(chance, 16)
    },
  }
}
