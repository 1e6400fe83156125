/**
 * Words for what is not known yet, and well-formed values in their place: the code that runs effects checks what it is
 * given, so `<guid of step 1>` goes to it as a guid, and comes back out of its command lines as words.
 */

const PLACEHOLDER = /<[^<>]+>/g
/** A ULID of the year 10889. */
const ULID = '7ZZZZZZZZZZZZZZZZZZZZZ'
const ULID_TAIL = 4
const GUID = 8_000_000_000_000_000_000n
const SHA256_CHARS = 64
const TELLING = 1_000_000

export class StandIns {
  readonly #valueOf = new Map<string, string>()
  readonly #wordOf = new Map<string, string>()

  /** This value is what the word stands for. */
  bind(word: string, value: string): void {
    if (this.#valueOf.has(word)) return
    this.#valueOf.set(word, value)
    this.#wordOf.set(value, word)
  }

  /** Binds the words of an expected outcome to what the rehearsed effect gave. */
  bindAll(expected: unknown, given: unknown): void {
    if (typeof expected !== 'object' || expected === null || typeof given !== 'object' || given === null)
      return
    for (const [name, word] of Object.entries(expected)) {
      const value: unknown = Reflect.get(given, name)
      if (typeof word !== 'string' || !word.startsWith('<')) continue
      // A small number stands in too many places to be told from others.
      if (typeof value === 'string' || (typeof value === 'number' && value >= TELLING))
        this.bind(word, String(value))
    }
  }

  /** The same with a value for each word. */
  concrete<T>(value: T): T {
    const text = JSON.stringify(value)
    return JSON.parse(text.replace(PLACEHOLDER, (word) => this.#standIn(word))) as T
  }

  /** The same with the words again. */
  readable<T>(value: T): T {
    let text = JSON.stringify(value)
    for (const [stand, word] of this.#wordOf) text = text.replaceAll(stand, word)
    return JSON.parse(text) as T
  }

  #standIn(word: string): string {
    const known = this.#valueOf.get(word)
    if (known !== undefined) return known
    const n = this.#valueOf.size + 1
    const value = word.startsWith('<guid')
      ? String(GUID + BigInt(n))
      : word.startsWith('<sha256')
        ? String(n).padStart(SHA256_CHARS, 'e')
        : `${ULID}${String(n).padStart(ULID_TAIL, '0')}`
    this.bind(word, value)
    return value
  }
}
