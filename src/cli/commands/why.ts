/** `osctl why`: from what is so now back to who or what made it so. */
import type { Why } from '../../rpc/results.ts'
import { formatTime } from '../../rpc/time.ts'
import { AT, atOf } from '../at.ts'
import { given, type Invocation, printJson, target } from '../invocation.ts'
import { type Column, harmless, renderColumns } from '../output/table.ts'
import type { CommandSpec, GroupSpec } from '../spec.ts'

const columns: readonly Column[] = [{ name: 'position' }, { name: 'time', show: 'date' }, { name: 'what' }]

const ct: CommandSpec = {
  name: 'ct',
  summary: 'Tell why a container is as it is',
  description: [
    'Prints what made it so, then the cause of that, and so on, back to the command and the person, or to the crash, the reboot or the autostart: the newest first, one line each, with its position in the log.',
    'COLUMN is one of `osctl ct show`, an attribute vendor:key, or running; without it, state. With =VALUE the last time that it had this value is told, be it now or earlier.',
    'A container that is gone is found by its old id.',
    'Of one that stopped with its host it is also told why it was not started again: who took its autostart away, or that nobody ever gave it any.',
  ],
  args: [
    { name: 'id', words: 'ct' },
    {
      name: 'column[=value]',
      optional: true,
      words: ['state', 'running', 'hostname', 'autostart', 'operation', 'problem', 'restart_needed'],
    },
  ],
  options: [AT],
  examples: [
    { command: 'osctl why ct 101', what: 'Why it runs, or does not' },
    { command: 'osctl why ct 101 running=false', what: 'Why it was down the last time' },
    { command: 'osctl why ct 101 hostname', what: 'Who gave it its host name' },
  ],
  run: async (invocation) => {
    const [, word = 'state'] = invocation.args
    const at = word.indexOf('=')
    const [column, value] = at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
    const answer = await invocation.link.query('ct.why', {
      id: target(invocation),
      column,
      ...given({ value }),
      ...atOf(invocation),
    })
    if (invocation.globals.flag('json')) printJson(invocation.io, answer)
    else print(invocation, answer)
  },
}

function print({ io, globals }: Invocation, answer: Why): void {
  io.out(`${harmless(heading(answer))}\n`)
  const exact = globals.flag('parsable')
  io.out(renderColumns(columns, answer.links, { header: false, exact }))
  const { not_started: not } = answer
  if (!not) return
  const since = not.since === null ? '' : `, since ${formatTime(not.since)}, because, the newest first`
  io.out(`${harmless(`${not.what}${since}`)}${not.links.length > 0 ? ':' : ''}\n`)
  if (not.links.length > 0) io.out(renderColumns(columns, not.links, { header: false, exact }))
}

function heading({ pool, ctid, column, value, present, since, until, links }: Why): string {
  const name = `${pool}:${ctid}: ${column}`
  const from = since === null ? '' : ` since ${formatTime(since)}`
  if (value === present)
    return links.length > 0
      ? `${name} is ${present}${from}, because, the newest first:`
      : `${name} is ${present}, and was so before anything that the log still tells`
  if (links.length === 0) return `${name} is ${present}, and was never ${value} as far as the log tells`
  const to = until === null ? '' : ` until ${formatTime(until)} at the latest`
  return `${name} is ${present} now; it was ${value}${from}${to}, because, the newest first:`
}

export const why: GroupSpec = { name: 'why', summary: 'Causes', commands: [ct] }
