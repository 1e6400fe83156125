/**
 * The container: four regions side by side.
 *
 * `life` is where the container is between absent and gone; each of its states that waits for the host
 * asks for exactly one intent on entry and leaves on its outcome. `settings` says whether what runs is what
 * is configured. `drift` is what the host shows differently, and its repair. `op` is the operation: idle, working, or in doubt.
 *
 * On a crash nothing is lost: the intent stands in the log before its effect begins, so replay ends in the
 * state that asked for it, with the intent pending, and recovery settles it. A failed creation turns round
 * and undoes its steps, newest first; a failed start ends stopped, a failed stop where it was.
 */
import { assign, type SnapshotFrom, setup } from 'xstate'
import type { RunEvidence } from '../../events/types/intents.ts'
import { isOfDataset, noticed, planned, settled } from '../drift.ts'
import {
  begin,
  cancelled,
  doubted,
  failed,
  intended,
  isAwaited,
  nextToUndo,
  operationRegion,
  retried,
  succeeded,
} from '../operation.ts'
import { MAX_MICROSTEPS, neverExecuted, type Seen, type Wanted } from '../step.ts'
import { type CtContext, emptyContext, intents, must, stagedBy, takenOver, withSettings } from './context.ts'

const of = <T extends Seen['type']>(event: Seen, type: T): Extract<Seen, { type: T }> => {
  if (event.type !== type) throw new Error(`expected ${type}, got ${event.type}`)
  return event as Extract<Seen, { type: T }>
}

/** What a container that runs no more forgets. */
const ENDED = { run: null, stop: null, wasFrozen: false } as const

const isThisRun = (context: CtContext, event: Seen): boolean =>
  context.run !== null && 'run' in event && event.run === context.run.name

/** There, not running, and nothing is being done to it. */
const isAtRest = ({ dataset, run, op, mending }: CtContext): boolean =>
  dataset !== null && run === null && !op?.pending && mending === undefined

const isAdopted = (context: CtContext, { drift }: { drift: string }, name: string): boolean =>
  drift === name && context.drift?.[name] !== undefined && isAtRest(context)

const base = setup({
  types: { context: {} as CtContext, events: {} as Seen },
  actions: {
    effect: (_args, _params: Wanted) => neverExecuted(),
    /** Makes a fact without consequence a handled one: XState tells the two apart by the new state object. */
    note: assign(() => ({})),
    declare: assign(({ event }) => {
      const { identity, settings, source, map, meta } = of(event, 'CtCreateRequested')
      return { identity, settings, source, map, createdAt: meta.t }
    }),
    configure: assign(({ context, event }) => ({
      settings: withSettings(context.settings, of(event, 'CtConfigSet').set),
    })),
    stage: assign(({ context, event }) => ({ staging: stagedBy(context, of(event, 'EffectSucceeded')) })),
    keepArchive: assign(({ event }) => {
      const { file, sha256 } = of(event, 'EffectSucceeded').evidence as { file: string; sha256: string }
      return { archive: { file, sha256 } }
    }),
    keepImage: assign(({ context, event }) => {
      const { guid } = of(event, 'EffectSucceeded').evidence as { guid: string }
      const key = context.source?.from === 'repository' ? context.source.image.key : ''
      return { image: { key, guid } }
    }),
    published: assign(({ context }) => ({
      dataset: must(context.staging, 'staging').guid,
      staging: null,
      archive: null,
    })),
    planRun: assign(({ event }) => {
      const { run, timeoutSeconds } = of(event, 'CtStartRequested')
      return { nextRun: { name: run, timeoutSeconds }, lostAt: null, lostRebooting: false }
    }),
    planRestart: assign(({ event }) => {
      const { run, startTimeoutSeconds, mode, timeoutSeconds } = of(event, 'CtRestartRequested')
      return {
        nextRun: { name: run, timeoutSeconds: startTimeoutSeconds },
        stop: { mode, timeoutSeconds },
        lostAt: null,
        lostRebooting: false,
      }
    }),
    planStop: assign(({ event }) => {
      const { mode, timeoutSeconds } = of(event, 'CtStopRequested')
      return { stop: { mode, timeoutSeconds } }
    }),
    wasFrozen: assign({ wasFrozen: true }),
    planDelete: assign(({ event }) => ({
      trash: of(event, 'CtDeleteRequested').trash,
      stop: { mode: 'kill' as const, timeoutSeconds: 0 },
    })),
    runs: assign(({ context, event }) => {
      const fact = of(event, 'EffectSucceeded')
      const name = must(context.nextRun, 'next run').name
      const run = { name, evidence: fact.evidence as RunEvidence, startedAt: fact.meta.t }
      return { run, nextRun: null, stop: null, lastExit: null }
    }),
    runsAgain: assign(({ context, event }) => {
      const fact = of(event, 'CtRebooted')
      return { run: { ...must(context.run, 'run'), evidence: fact.evidence, startedAt: fact.meta.t } }
    }),
    adopt: assign(({ context, event }) => ({
      run: { ...must(context.run, 'run'), evidence: of(event, 'CtAdopted').evidence },
    })),
    ended: assign(({ event }) => ({
      ...ENDED,
      nextRun: null,
      lastExit: { target: 'stop' as const, t: event.meta.t },
    })),
    notStarted: assign({ nextRun: null, stop: null }),
    endedForRestart: assign(ENDED),
    /** A start that was overtaken by the stop may have made a run all the same: it keeps its name. */
    stopForgotten: assign(({ context: { run, nextRun } }) => ({
      run: run ?? (nextRun ? { name: nextRun.name, evidence: null, startedAt: null } : null),
      nextRun: null,
      stop: null,
      wasFrozen: false,
    })),
    exited: assign(({ event }) => {
      const { target, meta } = of(event, 'CtExited')
      return target === 'reboot'
        ? { lastExit: { target, t: meta.t } }
        : { ...ENDED, nextRun: null, lastExit: { target, t: meta.t } }
    }),
    lost: assign(({ event }) => ({ ...ENDED, lostAt: of(event, 'CtLost').bootId })),
    lostInReboot: assign({ lostRebooting: true }),
    forget: assign({ dataset: null, run: null }),
    /** It is in the trash under this name, and published from there as from a staging dataset. */
    planUndelete: assign(({ event }) => {
      const { trash, guid, identity, map } = of(event, 'CtUndeleteRequested')
      return { trash, identity, map, staging: { dataset: `trash/${trash}`, guid } }
    }),
    leftInTrash: assign({ staging: null }),
    takenOutOfTrash: assign({ trash: null }),
    notice: assign(({ context, event }) => noticed(context, of(event, 'DriftNoticed'))),
    isInStep: assign(({ context, event }) => settled(context, of(event, 'DriftGone').drift)),
    takeOver: assign(({ context, event }) => takenOver(context, of(event, 'DriftAdopted'))),
    planMending: assign(({ event }) => planned(of(event, 'DriftRepairRequested'))),
    mended: assign(({ context }) => ({
      ...settled(context, must(context.mending, 'repair').drift),
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
    fromPool: ({ event }) => of(event, 'CtCreateRequested').source.from === 'pool',
    fromRepository: ({ event }) => of(event, 'CtCreateRequested').source.from === 'repository',
    fromStream: ({ event }) => {
      const { source } = of(event, 'CtCreateRequested')
      return source.from === 'file' && source.file.format === 'zfs'
    },
    archiveIsStream: ({ context, event }) =>
      isAwaited(context.op, event) &&
      context.source?.from === 'repository' &&
      context.source.image.format === 'zfs',
    empty: ({ context, event }) => isAwaited(context.op, event) && context.source?.from === 'empty',
    imageExisted: ({ context, event }) =>
      event.type === 'EffectSucceeded' &&
      isAwaited(context.op, event) &&
      (event.evidence as { existing?: boolean }).existing === true,
    nothingToUndo: ({ context, event }) => {
      if (event.type === 'EffectFailed')
        return isAwaited(context.op, event) && nextToUndo(failed(context.op, event)) === null
      return (
        event.type === 'EffectSucceeded' &&
        isAwaited(context.op, event) &&
        nextToUndo(succeeded(context.op, event)) === null
      )
    },
    /** News of an earlier run can arrive late: it says nothing about this one. */
    thisRun: ({ context, event }) => isThisRun(context, event),
    toReboot: ({ context, event }) => isThisRun(context, event) && of(event, 'CtExited').target === 'reboot',
    adoptedFrozen: ({ context, event }) => isThisRun(context, event) && of(event, 'CtAdopted').frozen,
    wasFrozen: ({ context, event }) => isAwaited(context.op, event) && context.wasFrozen,
    /** The run that has the old settings is over. A reboot from inside keeps what it was started with. */
    runReplaced: ({ context, event }) => {
      const { op } = context
      if (event.type === 'CtExited' && event.target === 'reboot') return false
      if (event.type !== 'EffectSucceeded') return isThisRun(context, event) && !op?.pending
      return isAwaited(op, event) && (op?.pending?.kind === 'lxc.start' || op?.pending?.kind === 'lxc.stop')
    },
    runs: ({ context }) => context.run !== null,
    known: ({ context, event }) => 'drift' in event && context.drift?.[event.drift] !== undefined,
    /** What is taken over changes what the container is: only while nothing runs that the log knows of. */
    adoptable: ({ context, event }) => {
      const { drift } = of(event, 'DriftAdopted')
      const isOwn = isOfDataset(drift) || drift === 'running'
      return context.drift?.[drift] !== undefined && (!isOwn || isAtRest(context))
    },
    lossAdopted: ({ context, event }) => isAdopted(context, of(event, 'DriftAdopted'), 'missing'),
    runAdopted: ({ context, event }) => isAdopted(context, of(event, 'DriftAdopted'), 'running'),
    /** Neither being created nor gone. */
    isPublished: ({ context }) => context.dataset !== null,
  },
})

/** `asks` names the kind of the intent, for the diagram: it hangs on the function that makes the intent. */
const intend = (asks: string, make: (c: CtContext) => Wanted) =>
  ({
    type: 'effect',
    params: Object.assign(({ context }: { context: CtContext }) => make(context), { asks }),
  }) as const

/** Creation turns round on the first failure; with nothing made yet it is over at once. */
const orUndo = [
  { guard: 'nothingToUndo', target: '#ct.life.gone' },
  { guard: 'awaited', target: '#ct.life.creating.undoing' },
] as const

/** A container that would not stop is where it was. */
const notStopped = [
  { guard: 'wasFrozen', target: '#ct.life.frozen', actions: 'stopForgotten' },
  { guard: 'awaited', target: '#ct.life.running', actions: 'stopForgotten' },
] as const

const { createMachine } = base

export const containerMachine = createMachine({
  id: 'ct',
  type: 'parallel',
  context: emptyContext,
  options: { maxIterations: MAX_MICROSTEPS },
  /** Facts that are kept for the record and change no state of the container. */
  on: {
    CommandNoop: { actions: 'note' },
    CommandRefused: { actions: 'note' },
    RefusalsSummed: { actions: 'note' },
    EffectLate: { actions: 'note' },
    EffectFenced: { actions: 'note' },
    CtSessionOpened: { actions: 'note' },
    CtSessionEnded: { actions: 'note' },
  },
  states: {
    settings: {
      initial: 'undeclared',
      states: {
        undeclared: { on: { CtCreateRequested: { target: 'declared', actions: 'declare' } } },
        declared: {
          initial: 'inSync',
          states: {
            inSync: {
              on: {
                CtConfigSet: [
                  { guard: 'runs', target: 'restartNeeded', actions: 'configure' },
                  { guard: 'isPublished', actions: 'configure' },
                ],
              },
            },
            restartNeeded: {
              on: {
                CtConfigSet: { guard: 'isPublished', actions: 'configure' },
                EffectSucceeded: { guard: 'runReplaced', target: 'inSync' },
                CtExited: { guard: 'runReplaced', target: 'inSync' },
                CtLost: { guard: 'runReplaced', target: 'inSync' },
              },
            },
          },
        },
      },
    },
    life: {
      initial: 'absent',
      states: {
        absent: {
          on: {
            CtCreateRequested: [
              { guard: 'fromPool', target: 'creating.cloning' },
              { guard: 'fromRepository', target: 'creating.fetching' },
              { guard: 'fromStream', target: 'creating.receiving' },
              { target: 'creating.preparing' },
            ],
          },
        },
        creating: {
          on: { EffectFailed: orUndo },
          initial: 'preparing',
          states: {
            fetching: {
              entry: intend('image.fetch', intents.fetch),
              on: {
                EffectSucceeded: [
                  { guard: 'archiveIsStream', target: 'imageReceiving', actions: 'keepArchive' },
                  { guard: 'awaited', target: 'imagePreparing', actions: 'keepArchive' },
                ],
              },
            },
            imagePreparing: {
              entry: intend('dataset.create', intents.create),
              on: { EffectSucceeded: { guard: 'awaited', target: 'imageUnpacking', actions: 'stage' } },
            },
            imageUnpacking: {
              entry: intend('image.unpack', intents.unpack),
              on: { EffectSucceeded: { guard: 'awaited', target: 'imageSnapshotting' } },
            },
            imageReceiving: {
              entry: intend('image.receive', intents.receive),
              on: { EffectSucceeded: { guard: 'awaited', target: 'imageSnapshotting', actions: 'stage' } },
            },
            imageSnapshotting: {
              entry: intend('dataset.snapshot', intents.snapshot),
              on: { EffectSucceeded: { guard: 'awaited', target: 'imagePublishing' } },
            },
            imagePublishing: {
              entry: intend('dataset.rename', intents.publishImage),
              on: {
                EffectSucceeded: [
                  { guard: 'imageExisted', target: 'imageDiscarding', actions: 'keepImage' },
                  { guard: 'awaited', target: 'cloning', actions: 'keepImage' },
                ],
              },
            },
            imageDiscarding: {
              entry: intend('dataset.destroy', intents.discard),
              on: { EffectSucceeded: { guard: 'awaited', target: 'cloning' } },
            },
            cloning: {
              entry: intend('dataset.clone', intents.clone),
              on: { EffectSucceeded: { guard: 'awaited', target: 'publishing', actions: 'stage' } },
            },
            preparing: {
              entry: intend('dataset.create', intents.create),
              on: {
                EffectSucceeded: [
                  { guard: 'empty', target: 'publishing', actions: 'stage' },
                  { guard: 'awaited', target: 'unpacking', actions: 'stage' },
                ],
              },
            },
            unpacking: {
              entry: intend('image.unpack', intents.unpack),
              on: { EffectSucceeded: { guard: 'awaited', target: 'publishing' } },
            },
            receiving: {
              entry: intend('image.receive', intents.receive),
              on: { EffectSucceeded: { guard: 'awaited', target: 'publishing', actions: 'stage' } },
            },
            publishing: {
              entry: intend('dataset.rename', intents.publish),
              on: { EffectSucceeded: { guard: 'awaited', target: '#ct.life.stopped', actions: 'published' } },
            },
            undoing: {
              entry: intend('undo', intents.undo),
              on: {
                EffectSucceeded: [
                  { guard: 'nothingToUndo', target: '#ct.life.gone' },
                  { guard: 'awaited', target: 'undoing', reenter: true },
                ],
              },
            },
          },
        },
        stopped: {
          on: {
            CtStartRequested: { target: 'starting', actions: 'planRun' },
            CtRestartRequested: { target: 'starting', actions: 'planRestart' },
            CtDeleteRequested: { target: 'deleting.trashing', actions: 'planDelete' },
            DriftAdopted: [
              { guard: 'lossAdopted', target: 'gone' },
              { guard: 'runAdopted', target: 'running' },
            ],
          },
        },
        starting: {
          entry: intend('lxc.start', intents.start),
          on: {
            EffectSucceeded: { guard: 'awaited', target: 'running', actions: 'runs' },
            EffectFailed: { guard: 'awaited', target: 'stopped', actions: 'notStarted' },
            CtStopRequested: { target: 'stopping', actions: 'planStop' },
          },
        },
        running: {
          on: {
            CtStopRequested: { target: 'stopping', actions: 'planStop' },
            CtRestartRequested: { target: 'restarting', actions: 'planRestart' },
            CtFreezeRequested: 'freezing',
            CtDeleteRequested: { target: 'deleting.stopping', actions: 'planDelete' },
            CtExited: [
              { guard: 'toReboot', target: 'rebooting', actions: 'exited' },
              { guard: 'thisRun', target: 'stopped', actions: 'exited' },
            ],
            CtRebooted: { guard: 'thisRun', actions: 'runsAgain' },
            CtAdopted: [
              { guard: 'adoptedFrozen', target: 'frozen', actions: 'adopt' },
              { guard: 'thisRun', actions: 'adopt' },
            ],
            CtLost: { guard: 'thisRun', target: 'stopped', actions: 'lost' },
          },
        },
        rebooting: {
          on: {
            CtRebooted: { guard: 'thisRun', target: 'running', actions: 'runsAgain' },
            CtExited: [
              { guard: 'toReboot', actions: 'exited' },
              { guard: 'thisRun', target: 'stopped', actions: 'exited' },
            ],
            CtStopRequested: { target: 'stopping', actions: 'planStop' },
            CtDeleteRequested: { target: 'deleting.stopping', actions: 'planDelete' },
            CtLost: { guard: 'thisRun', target: 'stopped', actions: ['lost', 'lostInReboot'] },
          },
        },
        freezing: {
          entry: intend('lxc.freeze', intents.freeze),
          on: {
            EffectSucceeded: { guard: 'awaited', target: 'frozen' },
            EffectFailed: { guard: 'awaited', target: 'running' },
            CtStopRequested: { target: 'stopping', actions: 'planStop' },
          },
        },
        frozen: {
          on: {
            CtThawRequested: 'thawing',
            CtStopRequested: { target: 'stopping', actions: ['planStop', 'wasFrozen'] },
            CtDeleteRequested: { target: 'deleting.stopping', actions: ['planDelete', 'wasFrozen'] },
            CtExited: [
              { guard: 'toReboot', target: 'rebooting', actions: 'exited' },
              { guard: 'thisRun', target: 'stopped', actions: 'exited' },
            ],
            CtAdopted: [
              { guard: 'adoptedFrozen', actions: 'adopt' },
              { guard: 'thisRun', target: 'running', actions: 'adopt' },
            ],
            CtLost: { guard: 'thisRun', target: 'stopped', actions: 'lost' },
          },
        },
        thawing: {
          entry: intend('lxc.thaw', intents.thaw),
          on: {
            EffectSucceeded: { guard: 'awaited', target: 'running' },
            EffectFailed: { guard: 'awaited', target: 'frozen' },
            CtStopRequested: { target: 'stopping', actions: 'planStop' },
          },
        },
        stopping: {
          entry: intend('lxc.stop', intents.stop),
          on: {
            EffectSucceeded: { guard: 'awaited', target: 'stopped', actions: 'ended' },
            EffectFailed: notStopped,
            CtStopRequested: { target: 'stopping', reenter: true, actions: 'planStop' },
          },
        },
        restarting: {
          entry: intend('lxc.stop', intents.stop),
          on: {
            EffectSucceeded: { guard: 'awaited', target: 'starting', actions: 'endedForRestart' },
            EffectFailed: { guard: 'awaited', target: 'running', actions: 'stopForgotten' },
            CtStopRequested: { target: 'stopping', actions: 'planStop' },
          },
        },
        deleting: {
          initial: 'trashing',
          states: {
            stopping: {
              entry: intend('lxc.stop', intents.stop),
              on: {
                EffectSucceeded: { guard: 'awaited', target: 'trashing', actions: 'ended' },
                EffectFailed: notStopped,
              },
            },
            trashing: {
              entry: intend('dataset.trash', intents.trash),
              on: {
                EffectSucceeded: { guard: 'awaited', target: '#ct.life.gone', actions: 'forget' },
                EffectFailed: { guard: 'awaited', target: '#ct.life.stopped' },
              },
            },
          },
        },
        /** Its dataset comes out of the trash by its guid; if it cannot, the container is as gone as before. */
        undeleting: {
          entry: intend('dataset.rename', intents.publish),
          on: {
            EffectSucceeded: {
              guard: 'awaited',
              target: 'stopped',
              actions: ['published', 'takenOutOfTrash'],
            },
            EffectFailed: { guard: 'awaited', target: 'gone', actions: 'leftInTrash' },
          },
        },
        /** The stream goes on to exist for its history, and for the container if it comes back from the trash. */
        gone: { on: { CtUndeleteRequested: { target: 'undeleting', actions: 'planUndelete' } } },
      },
    },
    drift: {
      initial: 'known',
      states: {
        known: {
          on: {
            DriftNoticed: { guard: 'isPublished', actions: 'notice' },
            DriftGone: { guard: 'known', actions: 'isInStep' },
            DriftAdopted: { guard: 'adoptable', actions: 'takeOver' },
            DriftRepairRequested: { guard: 'known', target: 'mending', actions: 'planMending' },
          },
        },
        /** The life of the container goes on meanwhile as it did: what is mended is beside it. */
        mending: {
          entry: intend('repair', intents.mend),
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

export type CtState = SnapshotFrom<typeof containerMachine>
