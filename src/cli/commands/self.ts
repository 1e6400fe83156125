/** `osctl help`, `completion`: osctl about itself. What prints the table is loaded when it is asked for. */
import type { Invocation } from '../invocation.ts'
import { arg } from '../invocation.ts'
import type { CommandSpec, GroupSpec } from '../spec.ts'
import { UsageError } from '../usage-error.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

export const completion: CommandSpec = {
  name: 'completion',
  summary: 'Print the completion script of a shell',
  args: [{ name: 'bash|zsh|fish', words: SHELLS }],
  examples: [
    { command: 'source <(osctl completion bash)', what: 'In this bash' },
    {
      command: 'osctl completion zsh > /usr/local/share/zsh/site-functions/_osctl',
      what: 'For zsh, for good',
    },
  ],
  run: async (invocation) => await printCompletion(invocation, arg(invocation, 0)),
}

/** The original's spelling. */
export const genCompletion: GroupSpec = {
  name: 'gen-completion',
  summary: 'Print the completion script of bash',
  hidden: true,
  commands: [
    {
      name: 'bash',
      summary: 'Print the completion script of bash',
      run: async (invocation) => await printCompletion(invocation, 'bash'),
    },
  ],
}

async function printCompletion({ io, root }: Invocation, shell: string): Promise<void> {
  const name = SHELLS.find((candidate) => candidate === shell)
  if (name === undefined) throw new UsageError(`unknown shell '${shell}' (there are: ${SHELLS.join(', ')})`)
  const { scriptFor } = await import('../complete/index.ts')
  io.out(scriptFor(name, root))
}

export const genMan: CommandSpec = {
  name: 'gen-man',
  summary: 'Print the man page osctl(8), in roff',
  hidden: true,
  run: async ({ io, root }) => {
    const { manPage } = await import('../man.ts')
    io.out(manPage(root))
  },
}

export const help: CommandSpec = {
  name: 'help',
  summary: 'Show help of a command',
  args: [{ name: 'command', optional: true, many: true }],
  run: async ({ io, args, root }) => {
    const { helpOf } = await import('../help.ts')
    const { resolve } = await import('../resolve.ts')
    const { path, rest } = resolve(root, args)
    if (rest.length > 0) throw new UsageError(`unknown argument: ${rest[0]}`)
    io.out(helpOf(root, path))
  },
}
