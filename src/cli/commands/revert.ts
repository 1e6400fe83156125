/** `osctl revert`: takes back a change of configuration. */
import { arg, confirm } from '../invocation.ts'
import type { CommandSpec } from '../spec.ts'

export const revert: CommandSpec = {
  name: 'revert',
  summary: 'Take back a change of configuration',
  description: [
    'What a change overwrote stands in the log, so it can be put back at any time: settings of containers and pools, and repositories that were added, deleted, enabled or disabled. It is a change of its own, which says what it takes back, and can itself be taken back.',
    'The change is named by its position, as `osctl history -o +position` and `osctl event ls` show it, or by the id of its operation. What was changed again since is left alone, unless --force is given. On a terminal the plan is shown first, and you are asked.',
  ],
  args: [{ name: 'change' }],
  options: [
    { long: 'force', short: 'f', help: 'Also what was changed again since' },
    { long: 'yes', short: 'y', help: 'Do not ask' },
  ],
  examples: [
    { command: 'osctl revert tank:42', what: 'Take back what event 42 of pool tank changed' },
    { command: 'osctl revert --dry-run tank:42', what: 'Only show what that would change' },
  ],
  run: async (invocation) => {
    const { link, options } = invocation
    const params = { what: arg(invocation, 0), force: options.flag('force') }
    if (link.asks(options)) await link.preview('revert', params)
    confirm(invocation, `Do you really wish to take back ${params.what}?`)
    await link.apply('revert', params)
  },
}
