/** What the `set` and `unset` of several nouns share: user attributes, and arguments that are numbers. */
import { arg, type Invocation } from '../invocation.ts'
import type { ArgumentSpec, CommandSpec } from '../spec.ts'
import { UsageError } from '../usage-error.ts'

const ATTRIBUTE = /^[^:\s]+:\S+$/

type Apply = (invocation: Invocation, attrs: Record<string, string | null>) => Promise<void>

/** `set attr <entity> <vendor:key> <value>` and `unset attr <entity> <vendor:key>`. */
export function attributeCommands(
  entity: ArgumentSpec,
  apply: Apply,
): { set: CommandSpec; unset: CommandSpec } {
  const key: ArgumentSpec = { name: 'vendor:key' }
  return {
    set: {
      name: 'attr',
      aliases: ['attribute'],
      summary: 'Set a user attribute',
      description: ['Attributes are free text that osctl keeps and shows, and means nothing by.'],
      args: [entity, key, { name: 'value' }],
      run: async (invocation) => await apply(invocation, { [attributeName(invocation)]: arg(invocation, 2) }),
    },
    unset: {
      name: 'attr',
      aliases: ['attribute'],
      summary: 'Remove a user attribute',
      args: [entity, key],
      run: async (invocation) => await apply(invocation, { [attributeName(invocation)]: null }),
    },
  }
}

function attributeName(invocation: Invocation): string {
  const name = arg(invocation, 1)
  if (!ATTRIBUTE.test(name))
    throw new UsageError(`invalid attribute '${name}': an attribute is named vendor:key`)
  return name
}

/** The n-th argument as a number. */
export function integerArgument(
  invocation: Invocation,
  n: number,
  name: string,
  min: number,
  max: number,
): number {
  const text = arg(invocation, n)
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`invalid <${name}>: '${text}' (legal: an integer from ${min} to ${max})`)
}
