/**
 * Plans of what is done to a pool as a whole. A pool that is not imported is planned on its log, which is read and
 * closed again: not a byte of it changes, and no session begins in it.
 */
import { HostError } from '../../effects/host.ts'
import { LogError } from '../../events/log/store.ts'
import type { Fact } from '../../events/types/events.ts'
import { newest } from '../../events/types/formats.ts'
import { toStart } from '../../machines/decide/autostart.ts'
import { decideCt } from '../../machines/decide/container.ts'
import type { Asked } from '../../machines/decide/decision.ts'
import { decidePool } from '../../machines/decide/pool.ts'
import type { View } from '../../machines/draft.ts'
import { ctidOf, Fold, States, streamOfCt } from '../../machines/fold.ts'
import { lifeOf } from '../../machines/life.ts'
import { emptyPlan, joined, type Plan } from '../../rpc/plan.ts'
import type { ExportOptions } from '../closing.ts'
import { type Daemon, DEFAULT_REPOSITORY } from '../daemon.ts'
import { cameFrom, checkBringIn, type Host, lastHost } from '../elsewhere.ts'
import { CallError } from '../errors.ts'
import { ensureEvents, eventsDataset } from '../log-datasets.ts'
import {
  alreadyImported,
  checkForeign,
  checkImportable,
  checkInstallable,
  checkUninstallable,
  isUnlaid,
  notInstalled,
} from '../pool-checks.ts'
import { type DaemonPorts, formatsOf } from '../ports.ts'
import { look } from '../reality.ts'
import { openingDrafts, previousOf, sessionOpened } from '../session.ts'
import { stopCommand, toStop } from '../stopping.ts'
import { checkAvailable, completed, planOfKnown, type Sheet, sheetOf } from './plan.ts'

type At = { readonly name: string; readonly guid: string | null; readonly dataset: string }

const staged = (ports: DaemonPorts, { name, dataset }: At) => ({
  name,
  dataset,
  directory: `/${dataset}`,
  ports,
})

/** Somebody who asks in the daemon's own name, on paper. */
const onPaper = (
  what: string,
  actor: 'boot' | 'shutdown',
  command: string,
  args: Record<string, unknown>,
): Asked => ({
  op: `<operation of ${what}>`,
  actor: { system: actor },
  cli: null,
  key: undefined,
  command,
  args,
})

/** Installing: datasets, mark, and the import that follows. */
export const planInstall = (
  daemon: Daemon,
  name: string,
  dataset: string | null,
  asked: Asked,
): Promise<Plan> =>
  daemon.plan(name, async (users) => {
    const facts = await checkInstallable(daemon.ports, name, dataset)
    const imported = daemon.pools.get(name)
    const known = imported ? await planOfKnown(imported, asked.key) : null
    if (known) return known
    checkForeign(name, imported !== undefined, facts)
    const command = { type: 'pool.install', pool: name, dataset, repository: DEFAULT_REPOSITORY } as const
    if (imported) {
      const sheet = sheetOf(imported, imported.states)
      const decision = decidePool(sheet.states, command, asked)
      await sheet.walker.go(decision.drafts)
      return await completed(sheet, sheet.walker.ending(decision), users)
    }
    const at = { name, guid: facts.guid, dataset: dataset ?? name }
    const log = await studied(daemon.ports, at)
    const format = log?.format ?? newest(formatsOf(daemon.ports)).number
    const sheet = sheetOf(staged(daemon.ports, at), log?.states ?? new States())
    const { number, since } = newest(formatsOf(daemon.ports))
    const first: Fact = { type: 'SegmentOpened', segment: 1, previous: null, format: { number, since } }
    if (!log) sheet.walker.take([{ stream: 'log', fact: first }], false)
    const before = await sheet.rehearsals.aside(({ zfs }) => ensureEvents(zfs, at.dataset, true))
    begin(daemon.ports, sheet, at, format)
    const isNew = isUnlaid(sheet.states.pool())
    const refusedOrNull = async (): Promise<Plan | null> => {
      const decision = decidePool(sheet.states, command, asked)
      await sheet.walker.go(decision.drafts)
      return decision.is === 'refused' ? sheet.walker.ending(decision) : null
    }
    const refusal = isNew ? await refusedOrNull() : null
    if (refusal) return refusal
    const opening = { ...at, last: log?.last ?? null }
    await openUp(daemon.ports, sheet, opening, onPaper('the import', 'boot', 'pool import', { name }), false)
    const refusalAgain = isNew ? null : await refusedOrNull()
    if (refusalAgain) return refusalAgain
    return await completed(sheet, { ...sheet.walker.plan('done'), before }, users)
  })

/** Giving up an exported pool: its mark. */
export const planUninstall = (daemon: Daemon, name: string, asked: Asked): Promise<Plan> =>
  daemon.plan(name, async (users) => {
    const facts = await checkUninstallable(daemon.ports, name, daemon.pools.has(name))
    const { states, format } = await mustStudy(daemon.ports, facts)
    const sheet = sheetOf(staged(daemon.ports, facts), states)
    begin(daemon.ports, sheet, facts, format)
    const decision = decidePool(sheet.states, { type: 'pool.uninstall' }, asked)
    await sheet.walker.go(decision.drafts)
    return await completed(sheet, sheet.walker.ending(decision), users)
  })

export const planImport = (
  daemon: Daemon,
  name: string,
  { autostart, force }: { autostart: boolean; force: boolean },
  asked: Asked,
): Promise<Plan> =>
  daemon.plan(name, async (users) => {
    if (daemon.pools.has(name)) throw alreadyImported(name)
    if ((await checkBringIn(daemon.ports, name, force)) === 'to be imported')
      return emptyPlan({
        before: importing(name, force),
        notes: ['what follows stands in its log, which is read when it is imported in ZFS'],
      })
    const facts = await checkImportable(daemon.ports, name, false)
    const { states, format, last } = await mustStudy(daemon.ports, facts)
    const sheet = sheetOf(staged(daemon.ports, facts), states)
    if (lifeOf(sheet.states.pool()) === 'absent') throw notInstalled(name)
    begin(daemon.ports, sheet, facts, format)
    await openUp(daemon.ports, sheet, { ...facts, last }, asked, autostart)
    return await completed(sheet, sheet.walker.plan('done'), users)
  })

/** What is done before the pool's log can be read. */
function importing(name: string, force: boolean): Plan['before'] {
  const argv = ['zpool', 'import', '-N', ...(force ? ['-f'] : []), name]
  return [
    { is: 'run', text: argv.join(' '), argv },
    { is: 'note', text: 'its file systems are mounted' },
  ]
}

/** Every marked and mounted pool that is not imported. */
export async function planImportAll(daemon: Daemon, autostart: boolean): Promise<Plan> {
  const plans: Plan[] = []
  for (const { name, mounted } of await daemon.ports.host.zfs.markedPools()) {
    if (daemon.pools.has(name) || !mounted) continue
    const asked = onPaper(`importing ${name}`, 'boot', 'pool import', { name })
    plans.push(await planImport(daemon, name, { autostart, force: false }, asked))
  }
  return plans.length > 0
    ? joined(plans)
    : emptyPlan({ result: 'no change', notes: ['no pool is left to import'] })
}

/** The end of it all: every pool is exported. */
export async function planShutdown(daemon: Daemon, asked: (op: string) => Asked): Promise<Plan> {
  const plans: Plan[] = []
  for (const name of daemon.pools.keys())
    plans.push(
      await planExport(daemon, name, { force: true, stopContainers: true }, asked(`<operation on ${name}>`)),
    )
  return plans.length > 0 ? joined(plans) : emptyPlan({ result: 'no change', notes: ['no pool is imported'] })
}

/** Exporting: each container that runs is stopped, then the pool is closed. */
export const planExport = (
  daemon: Daemon,
  name: string,
  options: ExportOptions,
  asked: Asked,
): Promise<Plan> =>
  daemon.plan(name, async (users) => {
    const pool = daemon.pool(name)
    if (pool.journal.unavailable !== null)
      return emptyPlan({
        notes: [`its log takes no events (${pool.journal.unavailable}): it is let go as it is`],
      })
    checkAvailable(pool)
    const known = await planOfKnown(pool, asked.key)
    if (known) return known
    const sheet = sheetOf(pool, pool.journal.deciding)
    const { walker, states } = sheet
    const decision = decidePool(states, { type: 'pool.export', ...options }, asked)
    walker.take(decision.drafts, false)
    if (decision.is === 'refused') return walker.ending(decision)
    for (const ct of options.stopContainers ? toStop(states.cts()) : []) {
      if (ct.context.op) {
        walker.notes.push(`${ctidOf(ct)} is stopped when its operation ${ct.context.op.id} has ended`)
        continue
      }
      const ctid = ctidOf(ct)
      const stop = onPaper(`stopping ${ctid}`, 'shutdown', 'ct stop', { id: ctid })
      await walker.go(decideCt(states, stopCommand(ctid), stop).drafts)
    }
    const end: Fact = { type: 'OperationFinished', result: 'done', error: null }
    walker.take(
      [
        { stream: 'pool', fact: end, op: asked.op },
        { stream: 'pool', fact: { type: 'PoolClosed' } },
      ],
      true,
    )
    walker.notes.push(
      "then the head of its log is anchored, the log is closed, and the pool's users leave the host",
    )
    const plan = walker.plan('done')
    const derived = await sheet.rehearsals.aside(({ materialise }) => materialise.forgetPool(name))
    return await completed(sheet, { ...plan, derived }, (_pool, now) =>
      users(name, now).filter((user) => user.pool !== name),
    )
  })

/** The first fact of a session, on the log's own stream. */
function begin(ports: DaemonPorts, { walker }: Sheet, at: At, format: number): void {
  walker.take([{ stream: 'log', fact: sessionOpened(ports.host, ports.version, at, format) }], false)
}

/** What `Pool.ready` does, and the plan of what starts by itself. */
async function openUp(
  ports: DaemonPorts,
  sheet: Sheet,
  at: At & Pick<Studied, 'last'>,
  asked: Asked,
  autostart: boolean,
): Promise<void> {
  const { walker, states } = sheet
  const { host } = ports
  const previous = previousOf(states.pool(), host.bootId())
  const from = cameFrom(at.last, { host: host.hostName(), hostId: host.hostId() }, null)
  walker.take([...openingDrafts(states, at, { bootId: host.bootId(), previous, from }, asked)], false)
  await sheet.rehearsals.derive(({ materialise }) => materialise.pool(at.name, at.dataset))
  const open = [...states.cts()].filter((ct) => ct.context.op !== null)
  for (const { context } of open) {
    walker.notes.push(`operation ${context.op?.id} was interrupted: it is looked at and settled first`)
  }
  const counts = { adopted: 0, lost: 0, exited: 0 }
  for (const ct of [...states.cts()]) {
    const facts = await look(host, at.name, ct, null)
    walker.take(
      facts.map((fact) => ({ stream: streamOfCt(ct), fact })),
      true,
    )
    if (facts.some(({ type }) => type === 'CtAdopted' || type === 'CtRebooted')) counts.adopted++
    else if (facts.some(({ type }) => type === 'CtLost')) counts.lost++
    else if (facts.some(({ type }) => type === 'CtExited')) counts.exited++
  }
  const containers = [...states.cts()].length
  const ready: Fact = { type: 'PoolReady', containers, ...counts, settled: open.length, inDoubt: 0 }
  walker.take([{ stream: 'pool', fact: ready }], true)
  if (previous === 'daemon-died') {
    walker.notes.push('the daemon died while the pool was imported: what it was still to start is started')
    return
  }
  const cts = autostart ? toStart(states) : []
  walker.take(
    [
      {
        stream: 'pool',
        fact: { type: 'AutostartPlanned', cts, ...(autostart ? {} : { off: true as const }) },
      },
    ],
    true,
  )
  if (cts.length === 0) return
  walker.notes.push(startNote(states, cts))
}

/** What is started in the background. */
export function startNote(states: Pick<View, 'pool' | 'ct'>, cts: readonly string[]): string {
  const names = cts.map((id) => ctidOf(states.ct(id)))
  const width = states.pool().context.config.parallelStart
  return `then start by themselves, at most ${width} at a time: ${names.join(', ')}`
}

type Studied = { readonly states: States; readonly format: number; readonly last: Host | null }

/** The states that the log of a pool tells, null when it has none. */
async function studied(ports: DaemonPorts, { name, dataset }: At): Promise<Studied | null> {
  const events = await ports.host.zfs.get(eventsDataset(dataset))
  if (events && !events.mounted)
    throw new CallError(
      'unavailable',
      'E_POOL_NOT_MOUNTED',
      `the log of pool ${name} is not mounted, so there can be no plan (zfs mount ${events.name})`,
    )
  try {
    const store = await ports.openPoolLog(name, dataset, { create: false })
    try {
      const { head, replayFrom, format } = await store.open()
      const fold = new Fold()
      let next: number | null = replayFrom
      while (next !== null && next <= head.seq) {
        const slice: Awaited<ReturnType<typeof store.read>> = await store.read({
          from: next,
          to: head.seq,
          limit: 2000,
        })
        for (const event of slice.events) fold.apply(event)
        next = slice.next
      }
      return { states: fold.states, format: format.number, last: await lastHost(store).catch(() => null) }
    } finally {
      await store.close()
    }
  } catch (error) {
    const isMissing =
      (error instanceof HostError && error.code === 'E_NOT_FOUND') ||
      (error instanceof LogError && error.code === 'E_LOG_MISSING')
    if (isMissing) return null
    throw error
  }
}

async function mustStudy(ports: DaemonPorts, at: At): Promise<Studied> {
  const found = await studied(ports, at)
  if (!found) throw notInstalled(at.name)
  return found
}
