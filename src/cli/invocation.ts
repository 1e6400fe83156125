/** What commands do with an invocation: its arguments, its rows, its questions. */
import type { Io } from './io.ts'
import {
  type Column,
  columnOf,
  type Row,
  renderColumns,
  renderRows,
  selectColumns,
  sortRows,
} from './output/table.ts'
import type { Invocation } from './spec.ts'
import { CommandError } from './usage-error.ts'

export type { Invocation } from './spec.ts'

/** Fills columns that the daemon does not answer, for the columns that are wanted. */
export type Complete = (rows: readonly Row[], columns: readonly Column[]) => readonly Row[]

/** The n-th argument, which the parser has made sure of. */
export function arg(invocation: Invocation, n: number): string {
  const value = invocation.args[n]
  if (value === undefined) throw new Error(`argument ${n} is not checked`)
  return value
}

/** `id` with the pool of --pool in front, unless it names one itself. */
export function target(invocation: Invocation, n = 0): string {
  const id = arg(invocation, n)
  const pool = poolOf(invocation)
  return pool === undefined || id.includes(':') ? id : `${pool}:${id}`
}

/** --pool, the command's own or the global one. */
export function poolOf({ options, globals }: Invocation): string | undefined {
  return options.text('pool') ?? globals.text('pool')
}

/** Pools to list from: arguments or the command's list, else the global --pool, else all. */
export function poolsOf(
  { options, globals }: Invocation,
  args: readonly string[] = [],
): { pools?: string[] } {
  const pool = globals.text('pool')
  const pools =
    args.length > 0 ? [...args] : (options.list('pool') ?? (pool === undefined ? undefined : [pool]))
  return pools === undefined ? {} : { pools }
}

/** Leaves out what was not given, which the protocol tells from what is null. */
export function given<T extends Record<string, unknown>>(
  values: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(kept) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

/** Prints rows as the command's table and the options say. */
export function printRows(invocation: Invocation, rows: readonly Row[], complete?: Complete): void {
  const { command, options, globals, io, env } = invocation
  const { table } = command
  if (table === undefined) throw new Error(`${command.name} has no table`)
  const columns = selectColumns(table, options.text('output'))
  const by = (options.list('sort') ?? []).map((name) => columnOf(table, name))
  const full = complete === undefined ? rows : complete(rows, [...columns, ...by])
  const sorted = by.length > 0 ? sortRows(full, by) : full
  if (globals.flag('json')) {
    printJson(io, table.layout === 'columns' ? sorted : sorted[0])
    return
  }
  const colour = globals.flag('color', true) && !env['NO_COLOR'] && io.isTerminal(1)
  const style = { header: !options.flag('hide-header'), exact: globals.flag('parsable'), colour }
  io.out(
    table.layout === 'columns' ? renderColumns(columns, sorted, style) : renderRows(columns, sorted, style),
  )
}

/** Prints further rows below those that were printed; with -j one object a line. */
export function printMore(invocation: Invocation, rows: readonly Row[]): void {
  const { command, options, globals, io } = invocation
  if (globals.flag('json')) return io.out(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  if (command.table === undefined) throw new Error(`${command.name} has no table`)
  const columns = selectColumns(command.table, options.text('output'))
  io.out(renderColumns(columns, rows, { header: false, exact: globals.flag('parsable') }))
}

export function printJson(io: Io, value: unknown): void {
  io.out(`${JSON.stringify(value ?? null)}\n`)
}

/** Checks -o and -s before anything is asked of the daemon, so that a typing error costs nothing. */
export function checkSelection({ command, options }: Invocation): void {
  if (command.table === undefined) return
  selectColumns(command.table, options.text('output'))
  for (const name of options.list('sort') ?? []) columnOf(command.table, name)
}

/** Asks on a terminal before something is destroyed; scripts, and --yes, go on unasked. */
export function confirm({ io, link, options }: Invocation, question: string): void {
  if (!link.asks(options)) return
  if (!/^y(es)?$/i.test(io.ask(`${question} [y/N]: `).trim()))
    throw new CommandError('not confirmed, nothing was done')
}
