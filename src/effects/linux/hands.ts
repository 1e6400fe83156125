/** The four ports of the Linux host, on whatever does the single things: the real system, or a rehearsal of it. */
import { fileURLToPath } from 'node:url'
import type { Host } from '../host.ts'
import { linuxImages } from './images.ts'
import { linuxLxc } from './lxc.ts'
import { type Known, linuxMaterialise } from './materialise.ts'
import type { Paths } from './paths.ts'
import type { System } from './system.ts'
import { linuxZfs } from './zfs.ts'

export type LinuxOptions = {
  /** Default /run/osctl. */
  readonly run?: string
  /** Default /etc. */
  readonly etc?: string
  /** Folder of the scripts that LXC calls; default: `src/hooks` beside this source. */
  readonly hooks?: string
  /** Program that Node runs for archives (`helper/main.ts`, or its bundle). */
  readonly helper?: string
  readonly apparmorProfiles?: readonly string[]
  readonly lxcInclude?: string
  /** Told of what is odd but no failure. */
  readonly log?: (message: string) => void
}

/** Where things are, and what is known of the host. */
export type Setting = { readonly paths: Paths; readonly options: LinuxOptions; readonly known: Known }

/** Written out so that the build finds them: in a bundle these name the copies in dist/. */
const HOOKS = fileURLToPath(new URL('../../hooks/', import.meta.url))
const HELPER = fileURLToPath(new URL('./helper/main.ts', import.meta.url))
const PROFILES = ['/usr/lib/osctl/apparmor/osctl-ct', '/etc/apparmor.d/osctl-ct']

export function handsOn(
  system: System,
  { paths, options, known }: Setting,
): Pick<Host, 'zfs' | 'lxc' | 'images' | 'materialise'> {
  const zfs = linuxZfs(system)
  return {
    zfs,
    lxc: linuxLxc(paths, system),
    images: linuxImages({ paths, system, zfs, helper: options.helper ?? HELPER }),
    materialise: linuxMaterialise({
      paths,
      system,
      known,
      zfs,
      hooks: options.hooks ?? HOOKS,
      apparmorProfiles: options.apparmorProfiles ?? PROFILES,
      lxcInclude: options.lxcInclude ?? '/usr/share/lxc/config',
      log: options.log ?? (() => undefined),
    }),
  }
}
