/** `osctl ct exec`, `attach`, `log`: into a container, and what LXC says of it. */
import { closeSync, openSync, readSync } from 'node:fs'
import { type Invocation, target } from '../invocation.ts'
import type { CommandSpec, GroupSpec } from '../spec.ts'
import { CommandError, UsageError } from '../usage-error.ts'
import { CT, USER_SHELL } from './ct-arguments.ts'

const CHUNK_BYTES = 64 * 1024

export const exec: CommandSpec = {
  name: 'exec',
  summary: 'Run a command in a container',
  description: [
    "Its input and output are this terminal's, or whatever they are redirected to, and its exit status is osctl's. The history records who ran which program, never its arguments or output.",
  ],
  args: [CT, { name: 'cmd', many: true }],
  passThrough: true,
  options: [
    {
      long: 'run-container',
      short: 'r',
      help: 'Also when it is stopped: start it just for this',
      later: 'refused',
    },
    { long: 'network', short: 'n', help: 'With its network, when started just for this', later: 'refused' },
  ],
  examples: [{ command: "osctl ct exec 101 sh -c 'uptime; df -h'", what: 'A shell command in it' }],
  run: async (invocation) => {
    const [, first, ...rest] = invocation.args
    const words = first === '--' ? rest : [first ?? '', ...rest]
    const [program] = words
    if (program === undefined) throw new UsageError('missing argument <cmd>')
    const { link, io } = invocation
    const session = await link.query('ct.exec', { id: target(invocation), program, meta: link.meta() })
    const { runSession } = await import('../session.ts')
    const status = await runSession(invocation, session, words)
    if (status > 0) io.err('error: executed command failed\n')
    return status
  },
}

export async function attachShell(invocation: Invocation, userShell: boolean): Promise<number> {
  const { link } = invocation
  const session = await link.query('ct.attach', { id: target(invocation), userShell, meta: link.meta() })
  const { runSession } = await import('../session.ts')
  return await runSession(invocation, session, [])
}

export const attach: CommandSpec = {
  name: 'attach',
  aliases: ['enter'],
  summary: 'Open a root shell in a container',
  args: [CT],
  options: [USER_SHELL],
  run: async (invocation) => await attachShell(invocation, invocation.options.flag('user-shell')),
}

const cat: CommandSpec = {
  name: 'cat',
  summary: "Print a container's LXC log",
  args: [CT],
  run: async (invocation) => {
    const { path, text } = await invocation.link.query('ct.log', { id: target(invocation) })
    if (text !== null) invocation.io.out(text)
    else printFile(invocation, path)
  },
}

const path: CommandSpec = {
  name: 'path',
  summary: "Print the path of a container's LXC log",
  args: [CT],
  run: async (invocation) => {
    invocation.io.out(`${(await invocation.link.query('ct.log', { id: target(invocation) })).path}\n`)
  },
}

/** In pieces: a log may be larger than memory. */
function printFile({ io }: Invocation, file: string): void {
  const fd = openLog(file)
  const chunk = Buffer.alloc(CHUNK_BYTES)
  const decoder = new TextDecoder()
  try {
    for (let n = readSync(fd, chunk); n > 0; n = readSync(fd, chunk)) {
      io.out(decoder.decode(chunk.subarray(0, n), { stream: true }))
    }
  } finally {
    closeSync(fd)
  }
}

function openLog(file: string): number {
  try {
    return openSync(file, 'r')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CommandError(
      code === 'ENOENT' ? `there is no log yet: ${file}` : `cannot read ${file}: ${code}`,
    )
  }
}

export const log: GroupSpec = { name: 'log', summary: "A container's LXC log", commands: [cat, path] }
