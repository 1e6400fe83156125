/** Values of options as parsed, by long name. A wrong type is a defect of the table, not of the user. */
export class Options {
  readonly #values: ReadonlyMap<string, unknown>

  constructor(values: ReadonlyMap<string, unknown>) {
    this.#values = values
  }

  has(long: string): boolean {
    return this.#values.has(long)
  }

  flag(long: string, otherwise = false): boolean {
    const value = this.#values.get(long)
    return typeof value === 'boolean' ? value : otherwise
  }

  text(long: string): string | undefined {
    const value = this.#values.get(long)
    return typeof value === 'string' ? value : undefined
  }

  integer(long: string): number | undefined {
    const value = this.#values.get(long)
    return typeof value === 'number' ? value : undefined
  }

  list(long: string): string[] | undefined {
    const value = this.#values.get(long)
    return Array.isArray(value) ? value.map(String) : undefined
  }

  /** These, and those of `others` that are not among them. */
  withDefaults(others: Options): Options {
    return new Options(new Map([...others.#values, ...this.#values]))
  }
}
