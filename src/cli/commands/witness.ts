/** `osctl witness …`: who keeps the heads of our logs, and the heads of others that we keep. */
import { readFileSync } from 'node:fs'
import { parseKept } from '../../rpc/heads.ts'
import { AT, AT_NOTE, atOf } from '../at.ts'
import { arg, given, type Invocation, poolOf, poolsOf, printRows, target } from '../invocation.ts'
import { type Column, harmless } from '../output/table.ts'
import type { CommandSpec, GroupSpec } from '../spec.ts'
import { CommandError } from '../usage-error.ts'

const STDIN = 0

const columns: readonly Column[] = [
  { name: 'pool' },
  { name: 'name' },
  { name: 'kind', help: 'syslog, https, ssh' },
  { name: 'target' },
  { name: 'last_head', help: 'last that it took: position, and the beginning of the hash' },
  { name: 'sent_at', show: 'date' },
  { name: 'state', help: 'new (nothing was sent since osctld started), ok, failing' },
  { name: 'failures', right: true, help: 'attempts that failed since' },
  { name: 'error' },
]

const ls: CommandSpec = {
  name: 'ls',
  aliases: ['list'],
  summary: 'List witnesses, and what they took last',
  description: [
    'What was sent is remembered by osctld, not recorded: when it starts again it sends the newest head once more, and what a witness has is for the witness to say.',
    AT_NOTE,
  ],
  args: [{ name: 'pool', optional: true, many: true, words: 'pool' }],
  table: {
    columns,
    defaults: ['pool', 'name', 'kind', 'target', 'last_head', 'sent_at', 'state', 'error'],
    layout: 'columns',
    sort: true,
  },
  options: [AT],
  run: async (invocation) =>
    printRows(
      invocation,
      await invocation.link.query('witness.list', {
        ...poolsOf(invocation, invocation.args),
        ...atOf(invocation),
      }),
    ),
}

const add: CommandSpec = {
  name: 'add',
  summary: "Send the heads of a pool's log to somebody who keeps them",
  description: [
    'A head says all that came before it: where it is kept outside of this host, not even root can take back or rewrite what the log said then. `osctl event verify --against` compares the log with what was kept.',
    'syslog is the syslog of this host, which gets every head anyway; syslog:HOST[:PORT] a server, over TCP. https://HOST/PATH gets a POST of JSON with pool, guid, seq, hash, time and host. ssh:[USER@]HOST[:PORT] is another host with osctl, where `osctl witness keep` is run; its key may be bound to that by command="osctl witness keep",restrict in authorized_keys, and it must be known already.',
    'A head goes out when it is anchored, a minute after a change at the latest, and at export. A witness that fails is tried again, stalls nothing, and is shown by `witness ls` and `healthcheck`.',
    'Files are named by absolute paths of the host, which keeps nothing of its own over a boot: put them on the pool. What is in them is not recorded.',
  ],
  args: [{ name: 'name' }, { name: 'target' }],
  options: [
    {
      long: 'token-file',
      value: 'file',
      words: 'file',
      help: 'Send what is in it as a bearer token (https)',
    },
    {
      long: 'ca-file',
      value: 'file',
      words: 'file',
      help: 'Certificates to trust instead of the usual ones (https)',
    },
    { long: 'key-file', value: 'file', words: 'file', help: "Private key instead of root's own (ssh)" },
    {
      long: 'known-hosts-file',
      value: 'file',
      words: 'file',
      help: "Known hosts instead of root's own (ssh)",
    },
  ],
  examples: [
    { command: 'osctl witness add logs syslog:logs.example.org', what: 'A syslog server' },
    {
      command: 'osctl witness add node2 ssh:root@node2 --key-file /tank/witness/key',
      what: "Another host's osctld",
    },
    {
      command: 'osctl witness add notary https://notary.example.org/heads --token-file /tank/witness/token',
      what: 'A service',
    },
  ],
  run: async (invocation) => {
    const { link, options } = invocation
    await link.apply('witness.add', {
      name: arg(invocation, 0),
      target: arg(invocation, 1),
      ...given({
        pool: poolOf(invocation),
        tokenFile: options.text('token-file'),
        caFile: options.text('ca-file'),
        keyFile: options.text('key-file'),
        knownHostsFile: options.text('known-hosts-file'),
      }),
    })
  },
}

const del: CommandSpec = {
  name: 'del',
  aliases: ['delete'],
  summary: 'Send heads to a witness no more',
  description: ['What it kept, it keeps.'],
  args: [{ name: 'name' }],
  run: async (invocation) => {
    await invocation.link.apply('witness.delete', { name: target(invocation) })
  },
}

const test: CommandSpec = {
  name: 'test',
  summary: 'Send the present head to a witness, and say what came of it',
  args: [{ name: 'name' }],
  run: async (invocation) => {
    const { head } = await invocation.link.query('witness.test', { name: target(invocation) })
    invocation.io.out(`${head}\n`)
  },
}

const keep: CommandSpec = {
  name: 'keep',
  summary: "Keep heads of other hosts' logs that come on standard input",
  description: [
    'What a witness of kind ssh runs: one head a line, as JSON. Each is recorded in the log of a pool of this host, the first one unless --pool names another. Exit status 1 when a head does not fit those that were kept of its log before.',
  ],
  run: async (invocation) => {
    const { link, io } = invocation
    const lines = readFileSync(STDIN, 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
    if (lines.length === 0) throw new CommandError('there is no head on standard input')
    let status = 0
    for (const line of lines) {
      const { complaint } = await link.query('witness.keep', {
        ...offered(line, invocation),
        meta: link.meta(),
      })
      if (complaint === null) continue
      io.err(`error: kept, but ${harmless(complaint)}\n`)
      status = 1
    }
    return status
  },
}

function offered(line: string, invocation: Invocation) {
  const head = parseKept(line)
  const { pool, guid, seq = 0, hash = '', time } = head ?? {}
  if (pool === undefined || guid === undefined || time === undefined || hash.length !== 64)
    throw new CommandError('not a head with pool, guid, seq, hash and time as JSON')
  const { host } = JSON.parse(line) as { host?: unknown }
  const keeper = poolOf(invocation)
  return {
    pool,
    guid,
    seq,
    hash,
    time,
    ...given({ keeper, host: typeof host === 'string' ? host : undefined }),
  }
}

const heads: CommandSpec = {
  name: 'heads',
  summary: "Print the heads of other hosts' logs that are kept here",
  description: [
    'One line of JSON for each, the oldest first, as `osctl event verify --against` reads them. They are events of the pool that keeps them, and go with its old segments when those are pruned.',
  ],
  args: [{ name: 'pool|guid', optional: true }],
  examples: [
    {
      command: 'ssh node2 osctl witness heads tank | osctl event verify tank --against -',
      what: 'Is our log the one that node2 heard of?',
    },
  ],
  run: async (invocation) => {
    const { link, io, args } = invocation
    const rows = await link.query('witness.heads', { ...poolsOf(invocation), ...given({ of: args[0] }) })
    for (const { pool, guid, host, seq, hash, time, kept_at, position } of rows)
      io.out(`${JSON.stringify({ pool, guid, seq, hash, time, host, kept_at, position })}\n`)
  },
}

export const witness: GroupSpec = {
  name: 'witness',
  summary: 'Who keeps the heads of logs outside of this host',
  commands: [ls, add, del, test, keep, heads],
}
