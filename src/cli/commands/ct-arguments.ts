/** Arguments and options that several commands of `osctl ct` share. */
import type { Options } from '../options.ts'
import type { ArgumentSpec, OptionSpec } from '../spec.ts'

export const CT: ArgumentSpec = { name: 'id', words: 'ct' }
const DAY_S = 86_400
const START_WAIT_S = 120
const STOP_WAIT_S = 300

export const IMAGE_OPTIONS: readonly OptionSpec[] = [
  { long: 'distribution', value: 'name', help: 'Distribution' },
  { long: 'version', value: 'version', default: 'stable', help: "The distribution's version" },
  { long: 'arch', value: 'arch', default: "the host's", help: 'Architecture' },
  { long: 'vendor', value: 'vendor', default: 'default', help: 'Who made the image' },
  { long: 'variant', value: 'variant', default: 'default', help: 'Variant of the image' },
  { long: 'repository', value: 'repository', words: 'repo', help: 'Only from this repository' },
]

export const WAIT: OptionSpec = {
  long: 'wait',
  short: 'w',
  value: 'seconds',
  kind: 'integer',
  max: DAY_S,
  choices: ['infinity'],
  default: '120',
  help: 'How long to wait for the start; 0 does not wait',
}
export const FOREGROUND: OptionSpec = {
  long: 'foreground',
  short: 'F',
  help: "Stay on the container's console",
  later: 'refused',
}
export const ATTACH: OptionSpec = { long: 'attach', short: 'a', help: 'Open a shell in it once it runs' }
export const USER_SHELL: OptionSpec = {
  long: 'user-shell',
  short: 'u',
  help: "root's own shell, with its settings",
}

export const STOP_OPTIONS: readonly OptionSpec[] = [
  { long: 'message', short: 'm', value: 'text', help: 'Say this to its users', later: 'ignored' },
  {
    long: 'timeout',
    short: 't',
    value: 'seconds',
    kind: 'integer',
    max: DAY_S,
    default: '300',
    help: 'How long it may take to shut down by itself',
  },
  { long: 'kill', short: 'k', help: 'Kill it at once' },
  { long: 'dont-kill', help: 'Do not kill it when the time is over; that is an error then' },
]

/** -w as the protocol has it: null is for ever. */
export function waitSeconds(options: Options): number | null {
  return options.text('wait') === 'infinity' ? null : (options.integer('wait') ?? START_WAIT_S)
}

export function stopParams(options: Options): { mode: 'stop' | 'shutdown' | 'kill'; timeoutSeconds: number } {
  const mode = options.flag('kill') ? 'kill' : options.flag('dont-kill') ? 'shutdown' : 'stop'
  return { mode, timeoutSeconds: options.integer('timeout') ?? STOP_WAIT_S }
}
