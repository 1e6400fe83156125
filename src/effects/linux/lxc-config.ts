/**
 * The LXC configuration of one container, as text. Pure.
 *
 * It is LXC's own format in LXC's own place, so `lxc-ls -P`, `lxc-info -P`, `lxc-attach -P` work on it with
 * /run/osctl/pools/<pool>/containers as their path. It is written anew at each start.
 *
 * Values are checked, for a newline in one would be a line of configuration (a hook, say) by whoever wrote
 * it, and some of them come from images. Source: lxc.container.conf(5), LXC 6.0.
 */
import type { ContainerSpec } from '../host.ts'
import { HostError } from '../host.ts'
import { containerCgroup } from './paths.ts'

export type ConfigContext = {
  /** Where the container's root file system is bound, idmapped. */
  readonly rootfs: string
  readonly run: string
  readonly logFile: string
  readonly hooks: string
  readonly spool: string
  /** Profile that confines the container's init; null when the kernel has no AppArmor. */
  readonly apparmor: string | null
  /** Where LXC keeps common.conf and userns.conf. */
  readonly include: string
}

/** Names of architectures: the original's on the left, lxc.arch's on the right. */
const ARCH: Readonly<Record<string, string>> = {
  x86_64: 'x86_64',
  amd64: 'x86_64',
  i686: 'i686',
  i386: 'i686',
  aarch64: 'aarch64',
  arm64: 'aarch64',
}

/**
 * How an init that is not systemd is asked to power off; LXC itself finds systemd (it blocks SIGRTMIN+3).
 * busybox init(1): USR2 is poweroff, TERM reboot. runit(8): CONT with /etc/runit/stopit.
 */
const SIGNALS: Readonly<Record<string, readonly string[]>> = {
  busybox: ['lxc.signal.halt = SIGUSR2', 'lxc.signal.reboot = SIGTERM'],
  alpine: ['lxc.signal.halt = SIGUSR2', 'lxc.signal.reboot = SIGTERM'],
  void: ['lxc.signal.halt = SIGCONT'],
}

function value(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these must not get through
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    throw new HostError('E_FAILED', 'permanent', `control character in ${JSON.stringify(text.slice(0, 80))}`)
  }
  return text
}

/** Quotes one argument for LXC's own splitting, which knows quotes but no escapes within them. */
function argument(text: string): string {
  if (/^[A-Za-z0-9_./:=,@%+-]+$/.test(text)) return text
  if (!text.includes('"') && !text.includes('\\')) return `"${value(text)}"`
  throw new HostError(
    'E_FAILED',
    'permanent',
    `init command: neither " nor \\ is possible in ${JSON.stringify(text)}`,
  )
}

/** @throws E_FAILED (permanent) when the init command cannot be written in LXC's format */
export function renderConfig(spec: ContainerSpec, at: ConfigContext): string {
  const cgroup = containerCgroup(spec)
  const report = `/bin/sh ${at.hooks}/report`
  const names = `${spec.pool} ${spec.id} ${at.run} ${at.spool}`
  const arch = ARCH[spec.arch]
  const { first, count } = spec.map
  const lines = [
    `# ${spec.pool}:${spec.ctid}: written by osctld at each start, changes are lost`,
    `# osctl id=${spec.id} run=${at.run}`,
    `lxc.include = ${at.include}/common.conf`,
    `lxc.include = ${at.include}/userns.conf`,
    ...(arch === undefined ? [] : [`lxc.arch = ${arch}`]),
    `lxc.uts.name = ${spec.hostname}`,
    `lxc.rootfs.path = dir:${at.rootfs}`,
    `lxc.idmap = u 0 ${first} ${count}`,
    `lxc.idmap = g 0 ${first} ${count}`,
    // Emptied first, for userns.conf asks for a writable /sys.
    'lxc.mount.auto =',
    'lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed',
    `lxc.apparmor.profile = ${at.apparmor ?? 'unconfined'}`,
    'lxc.autodev = 1',
    'lxc.net.0.type = empty',
    `lxc.init.cmd = ${(spec.initCmd ?? ['/sbin/init']).map(argument).join(' ')}`,
    ...(SIGNALS[spec.distribution] ?? []),
    `lxc.cgroup.dir.monitor = ${cgroup}/monitor`,
    `lxc.cgroup.dir.monitor.pivot = ${cgroup}/pivot`,
    `lxc.cgroup.dir.container = ${cgroup}/payload`,
    // The container is given a cgroup below `payload`, whose limits stay out of its reach.
    'lxc.cgroup.dir.container.inner = inner',
    `lxc.log.file = ${at.logFile}`,
    'lxc.log.level = WARN',
    'lxc.hook.version = 1',
    `lxc.hook.start-host = ${report} started ${names}`,
    `lxc.hook.post-stop = ${report} ended ${names}`,
  ]
  return `${lines.map(value).join('\n')}\n`
}

/** What an earlier start wrote, as far as it is needed to find the container again. */
export type ConfigSeen = { id: string; run: string; cgroup: string }

/** Where LXC logs, as the configuration says. @pure */
export const logFileOf = (config: string): string | null =>
  /^lxc\.log\.file = (.+)$/m.exec(config)?.[1] ?? null

/** @returns null when the text is no configuration of ours @pure */
export function readConfig(text: string): ConfigSeen | null {
  const mark = /^# osctl id=(\S+) run=(\S+)$/m.exec(text)
  const cgroup = /^lxc\.cgroup\.dir\.container = (osctl\/\S+)\/payload$/m.exec(text)?.[1]
  if (mark?.[1] === undefined || mark[2] === undefined || cgroup === undefined) return null
  return { id: mark[1], run: mark[2], cgroup }
}

/** What LXC says after the cause, of itself. */
const ECHO = /^(An error occurred in another process|Received container state|The container failed to start)/
const ADVICE = /^(To get more details|Additional information can be)/

/**
 * The reasons that LXC wrote to its log, without its prefixes, the first ones first: they are the cause,
 * what follows is its echo.
 *
 * @pure
 */
export function logReasons(log: string, most = 2): string {
  const reasons: string[] = []
  for (const line of log.split('\n')) {
    // lxc-start web 20251122234616.123 ERROR    conf - ../src/lxc/conf.c:lxc_rootfs_init:500 - Failed to …
    const match = /^\S+ \S+ \d+\.\d+ ERROR\s+\S+ - \S+:\d+ - (.+)$/.exec(line)
    const reason = match?.[1]?.trim()
    if (reason === undefined || ECHO.test(reason) || ADVICE.test(reason)) continue
    if (!reasons.includes(reason)) reasons.push(reason)
  }
  return reasons.slice(0, most).join('; ')
}
