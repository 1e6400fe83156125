/** `osctl ct start`, `stop`, `restart`, `freeze`, `unfreeze`. */
import { type Invocation, target } from '../invocation.ts'
import type { CommandSpec, OptionSpec } from '../spec.ts'
import {
  ATTACH,
  CT,
  FOREGROUND,
  STOP_OPTIONS,
  stopParams,
  USER_SHELL,
  WAIT,
  waitSeconds,
} from './ct-arguments.ts'
import { attachShell } from './ct-session.ts'

const QUEUE_OPTIONS: readonly OptionSpec[] = [
  {
    long: 'queue',
    short: 'q',
    help: 'Start it in the queue of those that start by themselves',
    later: 'ignored',
  },
  {
    long: 'priority',
    short: 'p',
    value: 'n',
    kind: 'integer',
    default: '10',
    help: 'In the queue',
    later: 'ignored',
  },
  { long: 'debug', short: 'D', help: 'Let LXC log everything', later: 'ignored' },
]

/** -a: a shell once it runs. */
async function attachIfAsked(invocation: Invocation): Promise<number> {
  const { options, link } = invocation
  return options.flag('attach') && !link.isDryRun
    ? await attachShell(invocation, options.flag('user-shell'))
    : 0
}

export const start: CommandSpec = {
  name: 'start',
  summary: 'Start a container',
  description: [
    'A container that runs is left as it is. One that is not up in time is not stopped: it may still come up.',
  ],
  args: [CT],
  options: [WAIT, FOREGROUND, ...QUEUE_OPTIONS, ATTACH, USER_SHELL],
  examples: [
    { command: 'osctl ct start 101', what: 'Start it and wait until its init runs' },
    { command: 'osctl ct start -w 0 101', what: 'Only set it going' },
  ],
  run: async (invocation) => {
    const params = { id: target(invocation), waitSeconds: waitSeconds(invocation.options) }
    await invocation.link.apply('ct.start', params)
    return await attachIfAsked(invocation)
  },
}

export const stop: CommandSpec = {
  name: 'stop',
  summary: 'Stop a container',
  description: [
    'It is asked to shut down, and killed when it did not in time. A stopped container is left as it is.',
  ],
  args: [CT],
  options: [FOREGROUND, ...STOP_OPTIONS],
  run: async (invocation) => {
    await invocation.link.apply('ct.stop', { id: target(invocation), ...stopParams(invocation.options) })
  },
}

export const restart: CommandSpec = {
  name: 'restart',
  summary: 'Stop a container and start it again',
  args: [CT],
  options: [
    WAIT,
    FOREGROUND,
    { long: 'reboot', short: 'r', help: 'Let its own init reboot', later: 'refused' },
    ...STOP_OPTIONS,
    ATTACH,
    USER_SHELL,
  ],
  run: async (invocation) => {
    const { options, link } = invocation
    const params = { id: target(invocation), ...stopParams(options), waitSeconds: waitSeconds(options) }
    await link.apply('ct.restart', params)
    return await attachIfAsked(invocation)
  },
}

export const freeze: CommandSpec = {
  name: 'freeze',
  summary: 'Freeze a container',
  description: ['Its processes stand still and keep their memory, until it is unfrozen.'],
  args: [CT],
  run: async (invocation) => {
    await invocation.link.apply('ct.freeze', { id: target(invocation) })
  },
}

export const unfreeze: CommandSpec = {
  name: 'unfreeze',
  aliases: ['thaw'],
  summary: 'Let a frozen container go on',
  args: [CT],
  run: async (invocation) => {
    await invocation.link.apply('ct.unfreeze', { id: target(invocation) })
  },
}
