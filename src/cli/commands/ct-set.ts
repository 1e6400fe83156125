/** `osctl ct set …` and `ct unset …`. */
import type { MethodInput } from '../../rpc/methods.ts'
import { arg, type Invocation, target } from '../invocation.ts'
import type { CommandSpec, GroupSpec } from '../spec.ts'
import { attributeCommands } from './attributes.ts'
import { CT } from './ct-arguments.ts'

const PRIORITY = 1000
const DELAY_S = 5

type Settings = MethodInput<'ct.set'>['set']

async function apply(invocation: Invocation, set: Settings): Promise<void> {
  await invocation.link.apply('ct.set', { id: target(invocation), set })
}

const autostart: CommandSpec = {
  name: 'autostart',
  summary: 'Start a container when its pool is imported',
  args: [CT],
  options: [
    {
      long: 'priority',
      short: 'p',
      value: 'n',
      kind: 'integer',
      max: 1_000_000,
      default: '1000',
      help: 'Lower starts earlier',
    },
    {
      long: 'delay',
      short: 'd',
      value: 'seconds',
      kind: 'integer',
      max: 86_400,
      default: '5',
      help: 'Pause before the next one, when the host is busy',
    },
  ],
  examples: [{ command: 'osctl ct set autostart -p 10 101', what: 'Among the first' }],
  run: async (invocation) => {
    const { options } = invocation
    const priority = options.integer('priority') ?? PRIORITY
    await apply(invocation, { autostart: { priority, delay: options.integer('delay') ?? DELAY_S } })
  },
}

const hostname: CommandSpec = {
  name: 'hostname',
  summary: "Set a container's host name",
  description: ['It takes effect at its next start.'],
  args: [CT, { name: 'hostname' }],
  run: async (invocation) => await apply(invocation, { hostname: arg(invocation, 1) }),
}

const unsetAutostart: CommandSpec = {
  name: 'autostart',
  summary: 'Do not start a container by itself',
  args: [CT],
  run: async (invocation) => await apply(invocation, { autostart: null }),
}

const unsetHostname: CommandSpec = {
  name: 'hostname',
  summary: "Leave a container's host name to itself",
  args: [CT],
  run: async (invocation) => await apply(invocation, { hostname: null }),
}

const attributes = attributeCommands(CT, async (invocation, attrs) => await apply(invocation, { attrs }))

export const set: GroupSpec = {
  name: 'set',
  summary: 'Set a property of a container',
  commands: [autostart, hostname, attributes.set],
}

export const unset: GroupSpec = {
  name: 'unset',
  summary: 'Take back a property of a container',
  commands: [unsetAutostart, unsetHostname, attributes.unset],
}
