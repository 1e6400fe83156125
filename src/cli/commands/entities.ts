/** `osctl user …`, `id-range …`, `repo …`, `trash-bin …` */
import { AT, atOf } from '../at.ts'
import { arg, confirm, given, type Invocation, poolOf, poolsOf, printRows, target } from '../invocation.ts'
import type { Column } from '../output/table.ts'
import type { ArgumentSpec, CommandSpec, GroupSpec, OptionSpec } from '../spec.ts'
import { UsageError } from '../usage-error.ts'

const POOLS: OptionSpec = {
  long: 'pool',
  value: 'pools',
  kind: 'list',
  words: 'pool',
  help: 'Of these pools',
}
/** Names, pools, and the moment of a list. */
const filterOf = (invocation: Invocation) => ({
  ...given({ names: invocation.args.length > 0 ? [...invocation.args] : undefined }),
  ...poolsOf(invocation),
  ...atOf(invocation),
})
const names = (columns: readonly Column[]): string[] => columns.map(({ name }) => name)

const userColumns: readonly Column[] = [
  { name: 'pool' },
  { name: 'name' },
  { name: 'username', help: 'on the host' },
  { name: 'ugid', right: true, help: 'on the host' },
  { name: 'registered', help: 'whether the host knows it' },
  { name: 'standalone', help: 'whether it stays without containers' },
  { name: 'first_id', right: true, help: "of the host's ids, the container's 0" },
  { name: 'id_count', right: true },
]

const userLs: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List users',
  args: [{ name: 'user', optional: true, many: true, words: 'user' }],
  table: {
    columns: userColumns,
    defaults: ['pool', 'name', 'registered', 'standalone'],
    layout: 'columns',
    sort: true,
  },
  options: [
    POOLS,
    AT,
    { long: 'registered', help: 'Only those that the host knows' },
    { long: 'unregistered', help: 'Only those that it does not' },
  ],
  run: async (invocation) => {
    const { options, link } = invocation
    const filter = filterOf(invocation)
    const rows = await link.query('user.list', filter)
    const [yes, no] = [options.flag('registered'), options.flag('unregistered')]
    printRows(invocation, yes === no ? rows : rows.filter(({ registered }) => registered === yes))
  },
}

const rangeColumns: readonly Column[] = [
  { name: 'pool' },
  { name: 'name' },
  { name: 'start_id', right: true },
  { name: 'last_id', right: true },
  { name: 'block_size', right: true },
  { name: 'block_count', right: true },
  { name: 'allocated', right: true },
  { name: 'free', right: true },
]

const idRangeLs: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List id ranges',
  description: ['Ranges of user and group ids of the host, of which each container gets blocks of its own.'],
  args: [{ name: 'name', optional: true, many: true }],
  table: { columns: rangeColumns, defaults: names(rangeColumns), layout: 'columns', sort: true },
  options: [POOLS, AT],
  run: async (invocation) => {
    printRows(invocation, await invocation.link.query('id-range.list', filterOf(invocation)))
  },
}

const REPO: ArgumentSpec = { name: 'repo', words: 'repo' }
const repoColumns: readonly Column[] = [
  { name: 'pool' },
  { name: 'name' },
  { name: 'url' },
  { name: 'enabled' },
]

const repoLs: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List image repositories',
  args: [{ ...REPO, optional: true, many: true }],
  table: { columns: repoColumns, defaults: names(repoColumns), layout: 'columns', sort: true },
  options: [POOLS, AT],
  run: async (invocation) => {
    printRows(invocation, await invocation.link.query('repo.list', filterOf(invocation)))
  },
}

const repoAdd: CommandSpec = {
  name: 'add',
  aliases: ['new', 'create'],
  summary: 'Add an image repository',
  args: [{ name: 'name' }, { name: 'url', words: 'file' }],
  examples: [
    { command: 'osctl repo add mine https://images.example.org', what: 'Over the network' },
    { command: 'osctl repo add local /srv/images', what: 'A directory of this host' },
  ],
  run: async (invocation) => {
    const url = arg(invocation, 1)
    if (/^[a-z]+:\/\/[^/]*@/i.test(url)) {
      throw new UsageError('a URL with a user name or password is not taken: it would stand in the log')
    }
    const pool = poolOf(invocation)
    await invocation.link.apply('repo.add', { name: arg(invocation, 0), url, ...given({ pool }) })
  },
}

const repoChange = (
  spec: Pick<CommandSpec, 'name' | 'aliases' | 'summary'>,
  method: 'repo.delete' | 'repo.enable' | 'repo.disable',
): CommandSpec => ({
  ...spec,
  args: [REPO],
  run: async (invocation) => {
    await invocation.link.apply(method, { name: target(invocation) })
  },
})

const imageColumns: readonly Column[] = [
  { name: 'vendor' },
  { name: 'variant' },
  { name: 'arch' },
  { name: 'distribution' },
  { name: 'version' },
  { name: 'tags' },
  { name: 'cached', help: 'whether it is on the pool, so that a container is made of it in an instant' },
]

const imagesLs: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List images of a repository',
  args: [REPO],
  table: { columns: imageColumns, defaults: names(imageColumns), layout: 'columns', sort: true },
  options: [
    { long: 'vendor', value: 'vendor', help: 'Of this vendor' },
    { long: 'variant', value: 'variant', help: 'Of this variant' },
    { long: 'arch', value: 'arch', help: 'Of this architecture' },
    { long: 'distribution', value: 'name', help: 'Of this distribution' },
    { long: 'version', value: 'version', help: 'Of this version' },
    { long: 'tag', value: 'tag', help: 'With this tag' },
    { long: 'cached', help: 'Only those on the pool' },
    { long: 'uncached', help: 'Only those that are not' },
  ],
  examples: [{ command: 'osctl repo images ls default', what: 'What the repository of this system has' }],
  run: async (invocation) => {
    const { options, link } = invocation
    const [yes, no] = [options.flag('cached'), options.flag('uncached')]
    const filter = given({
      vendor: options.text('vendor'),
      variant: options.text('variant'),
      arch: options.text('arch'),
      distribution: options.text('distribution'),
      version: options.text('version'),
      tag: options.text('tag'),
      cached: yes === no ? undefined : yes,
    })
    printRows(invocation, await link.query('repo.images', { name: target(invocation), ...filter }))
  },
}

const trashColumns: readonly Column[] = [
  { name: 'pool' },
  { name: 'name' },
  { name: 'ctid' },
  { name: 'trashed_at', show: 'date' },
  { name: 'expires_at', show: 'date' },
  { name: 'stream' },
]
const POOL_ARGUMENTS: readonly ArgumentSpec[] = [{ name: 'pool', optional: true, many: true, words: 'pool' }]

const trashLs: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List deleted containers that are still there',
  args: POOL_ARGUMENTS,
  table: {
    columns: trashColumns,
    defaults: ['pool', 'name', 'ctid', 'trashed_at', 'expires_at'],
    layout: 'columns',
    sort: true,
  },
  options: [AT],
  run: async (invocation) => {
    const filter = { ...poolsOf(invocation, invocation.args), ...atOf(invocation) }
    printRows(invocation, await invocation.link.query('trash.list', filter))
  },
}

const trashPrune: CommandSpec = {
  name: 'prune',
  summary: 'Destroy what is in the trash',
  args: POOL_ARGUMENTS,
  options: [{ long: 'yes', short: 'y', help: 'Do not ask' }],
  run: async (invocation) => {
    confirm(invocation, 'Do you really wish to destroy everything in the trash?')
    await invocation.link.apply('trash.prune', poolsOf(invocation, invocation.args))
  },
}

export const user: GroupSpec = { name: 'user', summary: 'Users that containers run as', commands: [userLs] }
export const idRange: GroupSpec = { name: 'id-ranges', summary: 'Ranges of host ids', commands: [idRangeLs] }
export const repo: GroupSpec = {
  name: 'repo',
  aliases: ['repository'],
  summary: 'Manage image repositories',
  commands: [
    repoLs,
    repoAdd,
    repoChange({ name: 'del', aliases: ['delete'], summary: 'Delete a repository' }, 'repo.delete'),
    repoChange({ name: 'enable', summary: 'Search a repository again' }, 'repo.enable'),
    repoChange(
      { name: 'disable', summary: 'Do not search a repository, unless it is named' },
      'repo.disable',
    ),
    { name: 'images', summary: 'Images of a repository', commands: [imagesLs] },
  ],
}
export const trashBin: GroupSpec = {
  name: 'trash-bin',
  summary: 'Deleted containers',
  commands: [trashLs, trashPrune],
}
