/** Chance from a 64-bit seed: splitmix64. Equal seeds give equal worlds on every machine. */

const MASK = (1n << 64n) - 1n

export class Random {
  #state: bigint

  constructor(seed: bigint) {
    this.#state = seed & MASK
  }

  bits(): bigint {
    this.#state = (this.#state + 0x9e3779b97f4a7c15n) & MASK
    let z = this.#state
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK
    return z ^ (z >> 31n)
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return Number(this.bits() >> 11n) / 2 ** 53
  }

  /** Uniform in 0 … below - 1. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit)
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  /** A generator of its own, so that drawing more here changes nothing elsewhere. */
  fork(): Random {
    return new Random(this.bits())
  }
}
