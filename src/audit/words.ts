/** What an event says, in one plain sentence. */
import type { Actor } from '../events/types/actor.ts'
import { actorName } from '../events/types/actor-name.ts'
import type { StoredEvent } from '../events/types/envelope.ts'
import type { EventData } from '../events/types/events.ts'
import { happening } from './history-row.ts'

/** @pure */
export function inWords(event: Pick<StoredEvent, 'type' | 'data'>): string {
  const data = event.data as Record<string, unknown>
  switch (event.type) {
    case 'CommandAccepted':
    case 'CommandNoop':
    case 'CommandRefused':
      return command(data)
    case 'CancelRequested':
      return `${actorName(data['actor'] as Actor)} asked for its end: ${data['cli'] ?? 'op cancel'}`
    case 'CtSessionOpened':
      return `${actorName(data['actor'] as Actor)} was inside: ct ${data['how']}: ${data['program']}`
    case 'CtCreateRequested':
      return 'its creation began'
    case 'CtConfigSet':
    case 'PoolConfigSet':
      return settings(event.data as EventData<'CtConfigSet'>)
    case 'CtStartRequested':
      return 'it was to start'
    case 'CtStopRequested':
      return `it was to stop (${data['mode']})`
    case 'CtRestartRequested':
      return `it was to restart (${data['mode']})`
    case 'CtFreezeRequested':
      return 'it was to freeze'
    case 'CtThawRequested':
      return 'it was to thaw'
    case 'CtDeleteRequested':
      return 'its deletion began'
    case 'CtUndeleteRequested':
      return 'it was to come back from the trash'
    case 'CtExited':
      return exited(event.data as EventData<'CtExited'>)
    case 'DriftAdopted':
      return `the log took over what is there: ${data['drift']}`
    case 'DriftRepairRequested':
      return `what the log says was to be put back: ${data['drift']}`
    case 'AutostartPlanned':
      return planned(event.data as EventData<'AutostartPlanned'>)
    case 'PoolExportRequested':
      return 'the pool was to be exported'
    case 'EffectSucceeded':
      return succeeded(event.data as EventData<'EffectSucceeded'>)
    case 'EffectFailed':
      return `${data['kind']} failed: ${data['message']}${settledBy(data['by'])}`
    case 'EffectIntended':
      return `${data['kind']} began`
    case 'EffectRetried':
      return `attempt ${data['attempt']} failed: ${data['message']}`
    case 'EffectResumed':
      return `it was tried again: ${data['why']}`
    case 'OperationFinished':
      return `the operation ended: ${data['result']}${data['error'] === null ? '' : `: ${data['error']}`}`
    default:
      return happening(event)
  }
}

function planned({ cts, off }: EventData<'AutostartPlanned'>): string {
  if (off) return 'nothing was to start by itself (osctl.autostart=0 or --no-autostart)'
  return `autostart of ${cts.length} ${cts.length === 1 ? 'container' : 'containers'} was planned`
}

function command(data: Record<string, unknown>): string {
  const actor = data['actor'] as Actor | undefined
  const reason = actor && 'claimed' in actor ? actor.claimed?.reason : undefined
  const args = data['args'] as Record<string, unknown> | undefined
  const target = args?.['id'] ?? args?.['name'] ?? args?.['pool']
  const line = data['cli'] ?? [data['command'], ...(typeof target === 'string' ? [target] : [])].join(' ')
  const refused = typeof data['message'] === 'string' ? `; refused: ${data['message']}` : ''
  return `${actorName(actor)} gave the command: ${line}${reason === undefined ? '' : ` (reason: ${reason})`}${refused}`
}

const told = (value: unknown): string => (value === null || value === undefined ? '-' : JSON.stringify(value))

function settings({ set, old, reverts }: EventData<'CtConfigSet'>): string {
  const { attrs = {}, ...own } = set
  const before = (old['attrs'] ?? {}) as Record<string, unknown>
  const changes = [
    ...Object.entries(own).map(([name, value]) => `${name}: ${told(old[name])} → ${told(value)}`),
    ...Object.entries(attrs).map(([name, value]) => `${name}: ${told(before[name])} → ${told(value)}`),
  ]
  return `set ${changes.join(', ')}${reverts === undefined ? '' : ` (taking back event ${reverts})`}`
}

function exited({ target, how }: EventData<'CtExited'>): string {
  const source = { hook: 'its hook told so', cgroup: 'its cgroup became empty', probe: 'found so by osctld' }[
    how
  ]
  const what = {
    stop: 'it shut down from inside',
    reboot: 'it rebooted from inside',
    crash: 'it died: all its processes ended, and nobody had asked for it',
  }[target]
  return `${what} (${source})`
}

const DONE: Readonly<Record<string, string>> = {
  'lxc.start': 'it started',
  'lxc.stop': 'it stopped',
  'lxc.freeze': 'it was frozen',
  'lxc.thaw': 'it was thawed',
  'dataset.trash': 'its dataset was moved to the trash',
  'dataset.rename': 'its dataset was put in its place',
  'dataset.set': 'properties of its dataset were set',
  'dataset.destroy': 'a dataset was destroyed',
}

function succeeded({ kind, evidence, by }: EventData<'EffectSucceeded'>): string {
  const seen = evidence as { initPid?: number; how?: string } | null
  const detail =
    seen?.initPid === undefined ? (kind === 'lxc.stop' ? seen?.how : undefined) : `init ${seen.initPid}`
  return `${DONE[kind] ?? `${kind} was done`}${detail === undefined ? '' : ` (${detail})`}${settledBy(by)}`
}

function settledBy(by: unknown): string {
  return by === 'probe' ? ', as recovery found' : by === 'operator' ? ', by the word of an operator' : ''
}
