/** `osctl pool autostart …`: who is still to start, all that should, and no more of them. */
import { AT, AT_NOTE, atOf } from '../at.ts'
import { arg, printRows } from '../invocation.ts'
import type { ArgumentSpec, CommandSpec, GroupSpec } from '../spec.ts'

const POOL: ArgumentSpec = { name: 'pool', words: 'pool' }

const queue: CommandSpec = {
  name: 'queue',
  summary: 'List the containers that wait to be started, in order',
  description: [
    'Lower priority first, then by name. One that did not start waits to be tried again, five times in all; those that are starting now are in `osctl op ls`. What became of the others tells `osctl boot report`.',
    AT_NOTE,
  ],
  args: [POOL],
  options: [AT],
  table: {
    columns: [
      { name: 'pool' },
      { name: 'id' },
      { name: 'priority', right: true },
      { name: 'delay', right: true, help: 'seconds that the next one waits after it, under pressure' },
      { name: 'attempts', right: true, help: 'how often it was tried' },
      { name: 'problem', help: 'why it did not start, the last time' },
    ],
    defaults: ['id', 'priority'],
    layout: 'columns',
  },
  examples: [
    { command: 'osctl pool autostart queue -o +attempts,problem tank', what: 'Also why some wait again' },
  ],
  run: async (invocation) =>
    printRows(
      invocation,
      await invocation.link.query('pool.autostart-queue', { name: arg(invocation, 0), ...atOf(invocation) }),
    ),
}

const trigger: CommandSpec = {
  name: 'trigger',
  summary: 'Start every container of a pool that has autostart and is stopped',
  description: [
    'As after a boot: in order, at most `parallel-start` at a time, as the pressure on the host admits it, also those that somebody has stopped since. It goes on in the background, over restarts of osctld; `osctl pool autostart queue` shows who waits.',
  ],
  args: [POOL],
  examples: [{ command: 'osctl pool autostart trigger tank', what: 'After a boot with osctl.autostart=0' }],
  run: async (invocation) => {
    await invocation.link.apply('pool.autostart-trigger', { name: arg(invocation, 0) })
  },
}

const cancel: CommandSpec = {
  name: 'cancel',
  summary: 'Start no more of the containers that wait',
  description: [
    'Those that are starting go on. `osctl ct stop`, or `ct unset autostart`, takes a single one out of the queue.',
  ],
  args: [POOL],
  run: async (invocation) => {
    await invocation.link.apply('pool.autostart-cancel', { name: arg(invocation, 0) })
  },
}

export const poolAutostart: GroupSpec = {
  name: 'autostart',
  summary: 'Containers that start by themselves',
  commands: [queue, trigger, cancel],
}
