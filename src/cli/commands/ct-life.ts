/** `osctl ct new`, `import`, `del`: how containers come and go. */
import { resolve } from 'node:path'
import { formatTime } from '../../rpc/time.ts'
import { arg, given, poolOf, target } from '../invocation.ts'
import type { CommandSpec, OptionSpec } from '../spec.ts'
import { UsageError } from '../usage-error.ts'
import { CT, IMAGE_OPTIONS } from './ct-arguments.ts'

const POOL: OptionSpec = {
  long: 'pool',
  value: 'pool',
  words: 'pool',
  default: 'the first',
  help: 'On this pool',
}
const DATASET: OptionSpec = { long: 'dataset', value: 'dataset', help: 'In this dataset', later: 'refused' }

export const create: CommandSpec = {
  name: 'new',
  aliases: ['create'],
  summary: 'Create a container',
  description: [
    'From an image of a repository: cloned in an instant if the image is on the pool, else fetched first. Each container gets a user and a block of host ids of its own.',
  ],
  args: [{ name: 'id' }],
  options: [
    POOL,
    {
      long: 'user',
      value: 'user',
      words: 'user',
      default: 'one of its own',
      help: 'Use this user and its host ids',
    },
    { long: 'group', value: 'group', default: '/default', help: 'Group', later: 'refused' },
    DATASET,
    { long: 'skip-image', help: 'With an empty root file system' },
    ...IMAGE_OPTIONS,
  ],
  examples: [
    { command: 'osctl ct new --distribution debian 101', what: 'The stable Debian' },
    { command: 'osctl ct new --pool tank --distribution busybox web', what: 'A tiny one, on a certain pool' },
  ],
  run: async (invocation) => {
    const { options, link } = invocation
    if (options.text('distribution') === undefined)
      throw new UsageError('provide distribution (--distribution NAME)')
    await link.apply('ct.new', {
      id: arg(invocation, 0),
      skipImage: options.flag('skip-image'),
      ...given({
        pool: poolOf(invocation),
        user: options.text('user'),
        distribution: options.text('distribution'),
        version: options.text('version'),
        arch: options.text('arch'),
        vendor: options.text('vendor'),
        variant: options.text('variant'),
        repository: options.text('repository'),
      }),
    })
  },
}

export const importImage: CommandSpec = {
  name: 'import',
  summary: 'Create a container from an image file',
  description: [
    'Takes the original tar of `ct export` and of images, with either kind of root file system in it.',
  ],
  args: [{ name: 'file', words: 'file' }],
  options: [
    { long: 'as-id', value: 'id', default: "the image's", help: 'Name of the container' },
    { long: 'as-user', value: 'user', words: 'user', default: 'one of its own', help: 'Use this user' },
    { long: 'as-group', value: 'group', help: 'Group', later: 'refused' },
    POOL,
    DATASET,
    {
      long: 'missing-devices',
      value: 'what',
      choices: ['provide', 'remove', 'check'],
      help: 'Devices that the group does not give',
      later: 'ignored',
    },
  ],
  examples: [{ command: 'osctl ct import --as-id 102 /root/101.tar', what: 'A copy under another name' }],
  run: async (invocation) => {
    const { options, link } = invocation
    await link.apply('ct.import', {
      file: resolve(arg(invocation, 0)),
      ...given({ id: options.text('as-id'), pool: poolOf(invocation), user: options.text('as-user') }),
    })
  },
}

export const del: CommandSpec = {
  name: 'del',
  aliases: ['delete'],
  summary: 'Delete a container',
  description: ['Its dataset goes to the trash and stays there for a while (`osctl trash-bin ls`).'],
  args: [CT],
  options: [{ long: 'force', short: 'f', help: 'Also when it runs: it is stopped' }],
  run: async (invocation) => {
    const { options, link, io, globals } = invocation
    const { trash, result } = await link.apply('ct.delete', {
      id: target(invocation),
      force: options.flag('force'),
    })
    if (trash === undefined || result === 'accepted' || globals.flag('json') || globals.flag('quiet')) return
    io.out(`in the trash as ${trash.name} until ${formatTime(trash.expires_at)}\n`)
  },
}
