/** The command line of a program that runs tests on demand: its head comment is its help, and what is wrong is one line. */
import { readFileSync } from 'node:fs'
import { type ParseArgsConfig, parseArgs } from 'node:util'

/** EX_USAGE of sysexits(3), as osctl. */
const USAGE = 64

type Options = NonNullable<ParseArgsConfig['options']>
type Values<T extends Options> = ReturnType<typeof parseArgs<{ options: T }>>['values']

/** The comment that a file begins with, as it is shown. @pure */
export function headOf(source: string): string {
  const [, comment = ''] = /^\/\*\*\n([\s\S]*?)\n? \*\//.exec(source) ?? []
  return comment.replace(/^ \* ?/gm, '')
}

/**
 * Reads the options of the program in this file. `--help` prints its head comment and ends it; an option that it does not
 * know, or a number that is none, ends it with status 64.
 * @param name  of the program, which its errors begin with
 * @param numbers  options that are whole numbers, 0 or more
 */
export function optionsOf<const T extends Options>(
  file: string,
  name: string,
  options: T,
  numbers: readonly (keyof T & string)[],
): Values<T> {
  const end = (status: number, text: string): never => {
    ;(status === 0 ? process.stdout : process.stderr).write(`${text}\n`)
    process.exit(status)
  }
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } } })
    const given: Record<string, unknown> = values
    if (given['help']) end(0, headOf(readFileSync(file, 'utf8')))
    for (const number of numbers) {
      const value = given[number]
      if (value !== undefined && !/^\d+$/.test(`${value}`))
        end(USAGE, `${name}: --${number} ${value}: a whole number is needed`)
    }
    return values as Values<T>
  } catch (error) {
    const why = error instanceof Error ? (error.message.split(/\. |\n/)[0] ?? '') : `${error}`
    return end(USAGE, `${name}: ${why} (--help lists the options)`)
  }
}
