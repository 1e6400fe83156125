/**
 * The Linux host, rehearsed.
 *
 * **What.** The same ports as the real host, the same code down to each command line, each file and each cgroup
 * (`system.ts`); there, instead of being done, it is written down, and every later look is answered as if it had been
 * done. It begins at the host as it is (`observer.ts`).
 *
 * **Why so.** A list of commands that is kept beside the code that runs them is wrong from the first change on. On the
 * simulated host it is rehearsed as well: a plan there shows what Linux would do.
 *
 * **Invariants.** Nothing here changes anything: no module of this folder touches the disk or starts a process, but
 * for what the observer looks at. A command line that is not modelled (`programs.ts`) is refused, never run.
 *
 * **A crash** costs the plan.
 */
import { dirname, join } from 'node:path'
import type { Host } from '../../host.ts'
import type { Action, Rehearsal, Stage } from '../../rehearsal.ts'
import type { Command } from '../exec.ts'
import { handsOn, type LinuxOptions, type Setting } from '../hands.ts'
import type { Known } from '../materialise.ts'
import { CGROUP, effectDirectory, lxcPath, type Paths } from '../paths.ts'
import type { System } from '../system.ts'
import { type Observer, observerOf } from './observer.ts'
import { PaperPrograms, quoted } from './programs.ts'

const octal = (mode: number): string => `0${mode.toString(8)}`
const linesOf = (text: string): string => {
  const count = text.split('\n').length - 1
  return count === 1 ? '1 line' : `${count} lines`
}

/** The Linux host as it would be, from what is seen of the present one. */
export function rehearsal(observer: Observer, setting: Setting): Rehearsal {
  const actions: Action[] = []
  const system = paperSystem(observer, setting.paths, (action) => actions.push(action))
  return { host: handsOn(system, setting), take: () => actions.splice(0) }
}

/** The same of a host that is not Linux, as Linux would do it. */
export function rehearsalOf(host: Host, stage: Stage, options: LinuxOptions = {}): Rehearsal {
  const paths = { run: options.run ?? '/run/osctl', etc: options.etc ?? '/etc', cgroup: '/sys/fs/cgroup' }
  const known: Known = { apparmor: null, datasets: new Map([[stage.pool, stage.dataset]]) }
  return rehearsal(observerOf(host, stage), { paths, options, known })
}

function paperSystem(observer: Observer, paths: Paths, tell: (action: Action) => void): System {
  const programs = new PaperPrograms(observer, (pool) => lxcPath(paths, pool), tell)
  const files = new Map<string, string | null>()
  const perform = async (command: Command, cgroup: string | null) => {
    const { argv, env, stdin } = command
    const where = cgroup === null ? {} : { cgroup }
    const variables = Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`)
    tell({
      is: 'run',
      text: [...variables, quoted(argv)].join(' '),
      argv: [...argv],
      ...(env ? { env: { ...env } } : {}),
      ...(stdin === undefined ? {} : { stdin }),
      ...where,
    })
    return await programs.run(command)
  }
  const read = async (path: string): Promise<string | null> => {
    const written = files.get(path)
    return written === undefined ? await observer.read(path) : written
  }
  return {
    query: (command) => programs.query(command),
    mounts: () => programs.datasets.mounts(),
    read,
    isDirectory: async (path) =>
      (await programs.datasets.isCovered(path)) || (await observer.isDirectory(path)),
    names: observer.names,
    ownerOf: observer.ownerOf,
    inspect: (ref) => programs.inspect(ref),
    cgroupOf: observer.cgroupOf,
    isPopulated: async () => false,
    run: (command, { intent }) => perform(command, `${CGROUP}/effects/${intent}`),
    change: (command) => perform(command, null),
    async write(path, text, mode) {
      if ((await read(path)) === text) return false
      files.set(path, text)
      tell({ is: 'write', text: `write ${path}, mode ${octal(mode)}, ${linesOf(text)}`, content: text })
      return true
    },
    async directories(modes) {
      for (const [path, mode] of Object.entries(modes))
        tell({ is: 'write', text: `directory ${path}, mode ${octal(mode)}` })
    },
    async directoriesIn(top, modes) {
      for (const [path, mode] of Object.entries(modes))
        tell({ is: 'write', text: `directory ${join(top, path)}, mode ${octal(mode)}, owner root` })
    },
    emptyFile: async (path, mode) => tell({ is: 'write', text: `empty ${path}, mode ${octal(mode)}` }),
    chown: async (path, uid, gid) => tell({ is: 'write', text: `owner of ${path} ${uid}:${gid}` }),
    removeDirectory: async (path) => tell({ is: 'write', text: `remove the empty directory ${path}` }),
    async removeFile(path) {
      files.set(path, null)
      tell({ is: 'write', text: `remove ${path}` })
    },
    async writeInRootfs(top, directory, name, text) {
      tell({ is: 'write', text: `write /${directory}/${name} below ${top}, ${linesOf(text)}`, content: text })
      return 'written'
    },
    makeCgroup: async (relative) =>
      tell({
        is: 'cgroup',
        text: `cgroup ${relative}, its controllers handed down (cgroup.subtree_control)`,
      }),
    killCgroup: async (cgroup) =>
      tell({ is: 'cgroup', text: `1 into ${join(cgroup, 'cgroup.kill')}, and remove it, if it is there` }),
    removeCgroup: async (cgroup) => tell({ is: 'cgroup', text: `remove cgroup ${cgroup}` }),
    async claim(intent, { cgroup }) {
      const file = join(effectDirectory(paths, intent), 'claim')
      tell({ is: 'write', text: `write ${file}: a fence ends cgroup ${cgroup} until it runs` })
    },
    release: async (intent) =>
      tell({ is: 'write', text: `remove ${dirname(join(effectDirectory(paths, intent), 'claim'))}` }),
  }
}
