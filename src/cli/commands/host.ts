/** `osctl ping`, `healthcheck`, `shutdown`, `debug`: the daemon and its host. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionError } from '../../rpc/client.ts'
import { confirm, type Invocation, poolsOf, printJson } from '../invocation.ts'
import { harmless } from '../output/table.ts'
import type { CommandSpec, GroupSpec } from '../spec.ts'
import { CommandError } from '../usage-error.ts'
import { abortExports } from './abort.ts'
import { integerArgument } from './attributes.ts'

const PING_RETRY_MS = 200
const CANNOT_CONNECT = 2
const BAD_RESPONSE = 3
const LONGEST_WAIT_S = 86_400

export const ping: CommandSpec = {
  name: 'ping',
  summary: 'Ask whether osctld answers',
  description: [
    'With <wait> it is asked until it answers, for so many seconds; 0 is for ever.',
    'Exit status: 0 it answers, 1 something else is wrong, 2 it cannot be reached, 3 it answers something else.',
  ],
  args: [{ name: 'wait', optional: true }],
  examples: [{ command: 'osctl ping 30', what: 'Wait for it, half a minute at most' }],
  run: async (invocation) => {
    const [text] = invocation.args
    const seconds = text === undefined ? null : integerArgument(invocation, 0, 'wait', 0, LONGEST_WAIT_S)
    const until = seconds === 0 ? Number.POSITIVE_INFINITY : performance.now() + (seconds ?? 0) * 1000
    for (;;) {
      try {
        return await pong(invocation)
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
        if (seconds === null || performance.now() >= until) return unreachable(invocation, error)
        invocation.link.close()
        await sleep(PING_RETRY_MS)
      }
    }
  },
}

async function pong({ link, io, globals }: Invocation): Promise<number> {
  const answer: unknown = await link.query('ping', {})
  if (answer !== 'pong') {
    io.err('error: bad response\n')
    return BAD_RESPONSE
  }
  if (globals.flag('json')) printJson(io, answer)
  else if (!globals.flag('quiet')) io.out('pong\n')
  return 0
}

function unreachable({ io }: Invocation, error: ConnectionError): number {
  io.err(`error: ${error.message}\n`)
  return error.problem === 'protocol' ? BAD_RESPONSE : CANNOT_CONNECT
}

export const healthcheck: CommandSpec = {
  name: 'healthcheck',
  summary: 'Compare what the logs say with what the host shows',
  description: [
    'Nothing is altered. Errors need somebody; what is marked as a warning is worth knowing.',
    'Exit status: 0 there are no errors, 1 there are. A script can rely on it.',
  ],
  args: [{ name: 'pool', optional: true, many: true, words: 'pool' }],
  options: [{ long: 'all', short: 'a', help: 'All pools, which is the default' }],
  examples: [{ command: 'osctl healthcheck tank', what: 'Is all well with the pool tank?' }],
  run: async (invocation) => {
    const { link, io, globals, args, options } = invocation
    const rows = await link.query('healthcheck', options.flag('all') ? {} : poolsOf(invocation, args))
    if (globals.flag('json')) printJson(io, rows)
    else if (rows.length === 0) io.out('No errors detected.\n')
    else {
      for (const { entity, pool, id, problem, level } of rows) {
        const warning = level === 'warning' ? 'warning: ' : ''
        io.out(`${entity} ${pool ?? '-'} ${id ?? '-'}\n\t${warning}${harmless(problem)}\n`)
      }
    }
    return rows.some(({ level }) => level === 'error') ? 1 : 0
  },
}

export const shutdown: CommandSpec = {
  name: 'shutdown',
  summary: 'Stop all containers and export all pools',
  description: [
    'For before the host goes down: all pools side by side, each as by `osctl pool export -f`. What would not stop is named, and the exit status is 0: the host goes down all the same.',
  ],
  options: [
    { long: 'force', short: 'f', help: 'Do not ask' },
    {
      long: 'wall',
      short: 'w',
      negatable: true,
      default: 'on',
      help: 'Tell the users of the containers',
      later: 'ignored',
    },
    { long: 'message', short: 'm', value: 'text', help: 'What to tell them', later: 'ignored' },
    {
      long: 'abort',
      help: 'Give up a shutdown that is under way: pools that are not exported yet stay imported',
    },
  ],
  run: async (invocation) => {
    const { options, link, io } = invocation
    if (options.flag('abort')) return await abortExports(invocation)
    if (!options.flag('force') && !link.isDryRun) {
      if (!io.isTerminal(0)) throw new CommandError('not confirmed, nothing was done (--force does not ask)')
      confirm(invocation, 'Do you really wish to stop all containers and export all pools?')
    }
    await link.apply('shutdown', {})
  },
}

const machine = (name: 'ct' | 'pool'): CommandSpec => ({
  name,
  summary: `The state machine of a ${name === 'ct' ? 'container' : 'pool'}, as a Mermaid diagram`,
  run: async ({ link, io, globals }) => {
    const diagram = await link.query('debug.machine', { machine: name })
    if (globals.flag('json')) printJson(io, diagram)
    else io.out(diagram.endsWith('\n') ? diagram : `${diagram}\n`)
  },
})

export const debug: GroupSpec = {
  name: 'debug',
  summary: 'Look inside osctld',
  commands: [{ name: 'machine', summary: 'The state machines', commands: [machine('ct'), machine('pool')] }],
}
