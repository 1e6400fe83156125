/**
 * Words into options and operands, by commander: apart from `parse.ts` so that it is loaded only when an
 * option was typed.
 */
import { Command, CommanderError, Option } from 'commander'
import { suggest } from './resolve.ts'
import type { OptionSpec } from './spec.ts'
import { UsageError } from './usage-error.ts'

export type Words = { operands: string[]; values: Map<string, unknown> }

/**
 * Takes `-x`, `-xyz`, `-x value`, `-xvalue`, `--long`, `--no-long`, `--long value`, `--long=value`; `--` ends options.
 *
 * @param passThrough  options end at the first word that is none
 */
export function takeOptions(
  specs: readonly OptionSpec[],
  words: readonly string[],
  passThrough: boolean,
): Words {
  const values = new Map<string, unknown>()
  const command = new Command()
    .helpOption(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  if (passThrough) command.passThroughOptions()
  for (const spec of specs) declare(command, spec, values)
  const { operands, unknown } = taken(command, specs, words)
  if (unknown[0] !== undefined) throw unknownOption(unknown[0], specs)
  return { operands, values }
}

function declare(command: Command, spec: OptionSpec, values: Map<string, unknown>): void {
  const { long, short, value, negatable } = spec
  const names = [...(short === undefined ? [] : [`-${short}`]), `--${long}`].join(', ')
  command.addOption(new Option(value === undefined ? names : `${names} <${value}>`))
  command.on(`option:${long}`, (text: string | null) => {
    values.set(long, value === undefined ? true : valueOf(spec, text ?? '', values.get(long)))
  })
  if (!negatable) return
  command.addOption(new Option(`--no-${long}`))
  command.on(`option:no-${long}`, () => values.set(long, false))
}

function taken(
  command: Command,
  specs: readonly OptionSpec[],
  words: readonly string[],
): { operands: string[]; unknown: string[] } {
  try {
    return command.parseOptions([...words])
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const named = /--([a-z0-9-]+)/.exec(error.message)?.[1]
    const spec = specs.find(({ long }) => long === named)
    throw new UsageError(`missing value of option --${named} <${spec?.value}>`)
  }
}

function unknownOption(word: string, specs: readonly OptionSpec[]): UsageError {
  const [name = word] = word.split('=')
  if (name !== word && specs.some(({ long, value }) => value === undefined && name === `--${long}`)) {
    return new UsageError(`option ${name} takes no value`)
  }
  const known = specs.flatMap(({ long, negatable }) =>
    negatable ? [`--${long}`, `--no-${long}`] : [`--${long}`],
  )
  const near = name.startsWith('--') ? suggest(name, known) : null
  return new UsageError(`unknown option '${name}'${near === null ? '' : ` (did you mean ${near}?)`}`)
}

function valueOf(spec: OptionSpec, text: string, before: unknown): string | number | string[] {
  switch (spec.kind) {
    case 'integer':
      return spec.choices?.includes(text) ? text : integerOf(spec, text)
    case 'list':
      return [
        ...(Array.isArray(before) ? before.map(String) : []),
        ...text.split(',').filter((part) => part !== ''),
      ]
    default:
      if (spec.choices !== undefined && !spec.choices.includes(text))
        throw illegal(spec, text, spec.choices.join(', '))
      return text
  }
}

function integerOf(spec: OptionSpec, text: string): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = spec
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  const range =
    max === Number.MAX_SAFE_INTEGER ? `an integer from ${min}` : `an integer from ${min} to ${max}`
  throw illegal(spec, text, [range, ...(spec.choices ?? [])].join(', or '))
}

function illegal(spec: OptionSpec, text: string, legal: string): UsageError {
  return new UsageError(`invalid value for --${spec.long}: '${text}' (legal: ${legal})`)
}
