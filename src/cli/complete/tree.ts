/**
 * The table as completion sees it: one node for each path of words, with the words and options that may
 * follow. The three shells' scripts are written from this, with no osctl run when TAB is pressed.
 */
import {
  type CommandSpec,
  GLOBAL_OPTIONS,
  type GroupSpec,
  globalsBeside,
  HELP_OPTION,
  isGroup,
  type NodeSpec,
  type OptionSpec,
  optionsOf,
  VERSION_OPTION,
  type Words,
} from '../spec.ts'

export type Flag = {
  readonly names: readonly string[]
  readonly help: string
  readonly value: Words | 'text' | null
}

export type CompletionNode = {
  /** Canonical names from the root, without `osctl`. */
  readonly path: readonly string[]
  readonly commands: readonly { names: readonly string[]; help: string }[]
  readonly flags: readonly Flag[]
  /** Words for each argument; the last one for all further ones if `many`. */
  readonly args: readonly (Words | null)[]
  readonly many: boolean
  /** Behind the first argument stands another program's command line. */
  readonly passThrough: boolean
}

/** All nodes, the root first. Hidden commands are left out: nobody looks for them. */
export function completionTree(root: GroupSpec): CompletionNode[] {
  const walk = (node: NodeSpec, path: readonly string[]): CompletionNode[] => {
    if (!isGroup(node)) return [leaf(node, path)]
    const shown = node.commands.filter((command) => !command.hidden)
    const flags = path.length === 0 ? [...GLOBAL_OPTIONS, HELP_OPTION, VERSION_OPTION] : [HELP_OPTION]
    const commands = shown.map(({ name, aliases = [], summary }) => ({
      names: [name, ...aliases],
      help: summary,
    }))
    const own = {
      path,
      commands,
      flags: flags.map((option) => flagOf(option)),
      args: [],
      many: false,
      passThrough: false,
    }
    return [own, ...shown.flatMap((command) => walk(command, [...path, command.name]))]
  }
  return walk(root, [])
}

function leaf(command: CommandSpec, path: readonly string[]): CompletionNode {
  const { args = [], table, passThrough = false } = command
  const options = [...optionsOf(command), ...globalsBeside(command), HELP_OPTION]
  const parameters = table?.columns.map(({ name }) => name) ?? []
  return {
    path,
    commands: [],
    flags: options.map((option) => flagOf(option, parameters)),
    args: args.map(({ words }) => words ?? null),
    many: args.some(({ many }) => many),
    passThrough,
  }
}

function flagOf(option: OptionSpec, parameters: readonly string[] = []): Flag {
  const { long, short, negatable, help } = option
  const names = [
    `--${long}`,
    ...(negatable ? [`--no-${long}`] : []),
    ...(short === undefined ? [] : [`-${short}`]),
  ]
  const isParameters = option.value === 'parameters' && parameters.length > 0
  const words = isParameters ? [...parameters, 'all'] : (option.words ?? option.choices ?? 'text')
  return { names, help, value: option.value === undefined ? null : words }
}

/** Other spellings of a group's commands, to their names. */
export function aliasesOf(node: CompletionNode): [string, string][] {
  return node.commands.flatMap(({ names: [name = '', ...aliases] }) =>
    aliases.map((alias): [string, string] => [alias, name]),
  )
}

/** Quoted for sh. */
export function sh(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
