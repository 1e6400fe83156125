/** The whole grammar of osctl: every command there is hangs here. */
import type { GroupSpec } from '../spec.ts'
import { boot } from './boot.ts'
import { ct } from './ct.ts'
import { diff } from './diff.ts'
import { drift } from './drift.ts'
import { idRange, repo, trashBin, user } from './entities.ts'
import { event } from './event.ts'
import { incident } from './export.ts'
import { history } from './history.ts'
import { debug, healthcheck, ping, shutdown } from './host.ts'
import { monitor } from './monitor.ts'
import { op } from './op.ts'
import { pool } from './pool.ts'
import { replay, replaySummary } from './replay.ts'
import { revert } from './revert.ts'
import { completion, genCompletion, genMan, help } from './self.ts'
import { why } from './why.ts'
import { witness } from './witness.ts'

export const root: GroupSpec = {
  name: 'osctl',
  summary: 'Manage containers and pools of vpsAdminOS',
  commands: [
    pool,
    ct,
    user,
    idRange,
    repo,
    trashBin,
    history,
    why,
    boot,
    event,
    witness,
    diff,
    incident,
    replay,
    replaySummary,
    op,
    drift,
    revert,
    monitor,
    healthcheck,
    ping,
    shutdown,
    debug,
    completion,
    genCompletion,
    genMan,
    help,
  ],
}
