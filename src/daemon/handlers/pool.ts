/** Handlers of `pool …`, `user`, `id-range`, `repo`, `trash-bin`. */

import { poolRow } from '../../audit/rows.ts'
import { stateAnswers } from '../../audit/serve/states.ts'
import type { EventData } from '../../events/types/events.ts'
import { decidePool, type PoolCommand } from '../../machines/decide/pool.ts'
import { DEFAULT_PARALLEL } from '../../machines/pool/context.ts'
import type { Call } from '../../rpc/call.ts'
import type { Meta } from '../../rpc/methods.ts'
import { emptyPlan, joined, type Plan } from '../../rpc/plan.ts'
import type { Accepted, ImageRow, PoolRow } from '../../rpc/results.ts'
import type { Daemon } from '../daemon.ts'
import { invalid, notFound } from '../errors.ts'
import { planned } from '../plan/plan.ts'
import { planExport, planInstall, planUninstall, startNote } from '../plan/pools.ts'
import type { Pool } from '../pool.ts'
import { dayOf, imageOf, matching, readIndex } from '../repository.ts'
import {
  asked,
  done,
  type HandlersOf,
  named,
  poolsOf,
  refuseWhileStopping,
  unlessWaited,
  waiting,
} from './context.ts'
import { importHandler } from './pool-import.ts'

type PoolMethods =
  | 'pool.list'
  | 'pool.show'
  | 'pool.install'
  | 'pool.uninstall'
  | 'pool.import'
  | 'pool.export'
  | 'pool.set'
  | 'pool.autostart-trigger'
  | 'pool.autostart-cancel'

export function poolHandlers(daemon: Daemon): HandlersOf<PoolMethods> {
  const states = stateAnswers(daemon.past)
  return {
    'pool.list': async (params) =>
      params.at === undefined
        ? await Promise.all(poolsOf(daemon, params.names).map(measured))
        : await states['pool.list'](params),
    'pool.show': async (params) =>
      params.at === undefined ? await measured(daemon.pool(params.name)) : await states['pool.show'](params),
    'pool.install': async (params, call) => {
      refuseWhileStopping(daemon)
      const ask = asked(daemon, call, 'pool install', params)
      if (params.meta?.dryRun)
        return planned(await planInstall(daemon, params.name, params.dataset ?? null, ask))
      return await unlessWaited(call, params.meta, async (accepted) =>
        done(await daemon.install(params.name, params.dataset ?? null, ask, accepted)),
      )
    },
    'pool.uninstall': async (params, call) => {
      refuseWhileStopping(daemon)
      const ask = asked(daemon, call, 'pool uninstall', params)
      if (params.meta?.dryRun) return planned(await planUninstall(daemon, params.name, ask))
      return await unlessWaited(call, params.meta, async (accepted) => {
        await daemon.uninstall(params.name, ask, accepted)
        return done(ask.op)
      })
    },
    'pool.import': importHandler(daemon),
    'pool.export': async (params, call) => {
      const isGone = params.ifImported && !daemon.pools.has(params.name)
      if (isGone && params.meta?.dryRun)
        return planned(emptyPlan({ result: 'no change', notes: ['the pool is not imported'] }))
      if (isGone) return { op: null, result: 'noop', position: null, warnings: [] }
      const ask = asked(daemon, call, 'pool export', params)
      const { force, stopContainers } = params
      if (params.meta?.dryRun)
        return planned(await planExport(daemon, params.name, { force, stopContainers }, ask))
      return await unlessWaited(call, params.meta, async (accepted) =>
        done(
          await daemon.export(params.name, { force, stopContainers }, ask, {
            accepted,
            progress: (text) => call.progress(text),
          }),
        ),
      )
    },
    'pool.autostart-trigger': async (params, call) => {
      const command = { type: 'pool.autostart-trigger' } as const
      const pool = daemon.pool(params.name)
      const answer = await decided(daemon, pool, command, 'pool autostart trigger', params, call)
      return withStarts(pool, answer)
    },
    'pool.autostart-cancel': async (params, call) => {
      const command = { type: 'pool.autostart-cancel' } as const
      return await decided(daemon, daemon.pool(params.name), command, 'pool autostart cancel', params, call)
    },
    'pool.set': async (params, call) => {
      const pool = daemon.pool(params.name)
      const { parallelStart, parallelStop, attrs } = params.set
      const set = {
        ...(parallelStart === undefined
          ? {}
          : { parallelStart: parallelStart ?? DEFAULT_PARALLEL.parallelStart }),
        ...(parallelStop === undefined
          ? {}
          : { parallelStop: parallelStop ?? DEFAULT_PARALLEL.parallelStop }),
        ...(attrs === undefined ? {} : { attrs }),
      }
      return await decided(daemon, pool, { type: 'pool.set', set }, 'pool set', params, call)
    },
  }
}

/** A plan of a trigger names what the background then does. */
function withStarts({ states }: Pool, answer: Accepted): Accepted {
  const planned = answer.plan?.events.find(({ type }) => type === 'AutostartPlanned')
  if (!answer.plan || !planned) return answer
  const { cts } = planned.data as EventData<'AutostartPlanned'>
  const note = startNote(states, cts)
  return { ...answer, plan: { ...answer.plan, notes: [...answer.plan.notes, note] } }
}

async function decided(
  daemon: Daemon,
  pool: Pool,
  command: PoolCommand,
  name: string,
  params: { meta?: Meta | undefined } & Record<string, unknown>,
  call: Call,
): Promise<Accepted> {
  refuseWhileStopping(daemon)
  const ask = asked(daemon, call, name, params)
  return await daemon.bus.run(pool, ask, (view) => decidePool(view, command, ask), waiting(call, params.meta))
}

type EntityMethods =
  | 'user.list'
  | 'id-range.list'
  | 'repo.list'
  | 'repo.add'
  | 'repo.delete'
  | 'repo.enable'
  | 'repo.disable'
  | 'repo.images'
  | 'trash.list'
  | 'trash.prune'

export function entityHandlers(daemon: Daemon): HandlersOf<EntityMethods> {
  const repository = (target: string) =>
    named(daemon, target, (pool, name) => pool.journal.states.pool().context.repositories[name] !== undefined)
  const toggle =
    (enabled: boolean) => async (params: { name: string; meta?: Meta | undefined }, call: Call) => {
      const { pool, name } = repository(params.name)
      return await decided(
        daemon,
        pool,
        { type: 'repo.set', name, enabled },
        enabled ? 'repo enable' : 'repo disable',
        params,
        call,
      )
    }
  const states = stateAnswers(daemon.past)
  return {
    'user.list': states['user.list'],
    'id-range.list': states['id-range.list'],
    'repo.list': states['repo.list'],
    'repo.add': async (params, call) => {
      const { name, url } = params
      checkUrl(url)
      return await decided(
        daemon,
        daemon.poolOr(params.pool),
        { type: 'repo.add', name, url },
        'repo add',
        params,
        call,
      )
    },
    'repo.delete': async (params, call) => {
      const { pool, name } = repository(params.name)
      return await decided(daemon, pool, { type: 'repo.delete', name }, 'repo del', params, call)
    },
    'repo.enable': toggle(true),
    'repo.disable': toggle(false),
    'repo.images': async (params) => {
      const { pool, name } = repository(params.name)
      return await images(daemon, pool, name, params)
    },
    'trash.list': states['trash.list'],
    'trash.prune': async (params, call) => {
      let last = done(null)
      const plans: Plan[] = []
      for (const pool of poolsOf(daemon, params.pools)) {
        const names = Object.keys(pool.journal.states.pool().context.trash)
        last = await decided(
          daemon,
          pool,
          { type: 'trash.prune', names, why: 'command' },
          'trash-bin prune',
          params,
          call,
        )
        if (last.plan) plans.push(last.plan)
      }
      return plans.length > 0 ? planned(joined(plans)) : last
    },
  }
}

/** A repository is http, https, or a directory of the host; credentials in it would end up in the log (DESIGN D13). */
function checkUrl(url: string): void {
  if (url.startsWith('/')) return
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol)) {
    throw invalid('E_URL', `not a repository address: ${url} (http://…, https://… or an absolute directory)`)
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalid(
      'E_URL_USERINFO',
      'a repository address must not carry a user name or password: it would stand in the log',
    )
  }
  if (parsed.search !== '' || parsed.hash !== '')
    throw invalid('E_URL', 'a repository address has no query and no fragment: what it asks for is below it')
}

type ImageQuery = {
  distribution?: string | undefined
  version?: string | undefined
  arch?: string | undefined
  vendor?: string | undefined
  variant?: string | undefined
  tag?: string | undefined
  cached?: boolean | undefined
}

/** The row of a pool, with what only the host and the open log can tell of it. */
async function measured(pool: Pool): Promise<PoolRow> {
  const facts = await pool.ports.host.zfs.pool(pool.name).catch(() => null)
  const head = pool.journal.head()
  const unsafe = facts && facts.unsafe.length > 0 ? facts.unsafe.join('; ') : null
  const { unavailable } = pool.journal
  return poolRow(pool, {
    log: logWord(unavailable, unsafe),
    log_head: `${head.seq}:${head.hash.slice(0, 16)}`,
    format: pool.journal.format.number,
    health: facts?.health ?? 'unknown',
    problem: unavailable ?? unsafe,
  })
}

function logWord(unavailable: string | null, unsafe: string | null): string {
  if (unavailable !== null) return unavailable.startsWith('suspended') ? 'suspended' : 'read-only'
  return unsafe === null ? 'ok' : 'degraded'
}

async function images(daemon: Daemon, pool: Pool, name: string, query: ImageQuery): Promise<ImageRow[]> {
  const state = pool.journal.states.pool().context
  const repository = state.repositories[name]
  if (!repository) throw notFound('E_REPO_NOT_FOUND', 'repository not found')
  const index = await readIndex(daemon.ports, repository.url)
  const day = dayOf(daemon.ports.clock.wall())
  const rows = matching(index, query).map((image): ImageRow => {
    const found = imageOf(name, repository.url, image, day)
    const { vendor, variant, arch, distribution, version, tags } = image
    const cached = found !== null && state.images[found.key] !== undefined
    return { vendor, variant, arch, distribution, version, tags: tags.join(','), cached }
  })
  return query.cached === undefined ? rows : rows.filter((row) => row.cached === query.cached)
}
