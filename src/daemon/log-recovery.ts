/**
 * Going on with a log that cannot be trusted (DESIGN D16): one that is damaged, has lost its end, or is another one
 * than was anchored. Nothing is thrown away: a damaged file is kept beside the log that takes its place, and what is
 * given up, why, and by whom stands in the log itself.
 *
 * The plan says what would be given up; it is carried out for the very log that it was made of. Afterwards the pool
 * is imported as after a boot: what the host shows is looked at again, and differs from what the shorter log says
 * where something happened in what was lost. Containers that run although the log says that they do not are taken
 * over; what cannot be taken over is drift (drift.ts), and `osctl drift ls` says how to settle it.
 *
 * On a crash the log opens as it was found, or recovered; asking again does what is left.
 */
import { type Broken, brokenText } from '../audit/anchors.ts'
import { evidenceName } from '../events/log/store.ts'
import type { Head } from '../events/types/envelope.ts'
import type { FactOf } from '../events/types/events.ts'
import { advance } from '../machines/advance.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { decideDrift } from '../machines/decide/drift.ts'
import { decideLog } from '../machines/decide/log.ts'
import { ctIdOf, ctidOf, streamOfCt } from '../machines/fold.ts'
import { headText } from '../rpc/heads.ts'
import type { RecoveryPlan } from '../rpc/proof.ts'
import { baselinesOf } from './baselines.ts'
import type { Bus } from './bus.ts'
import { refused } from './errors.ts'
import type { Pool } from './pool.ts'
import { type DaemonPorts, mintOf } from './ports.ts'

const MOST_DAMAGE = 20

type Suspect = { readonly isDamaged: boolean; readonly broken: readonly Broken[]; readonly reason: string }

/** What is wrong with the pool's log. @throws CallError refused: nothing is, or it is not for this to mend */
function suspectOf(pool: Pool): Suspect {
  const { opened, broken: found } = pool.found
  const { lost, unavailable } = pool.journal
  if (unavailable === null)
    throw refused('E_LOG_OK', `the log of ${pool.name} takes changes: there is nothing to recover`)
  const broken: Broken[] = [...found]
  if (lost) broken.push({ anchor: { ...lost, where: 'committed by this osctld' }, is: 'lost' })
  const isDamaged = opened.readOnly !== null && opened.damage.length > 0
  if (!isDamaged && broken.length === 0)
    throw refused('E_LOG_NOT_DAMAGED', `the log of ${pool.name} cannot be recovered: ${unavailable}`)
  return { isDamaged, broken, reason: unavailable }
}

const headNow = (pool: Pool): Head => pool.journal.store.head()

/** @throws CallError refused */
export function recoveryPlan(pool: Pool): RecoveryPlan {
  const { isDamaged, broken, reason } = suspectOf(pool)
  const head = headNow(pool)
  const known = Math.max(0, ...broken.filter(({ is }) => is === 'lost').map(({ anchor }) => anchor.seq))
  return {
    pool: pool.name,
    reason,
    from: headText(head),
    lost_from: head.seq + 1,
    lost_to: known > head.seq ? known : null,
    damage: [
      ...pool.found.opened.damage.map(
        ({ seq, segment, what }) => `segment ${segment}${seq === null ? '' : `, event ${seq}`}: ${what}`,
      ),
      ...broken.map((it) => brokenText(it, head)),
    ],
    evidence: isDamaged ? `${pool.directory}/events/${evidenceName('…')}` : null,
    containers: pool.containers().length,
  }
}

/**
 * Writes down what is given up and goes on behind the last event that can be trusted. The pool must be opened anew.
 * @param from  the head that the plan named
 * @throws CallError refused; LogError E_LOG_READ_ONLY, E_LOG_DAMAGED (nothing of it can be read)
 */
export async function recoverLog(ports: DaemonPorts, pool: Pool, from: string, asked: Asked): Promise<void> {
  const { isDamaged, broken, reason } = suspectOf(pool)
  const head = headNow(pool)
  if (headText(head) !== from)
    throw refused(
      'E_LOG_CHANGED',
      `the log ends at ${headText(head)}, not at ${from}: look at the plan again`,
    )
  const fact: FactOf<'LogRecovered'> = {
    type: 'LogRecovered',
    reason,
    from: head,
    damage: pool.found.opened.damage.slice(0, MOST_DAMAGE).map((it) => ({ ...it })),
    lost: broken.map(({ anchor: { seq, hash } }) => ({ seq, hash })),
    evidence: isDamaged ? evidenceName(asked.op) : null,
  }
  const { events } = advance(pool.journal.states, decideLog(asked, fact).drafts, mintOf(ports))
  const { store } = pool.journal
  if (!isDamaged) await store.append({ events, expected: {} })
  else
    await store.recover({ label: asked.op, events, baselines: baselinesOf(pool.journal.fold, mintOf(ports)) })
}

type Owner = {
  readonly bus: Bus
  readonly ports: DaemonPorts
  asked(actor: 'recovery', command: string, args: Record<string, unknown>): Asked
}

/** Containers whose start was lost run all the same: that they do is drift, and what has a run of ours is taken over. */
export async function adoptRunning(owner: Owner, pool: Pool): Promise<void> {
  await pool.drift.idle()
  for (const ct of pool.containers()) {
    const drift = ct.context.drift?.['running']
    if (drift?.found.run == null) continue
    const asked = owner.asked('recovery', 'drift adopt', { id: `${ctidOf(ct)}/running` })
    const command = { type: 'drift.adopt', stream: streamOfCt(ct), drift: 'running' } as const
    await owner.bus
      .run(pool, asked, (view) => decideDrift(view, command, asked), { noWait: false })
      .catch((error) =>
        owner.ports.logger.warn(
          { pool: pool.name, ct: ctidOf(ct), error: String(error) },
          'it runs and is not known to',
        ),
      )
    await pool.lookForNews(pool.states.ct(ctIdOf(ct)))
  }
}
