/** The read-only methods of the protocol, answered from an archive; every other one is refused with one line. */
import { autostartAnswers } from '../audit/serve/autostart.ts'
import { bootAnswers } from '../audit/serve/boot.ts'
import { eventAnswers } from '../audit/serve/event.ts'
import { historyAnswers } from '../audit/serve/history.ts'
import { stateAnswers } from '../audit/serve/states.ts'
import { whyAnswers } from '../audit/serve/why.ts'
import type { Handlers } from '../rpc/dispatch.ts'
import { RpcError } from '../rpc/errors.ts'
import { type MethodName, methods } from '../rpc/methods.ts'
import type { VerifyRow } from '../rpc/proof.ts'
import { PROTOCOL } from '../rpc/protocol.ts'
import type { Archive, ArchivedPool } from './archive.ts'

export function archiveHandlers(archive: Archive, version: string): Handlers {
  const answers: Partial<Handlers> = {
    ...stateAnswers(archive.moments),
    ...autostartAnswers(archive.moments),
    ...bootAnswers(archive),
    ...historyAnswers(archive.moments),
    ...eventAnswers(archive, archive.moments),
    ...whyAnswers(archive.moments),
    ping: async () => 'pong',
    status: async () => ({
      version,
      protocol: PROTOCOL,
      simulated: false,
      pid: 0,
      uptimeSeconds: 0,
      pools: [...archive.pools.keys()],
      problems: archive.summary().flatMap(({ first_bad }) => (first_bad ? [first_bad.what] : [])),
    }),
    'event.verify': async ({ pools }) =>
      (pools && pools.length > 0 ? pools.map((name) => archive.pool(name)) : [...archive.pools.values()]).map(
        verified,
      ),
    'replay.summary': async () => archive.summary(),
  }
  const refused = (Object.keys(methods) as MethodName[])
    .filter((name) => answers[name] === undefined)
    .map((name) => [name, async () => refuse(name, archive)])
  return { ...(Object.fromEntries(refused) as Handlers), ...answers } as Handlers
}

function refuse(method: MethodName, { source }: Archive): never {
  const what = method.replace('.', ' ')
  throw new RpcError(
    `${what}: ${source} is replayed, not a host: it is only read, and nothing on a host is asked`,
    {
      kind: 'refused',
      code: 'E_REPLAY',
      possible: ['ls', 'show', 'history', 'event', 'op', 'diff', 'why', 'boot report'],
    },
  )
}

function verified({ name, section }: ArchivedPool): VerifyRow {
  const { log, segments } = section
  const head = log.head()
  return {
    pool: name,
    result: log.fault ? 'damaged' : 'ok',
    head: `${head.seq}:${head.hash}`,
    events: log.events,
    segments: segments ?? log.segments,
    pruned: log.first > 1 ? log.first - 1 : null,
    anchors: 0,
    first_bad: log.fault?.seq ?? null,
    problems: log.fault ? [`${name}:${log.fault.seq}: ${log.fault.what}`] : [],
  }
}
