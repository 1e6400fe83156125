/**
 * Going inside a container: `ct exec`, `ct attach`, `ct log`.
 *
 * The daemon answers how to go there and the CLI does it, as its own child on its own terminal (DESIGN
 * D12). That somebody went, who, and with which program is a fact before the answer is given; the
 * arguments, which may be secret, and the output are not recorded.
 */

import { lxcPath } from '../../audit/rows.ts'
import type { StreamId } from '../../events/types/ids.ts'
import type { CtState } from '../../machines/container/machine.ts'
import { ctidOf, streamOfCt } from '../../machines/fold.ts'
import { lifeOf } from '../../machines/life.ts'
import type { Call } from '../../rpc/call.ts'
import type { Meta } from '../../rpc/methods.ts'
import type { Session } from '../../rpc/results.ts'
import { programName } from '../../rpc/secrets.ts'
import type { Daemon } from '../daemon.ts'
import { refused } from '../errors.ts'
import type { Pool } from '../pool.ts'
import { actorOf, type HandlersOf, locateCt } from './context.ts'

const PATH_INSIDE = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin'

/** lxc-attach with a clean environment, as the reference (vpsadminos §3.3). */
export function attachArgv(pool: string, ctid: string): string[] {
  const env = ['USER=root', 'LOGNAME=root', 'HOME=/root', `PATH=${PATH_INSIDE}`]
  return [
    'lxc-attach',
    '-P',
    lxcPath(pool),
    '-n',
    ctid,
    '--clear-env',
    '--keep-var',
    'TERM',
    ...env.flatMap((pair) => ['-v', pair]),
  ]
}

/** Looks for a comfortable shell inside; runs as the container's root, in the container. */
const SHELL = [
  'for shell in /bin/bash /run/current-system/sw/bin/bash /bin/busybox /bin/sh; do',
  '[ -x "$shell" ] || continue;',
  'case "$shell" in */bash) PS1="\\n[CT $1] \\u@\\h:\\w\\$ " exec "$shell" --norc -i;; */busybox) PS1="[CT $1] # " exec "$shell" sh -i;; *) PS1="[CT $1] # " exec "$shell" -i;; esac;',
  'done; echo "no supported shell located" >&2; exit 1',
].join(' ')

export function sessionHandlers(
  daemon: Daemon,
): HandlersOf<'ct.exec' | 'ct.attach' | 'ct.session-ended' | 'ct.log'> {
  const open = new Map<string, { pool: Pool; stream: StreamId }>()
  const begin = async (
    id: string,
    how: 'exec' | 'attach',
    program: string,
    call: Call,
    meta: Meta | undefined,
    inside: (ct: CtState) => string[],
  ): Promise<Session> => {
    const { pool, ct } = locateCt(daemon, id)
    if (lifeOf(ct) !== 'running' && lifeOf(ct) !== 'frozen')
      throw refused('E_CT_NOT_RUNNING', 'container not running')
    if (lifeOf(ct) === 'frozen') throw refused('E_CT_FROZEN', `container is frozen (osctl ct unfreeze ${id})`)
    const session = daemon.ports.ids.ulid()
    const stream = streamOfCt(ct)
    await pool.journal.note(stream, {
      type: 'CtSessionOpened',
      session,
      how,
      program,
      actor: actorOf(call, meta),
    })
    open.set(session, { pool, stream })
    const argv = [...attachArgv(pool.name, ctidOf(ct)), '--', ...inside(ct)]
    return { session, argv, env: {}, simulated: daemon.ports.host.simulated }
  }
  return {
    'ct.exec': async (params, call) =>
      await begin(params.id, 'exec', programName(params.program), call, params.meta, () => []),
    'ct.attach': async (params, call) => {
      const shell = (ct: CtState): string[] =>
        params.userShell ? [] : ['/bin/sh', '-c', SHELL, 'attach', ctidOf(ct)]
      const program = params.userShell ? "root's shell" : 'shell'
      return await begin(params.id, 'attach', program, call, params.meta, shell)
    },
    'ct.session-ended': async ({ session, status }) => {
      const known = open.get(session)
      open.delete(session)
      if (known) await known.pool.journal.note(known.stream, { type: 'CtSessionEnded', session, status })
      return null
    },
    'ct.log': async ({ id }) => {
      const { pool, ct } = locateCt(daemon, id)
      const path = `${pool.directory}/log/ct/${ctidOf(ct)}.log`
      return { path, text: daemon.ports.host.simulated ? 'simulated host: LXC writes no log here\n' : null }
    },
  }
}
