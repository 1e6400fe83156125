/** `osctl ct …` */
import type { GroupSpec } from '../spec.ts'
import { create, del, importImage } from './ct-life.ts'
import { ls, show } from './ct-list.ts'
import { freeze, restart, start, stop, unfreeze } from './ct-run.ts'
import { attach, exec, log } from './ct-session.ts'
import { set, unset } from './ct-set.ts'
import { undelete } from './ct-undelete.ts'

export const ct: GroupSpec = {
  name: 'ct',
  aliases: ['vps'],
  summary: 'Manage containers',
  commands: [
    create,
    importImage,
    del,
    undelete,
    ls,
    show,
    start,
    stop,
    restart,
    exec,
    attach,
    freeze,
    unfreeze,
    set,
    unset,
    log,
  ],
}
