/** Handlers of `ct …`. */
import { isAbsolute } from 'node:path'
import { ctRow } from '../../audit/rows.ts'
import { stateAnswers } from '../../audit/serve/states.ts'
import { type CreateCommand, type CtCommand, decideCt } from '../../machines/decide/container.ts'
import { ctidOf } from '../../machines/fold.ts'
import { TRASH_AGE_MS } from '../../machines/pool/context.ts'
import type { Call } from '../../rpc/call.ts'
import type { Meta, MethodParams } from '../../rpc/methods.ts'
import type { Accepted } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import { CallError, invalid, notFound, refused } from '../errors.ts'
import type { Pool } from '../pool.ts'
import { findImage } from '../repository.ts'
import { asked, type HandlersOf, locate, locateCt, newId, refuseWhileStopping, waiting } from './context.ts'

/** No limit for the wait is a day: an effect always ends. */
const LONGEST_START_S = 86_400
const DEFAULT_START_S = 120
/** Images that say no variant are of the index's default vendor and variant. */
const DEFAULT_WISH = { version: 'stable', vendor: 'default', variant: 'default' } as const

type Params = { meta?: Meta | undefined } & Record<string, unknown>

export function ctHandlers(
  daemon: Daemon,
): HandlersOf<
  | 'ct.list'
  | 'ct.show'
  | 'ct.new'
  | 'ct.import'
  | 'ct.delete'
  | 'ct.start'
  | 'ct.stop'
  | 'ct.restart'
  | 'ct.freeze'
  | 'ct.unfreeze'
  | 'ct.set'
> {
  const run = async (
    pool: Pool,
    command: CtCommand,
    name: string,
    params: Params,
    call: Call,
  ): Promise<Accepted> => {
    refuseWhileStopping(daemon)
    const ask = asked(daemon, call, name, params)
    // Ids are chosen at the moment of the decision: another pool's creation may be on its way, too.
    const now = (): CtCommand =>
      command.type === 'ct.create' ? { ...command, foreignBlocks: daemon.foreignBlocks(pool) } : command
    return await daemon.bus.run(pool, ask, (view) => decideCt(view, now(), ask), waiting(call, params.meta))
  }
  const simple =
    (type: 'ct.freeze' | 'ct.unfreeze') =>
    async (params: { id: string; meta?: Meta | undefined }, call: Call) => {
      const { pool, ctid } = locate(daemon, params.id)
      return await run(pool, { type, ctid }, type.replace('.', ' '), params, call)
    }
  const states = stateAnswers(daemon.past)
  return {
    'ct.list': states['ct.list'],
    'ct.show': async (params) => {
      if (params.at !== undefined) return await states['ct.show'](params)
      const { pool, ct } = locateCt(daemon, params.id)
      return ctRow(pool, ct)
    },
    'ct.new': async (params, call) => {
      const pool = daemon.poolOr(params.pool)
      const command = await creation(daemon, pool, params)
      return await run(pool, command, 'ct new', params, call)
    },
    'ct.import': async (params, call) => {
      const pool = daemon.poolOr(params.pool)
      const command = await importation(daemon, pool, params)
      return await run(pool, command, 'ct import', params, call)
    },
    'ct.delete': async (params, call) => {
      const { pool, ctid } = locate(daemon, params.id)
      const accepted = await run(
        pool,
        { type: 'ct.delete', ctid, force: params.force },
        'ct del',
        params,
        call,
      )
      if (accepted.plan) return accepted
      const trash = { name: `${ctid}.${accepted.op}`, expires_at: daemon.ports.clock.wall() + TRASH_AGE_MS }
      return { ...accepted, trash }
    },
    'ct.start': async (params, call) => {
      const { pool, ctid } = locate(daemon, params.id)
      const timeoutSeconds = startTimeout(params.waitSeconds)
      const command = {
        type: 'ct.start',
        ctid,
        run: newId(daemon, params.meta, 'run'),
        timeoutSeconds,
      } as const
      return await run(pool, command, 'ct start', withoutWait(params, params.waitSeconds), call)
    },
    'ct.stop': async (params, call) => {
      const { pool, ctid } = locate(daemon, params.id)
      const { mode, timeoutSeconds } = params
      return await run(pool, { type: 'ct.stop', ctid, mode, timeoutSeconds }, 'ct stop', params, call)
    },
    'ct.restart': async (params, call) => {
      const { pool, ctid } = locate(daemon, params.id)
      const { mode, timeoutSeconds } = params
      const startTimeoutSeconds = startTimeout(params.waitSeconds)
      const again = { run: newId(daemon, params.meta, 'run'), startTimeoutSeconds, mode, timeoutSeconds }
      return await run(
        pool,
        { type: 'ct.restart', ctid, ...again },
        'ct restart',
        withoutWait(params, params.waitSeconds),
        call,
      )
    },
    'ct.freeze': simple('ct.freeze'),
    'ct.unfreeze': simple('ct.unfreeze'),
    'ct.set': async (params, call) => {
      const { pool, ctid } = locate(daemon, params.id)
      return await run(pool, { type: 'ct.set', ctid, set: params.set }, 'ct set', params, call)
    },
  }
}

/** `-w 0` does not wait for the start; the start itself then has the usual time. */
const startTimeout = (wait: number | null): number =>
  wait === null ? LONGEST_START_S : wait === 0 ? DEFAULT_START_S : wait

const withoutWait = <P extends Params>(params: P, wait: number | null): P =>
  wait === 0 ? { ...params, meta: { ...params.meta, noWait: true } } : params

async function creation(daemon: Daemon, pool: Pool, params: MethodParams<'ct.new'>): Promise<CreateCommand> {
  const arch = params.arch ?? 'x86_64'
  if (params.skipImage) {
    const { distribution, version } = params
    if (distribution === undefined) throw invalid('E_DISTRIBUTION', 'provide distribution')
    if (version === undefined) throw invalid('E_VERSION', 'provide distribution version')
    return {
      ...base(daemon, pool, params.id, params),
      distribution,
      version,
      arch,
      initCmd: null,
      source: { from: 'empty' },
    }
  }
  if (params.distribution === undefined) throw invalid('E_DISTRIBUTION', 'provide distribution')
  const { repositories } = pool.journal.states.pool().context
  const wanted = params.repository ?? null
  if (wanted !== null && !repositories[wanted]) {
    throw notFound(
      'E_REPO_NOT_FOUND',
      `repository not found: ${wanted} (there are: ${Object.keys(repositories).join(', ')})`,
    )
  }
  const { distribution, version, vendor, variant } = params
  const wish = {
    distribution,
    arch,
    version: version ?? DEFAULT_WISH.version,
    vendor: vendor ?? DEFAULT_WISH.vendor,
    variant: variant ?? DEFAULT_WISH.variant,
  }
  const { image, problems } = await findImage(daemon.ports, repositories, wanted, wish)
  if (!image) {
    const why =
      problems.length > 0
        ? `: ${problems.join('; ')}`
        : ` (osctl repo images ls ${wanted ?? 'default'} shows what is there)`
    throw notFound('E_IMAGE_NOT_FOUND', `image not found in searched repositories${why}`)
  }
  const source = { from: 'repository', image } as const
  return {
    ...base(daemon, pool, params.id, params),
    distribution,
    version: image.version,
    arch,
    initCmd: null,
    source,
  }
}

function base(
  daemon: Daemon,
  pool: Pool,
  ctid: string,
  { user, meta }: { user?: string | undefined; meta?: Meta | undefined },
) {
  if (user !== undefined && !pool.journal.states.pool().context.users[user]) {
    throw notFound(
      'E_USER_NOT_FOUND',
      `user not found: ${user} (without --user the container gets a user of its own)`,
    )
  }
  return {
    type: 'ct.create',
    id: newId(daemon, meta, 'container'),
    ctid,
    user: user ?? null,
    group: '/default',
    foreignBlocks: [],
  } as const
}

async function importation(
  daemon: Daemon,
  pool: Pool,
  params: MethodParams<'ct.import'>,
): Promise<CreateCommand> {
  if (!isAbsolute(params.file)) throw invalid('E_FILE', 'the file is named by its absolute path')
  const { initCmd, containerId, distribution, version, arch, format, bytes, datasets, snapshots } =
    await inspected(daemon, params.file)
  const ctid = params.id ?? containerId
  if (ctid === null) throw refused('E_NO_ID', 'the image does not include container id, specify it')
  return {
    ...base(daemon, pool, ctid, params),
    distribution: distribution ?? 'other',
    version: version ?? 'unknown',
    arch: arch ?? 'x86_64',
    initCmd,
    source: { from: 'file', file: { path: params.file, format, bytes, datasets, snapshots } },
  }
}

async function inspected(daemon: Daemon, file: string) {
  try {
    return await daemon.ports.host.images.inspect(file)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new CallError('failed', 'E_BAD_IMAGE', message.includes(file) ? message : `${file}: ${message}`)
  }
}

export { ctidOf }
