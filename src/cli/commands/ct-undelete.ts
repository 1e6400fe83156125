/** `osctl ct undelete`. */
import { given, target } from '../invocation.ts'
import type { CommandSpec } from '../spec.ts'

export const undelete: CommandSpec = {
  name: 'undelete',
  aliases: ['restore'],
  summary: 'Bring a deleted container back from the trash',
  description: [
    'With its files, its settings and its history, stopped, under the id that it had or another. `osctl trash-bin ls` shows what is still there, and until when.',
    'Of several deleted containers of one id, the one that is meant is named as the trash names it.',
  ],
  args: [{ name: 'id' }],
  options: [{ long: 'as-id', value: 'id', help: 'Give it this id' }],
  examples: [
    { command: 'osctl ct undelete 101', what: 'The container that was 101' },
    { command: 'osctl ct undelete --as-id 102 101', what: 'As 102, since there is a 101 again' },
  ],
  run: async (invocation) => {
    const { link, options } = invocation
    await link.apply('ct.undelete', { id: target(invocation), ...given({ asId: options.text('as-id') }) })
  },
}
