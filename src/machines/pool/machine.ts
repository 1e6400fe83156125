/**
 * The pool: what osctld knows of it (`life`), the facts about its entities (`entities`), the emptying of
 * its trash (`trash`), what the host shows differently (`drift`), and the operation (`op`), side by side.
 *
 * On a crash: an import that did not reach PoolClosed is simply followed by the next PoolOpened, whatever
 * the state was; an installation is taken up at its pending intent, `active=yes` being the last.
 */
import { assign, type SnapshotFrom, setup } from 'xstate'
import { noticed, planned, settled } from '../drift.ts'
import {
  begin,
  cancelled,
  doubted,
  failed,
  intended,
  isAwaited,
  type Operation,
  operationRegion,
  retried,
  succeeded,
} from '../operation.ts'
import { MAX_MICROSTEPS, neverExecuted, type Seen, type Wanted } from '../step.ts'
import { emptyPool, type PoolContext, poolIntents, poolTakenOver, reduceEntities } from './context.ts'

const of = <T extends Seen['type']>(event: Seen, type: T): Extract<Seen, { type: T }> => {
  if (event.type !== type) throw new Error(`expected ${type}, got ${event.type}`)
  return event as Extract<Seen, { type: T }>
}

/** An operation without a pending intent, an export, cannot go on after a death: it has failed. */
const interrupted = (op: Operation | null): Operation | null =>
  op && !op.pending ? { ...op, error: op.error ?? 'interrupted: the daemon or its host died' } : op

const base = setup({
  types: { context: {} as PoolContext, events: {} as Seen },
  actions: {
    effect: (_args, _params: Wanted) => neverExecuted(),
    /** Makes a fact without consequence a handled one: XState tells the two apart by the new state object. */
    note: assign(() => ({})),
    entity: assign(({ context, event }) => reduceEntities(context, event)),
    name: assign(({ event }) => {
      const { pool, dataset } = of(event, 'PoolInstallRequested')
      return { pool, dataset: dataset ?? pool }
    }),
    opened: assign(({ context, event }) => {
      const { pool, dataset, bootId, previous, from, meta } = of(event, 'PoolOpened')
      // A daemon that died in the middle of its plan is followed by one that goes on with it.
      const autostart = previous === 'daemon-died' ? context.autostart : []
      const moved = from ? { cameFrom: { ...from, at: meta.t } } : {}
      return { pool, dataset, bootId, autostart, op: interrupted(context.op), ...moved }
    }),
    openedAgain: assign(({ event }) => {
      const { pool, dataset, bootId } = of(event, 'PoolOpened')
      return { pool, dataset, bootId }
    }),
    planPruning: assign(({ event }) => ({ pruning: of(event, 'TrashPruneRequested').names })),
    pruned: assign(({ context }) => ({ pruning: context.pruning.slice(1) })),
    notice: assign(({ context, event }) => noticed(context, of(event, 'DriftNoticed'))),
    isInStep: assign(({ context, event }) => settled(context, of(event, 'DriftGone').drift)),
    takeOver: assign(({ context, event }) => poolTakenOver(context, of(event, 'DriftAdopted'))),
    planMending: assign(({ event }) => planned(of(event, 'DriftRepairRequested'))),
    mended: assign(({ context }) => ({
      ...(context.mending ? settled(context, context.mending.drift) : {}),
      mending: undefined,
    })),
    notMended: assign({ mending: undefined }),
    opBegin: assign(({ event }) => ({ op: begin(of(event, 'CommandAccepted')) })),
    opIntend: assign(({ context, event }) => ({ op: intended(context.op, of(event, 'EffectIntended')) })),
    opSucceed: assign(({ context, event }) => ({ op: succeeded(context.op, of(event, 'EffectSucceeded')) })),
    opFail: assign(({ context, event }) => ({ op: failed(context.op, of(event, 'EffectFailed')) })),
    opRetry: assign(({ context, event }) => ({ op: retried(context.op, of(event, 'EffectRetried')) })),
    opDoubt: assign(({ context, event }) => ({ op: doubted(context.op, of(event, 'EffectInDoubt').why) })),
    opResume: assign(({ context }) => ({ op: doubted(context.op, null) })),
    opCancel: assign(({ context, event }) => ({
      op: cancelled(context.op, of(event, 'CancelRequested')),
    })),
    opEnd: assign({ op: null }),
  },
  guards: {
    awaited: ({ context, event }) => isAwaited(context.op, event),
    ofThisOp: ({ context, event }) => context.op !== null && event.meta.op === context.op.id,
    /** At most one intent is pending: a second one is illegal, whichever region asked for it. */
    nonePending: ({ context }) => !context.op?.pending,
    sameBoot: ({ event }) => of(event, 'PoolOpened').previous === 'daemon-died',
    known: ({ context, event }) => 'drift' in event && context.drift?.[event.drift] !== undefined,
    lastPruned: ({ context, event }) => isAwaited(context.op, event) && context.pruning.length <= 1,
    nothingToPrune: ({ event }) => of(event, 'TrashPruneRequested').names.length === 0,
  },
})

/** `asks` names the kind of the intent, for the diagram: it hangs on the function that makes the intent. */
const intend = (asks: string, make: (c: PoolContext) => Wanted) =>
  ({
    type: 'effect',
    params: Object.assign(({ context }: { context: PoolContext }) => make(context), { asks }),
  }) as const

const entity = { actions: 'entity' } as const
const reopen = { target: '#pool.life.importing', actions: 'opened' } as const
const { createMachine } = base

export const poolMachine = createMachine({
  id: 'pool',
  type: 'parallel',
  context: emptyPool,
  options: { maxIterations: MAX_MICROSTEPS },
  on: {
    CommandNoop: { actions: 'note' },
    CommandRefused: { actions: 'note' },
    RefusalsSummed: { actions: 'note' },
    EffectLate: { actions: 'note' },
    EffectFenced: { actions: 'note' },
  },
  states: {
    life: {
      initial: 'absent',
      states: {
        absent: { on: { PoolInstallRequested: { target: 'installing', actions: 'name' } } },
        installing: {
          on: { EffectFailed: { guard: 'awaited', target: 'absent' } },
          initial: 'layingOut',
          states: {
            layingOut: {
              entry: intend('pool.layout', poolIntents.layout),
              on: { EffectSucceeded: { guard: 'awaited', target: 'marking' } },
            },
            marking: {
              entry: intend('pool.mark', poolIntents.mark),
              on: { EffectSucceeded: { guard: 'awaited', target: '#pool.life.closed' } },
            },
          },
        },
        /** Installed and not imported: nothing of it runs, its log is closed. */
        closed: {
          on: {
            PoolOpened: reopen,
            PoolUninstallRequested: 'uninstalling',
          },
        },
        /** Opened; recovery runs, and containers without open intents already take commands. */
        importing: { on: { PoolReady: 'active', PoolOpened: reopen, PoolClosed: 'closed' } },
        active: { on: { PoolExportRequested: 'exporting', PoolOpened: reopen, PoolClosed: 'closed' } },
        /** A daemon that dies in the middle of it is followed by one that goes on; a host is not. */
        exporting: {
          on: {
            PoolClosed: 'closed',
            PoolOpened: [{ guard: 'sameBoot', actions: 'openedAgain' }, reopen],
            PoolReady: { actions: 'note' },
            PoolExportFailed: 'active',
          },
        },
        uninstalling: {
          entry: intend('pool.mark', poolIntents.unmark),
          on: {
            EffectSucceeded: { guard: 'awaited', target: 'absent' },
            EffectFailed: { guard: 'awaited', target: 'closed' },
          },
        },
      },
    },
    entities: {
      initial: 'kept',
      states: {
        kept: {
          on: {
            UserCreated: entity,
            UserDeleted: entity,
            IdRangeCreated: entity,
            RepositoryAdded: entity,
            RepositoryDeleted: entity,
            RepositorySet: entity,
            ImageInstalled: entity,
            TrashAdded: entity,
            TrashRestored: entity,
            TrashDestroyed: entity,
            PoolConfigSet: entity,
            AutostartPlanned: entity,
            AutostartFinished: entity,
          },
        },
      },
    },
    trash: {
      initial: 'resting',
      states: {
        resting: {
          on: {
            TrashPruneRequested: [
              { guard: 'nothingToPrune', actions: 'note' },
              { target: 'pruning', actions: 'planPruning' },
            ],
          },
        },
        /** One entry after another; one that is busy is left for the next time. */
        pruning: {
          entry: intend('dataset.destroy', poolIntents.destroy),
          on: {
            EffectSucceeded: [
              { guard: 'lastPruned', target: 'resting', actions: 'pruned' },
              { guard: 'awaited', target: 'pruning', reenter: true, actions: 'pruned' },
            ],
            EffectFailed: [
              { guard: 'lastPruned', target: 'resting', actions: 'pruned' },
              { guard: 'awaited', target: 'pruning', reenter: true, actions: 'pruned' },
            ],
          },
        },
      },
    },
    drift: {
      initial: 'known',
      states: {
        known: {
          on: {
            DriftNoticed: { actions: 'notice' },
            DriftGone: { guard: 'known', actions: 'isInStep' },
            DriftAdopted: { guard: 'known', actions: 'takeOver' },
            DriftRepairRequested: { guard: 'known', target: 'mending', actions: 'planMending' },
          },
        },
        mending: {
          entry: intend('repair', poolIntents.mend),
          on: {
            EffectSucceeded: { guard: 'awaited', target: 'known', actions: 'mended' },
            EffectFailed: { guard: 'awaited', target: 'known', actions: 'notMended' },
          },
        },
      },
    },
    op: operationRegion,
  },
})

export type PoolState = SnapshotFrom<typeof poolMachine>
