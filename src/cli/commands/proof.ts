/** `osctl event verify`, `event recover`: is a log whole, the very one that was kept elsewhere, and if not? */
import { readFileSync } from 'node:fs'
import { type KeptHead, parseHead, parseKept } from '../../rpc/heads.ts'
import type { RecoveryPlan } from '../../rpc/proof.ts'
import { arg, confirm, type Invocation, poolsOf, printJson, printRows } from '../invocation.ts'
import { type Column, harmless } from '../output/table.ts'
import type { ArgumentSpec, CommandSpec } from '../spec.ts'
import { CommandError } from '../usage-error.ts'

const POOLS: readonly ArgumentSpec[] = [{ name: 'pool', optional: true, many: true, words: 'pool' }]
const STDIN = 0

const verifyColumns: readonly Column[] = [
  { name: 'pool' },
  {
    name: 'result',
    help: 'ok, damaged, lost (its end is missing, or it is an older copy), replaced (it is another log)',
  },
  { name: 'first_bad', right: true, help: 'first event that is damaged, missing or another one' },
  { name: 'events', right: true, help: 'checked' },
  { name: 'segments', right: true },
  { name: 'anchors', right: true, help: 'heads kept outside of the log that it was compared with' },
  { name: 'head' },
]

export const eventVerify: CommandSpec = {
  name: 'verify',
  summary: 'Check that logs are whole and unchanged',
  description: [
    'Each event is compared with its hash, and the head with those that were kept on the pool: in a property of its dataset, and on hourly snapshots of the log.',
    '--against compares with heads that were kept elsewhere as well: SEQ:HASH as `pool show` and this command print it, or a file (- is standard input) with one head a line, as a witness keeps them or syslog has them.',
    'Exit status 1 when a log is damaged, when its end is lost, or when it is another one.',
  ],
  args: POOLS,
  table: { columns: verifyColumns, defaults: verifyColumns.map(({ name }) => name), layout: 'columns' },
  options: [
    { long: 'full', help: 'Sealed segments too' },
    {
      long: 'against',
      value: 'head',
      kind: 'list',
      words: 'file',
      help: 'Compare with this head, SEQ:HASH, or with those in this file; may be repeated',
    },
  ],
  examples: [
    { command: 'osctl event verify --full', what: 'Everything, of all pools' },
    {
      command: 'osctl event verify tank --against 4711:9f86d081884c7d65',
      what: 'Is event 4711 still the one that it was when this was written down?',
    },
    {
      command: 'ssh witness cat heads | osctl event verify --against -',
      what: 'With all that another host kept',
    },
  ],
  run: async (invocation) => {
    const { options, args, link, io } = invocation
    const against = headsOf(invocation)
    const params = { full: options.flag('full'), ...poolsOf(invocation, args) }
    const rows = await link.query('event.verify', { ...params, ...(against === null ? {} : { against }) })
    printRows(invocation, rows)
    for (const { pool, problems } of rows)
      for (const problem of problems) io.err(`${pool}: ${harmless(problem)}\n`)
    return rows.some(({ result }) => result !== 'ok') ? 1 : 0
  },
}

/** The heads of --against, those in files included; null without the option. */
function headsOf({ options }: Invocation): KeptHead[] | null {
  const given = options.list('against')
  return given === undefined
    ? null
    : given.flatMap((text) => {
        const typed = parseHead(text)
        return typed ? [typed] : headsIn(text)
      })
}

function headsIn(file: string): KeptHead[] {
  let text: string
  try {
    text = readFileSync(file === '-' ? STDIN : file, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandError(
      `--against ${file}: neither SEQ:HASH (a hash of 16 to 64 digits) nor a file: ${why}`,
    )
  }
  const heads = text.split('\n').flatMap((line) => parseKept(line) ?? [])
  if (heads.length === 0) throw new CommandError(`--against ${file}: there is no head in it`)
  return heads
}

export const eventRecover: CommandSpec = {
  name: 'recover',
  summary: 'Go on with a log that is damaged, has lost its end, or is another one',
  description: [
    'For a pool that is read-only because of its log. Shows what would be given up, and asks. If the log can be put back whole (zfs list -t snapshot POOL/events), do that instead, and import the pool again.',
    'A damaged file is kept beside the log that takes its place; what is given up, why, and by whom is recorded in the log. The pool is then imported as after a boot: containers that run although the log does not know it are taken over, and `osctl healthcheck` shows what else differs.',
  ],
  args: [{ name: 'pool', words: 'pool' }],
  options: [{ long: 'yes', short: 'y', help: 'Do not ask' }],
  examples: [
    { command: 'osctl event recover tank --dry-run', what: 'Only see what would be given up' },
    { command: "osctl event recover tank --reason 'disk replaced, ticket 4711'", what: 'Go on, and say why' },
  ],
  run: async (invocation) => {
    const { link, io, globals, options } = invocation
    const pool = arg(invocation, 0)
    const plan = await link.query('event.recovery', { pool })
    if (link.isDryRun && globals.flag('json')) return printJson(io, plan)
    if (link.isDryRun || !globals.flag('quiet')) (link.isDryRun ? io.out : io.err)(planText(plan))
    if (link.isDryRun) return
    if (!options.flag('yes') && !io.isTerminal(0))
      throw new CommandError('not confirmed, nothing was done (--yes does not ask)')
    confirm(
      invocation,
      `Do you really wish to give this up and go on after event ${plan.from.split(':')[0]}?`,
    )
    await link.apply('event.recover', { pool, from: plan.from })
  },
}

function planText({ pool, damage, from, lost_from, lost_to, evidence, containers }: RecoveryPlan): string {
  const end = lost_to === null ? 'on; how many there were nothing tells' : `to ${lost_to} at least`
  const lines = [
    `The log of ${pool} cannot be trusted:`,
    ...damage.map((what) => `  ${harmless(what)}`),
    `It goes on after event ${from.split(':')[0]}, with ${containers} containers; lost: events from ${lost_from} ${end}.`,
    evidence === null
      ? 'Nothing of the log is changed; the loss is recorded in it.'
      : `The damaged file is kept: ${evidence}`,
    'What the host shows is then looked at again; osctl healthcheck shows what differs.',
  ]
  return `${lines.join('\n')}\n`
}
