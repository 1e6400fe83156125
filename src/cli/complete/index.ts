/** Completion scripts of the shells. */
import type { GroupSpec } from '../spec.ts'
import { bashScript } from './bash.ts'
import { fishScript } from './fish.ts'
import { zshScript } from './zsh.ts'

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript }

export function scriptFor(shell: keyof typeof SCRIPTS, root: GroupSpec): string {
  return SCRIPTS[shell](root)
}
