/** What effects would do to the host, told by the very code that would do it. */
import type { Host } from './host.ts'

export type Action = {
  readonly is: 'run' | 'write' | 'cgroup' | 'note'
  /** One line for people; of a program its command line, quoted for a shell. */
  readonly text: string
  readonly argv?: string[]
  readonly env?: Record<string, string>
  /** Relative to the cgroup root: where its processes are. */
  readonly cgroup?: string
  readonly stdin?: string
  /** Content of a file that is written. */
  readonly content?: string
}

export type Rehearsal = {
  /** The host as it would be after all that was rehearsed on it. Nothing that is asked of it is done. */
  readonly host: Pick<Host, 'zfs' | 'lxc' | 'images' | 'materialise'>
  /** What would have been done since the last call. */
  take(): Action[]
}

/** The pool that a plan is about. */
export type Stage = { readonly pool: string; readonly dataset: string }
