/**
 * Tables: which parameters, in which order, how each is shown (vpsadminos §3.1, OutputFormatter).
 *
 * `columns` prints one line per object, `rows` one line per parameter. Both print `-` for what is absent,
 * false or empty. What comes from outside (names in an index, values of attributes) can hold anything, so
 * control characters are shown as escapes: no text reaches the terminal as a command to it.
 */
import { formatTime } from '../../rpc/time.ts'
import { UsageError } from '../usage-error.ts'
import { bytes, count, duration, elapsed, percent } from './humanize.ts'

export type Row = Readonly<Record<string, unknown>>

export type Column = {
  readonly name: string
  readonly help?: string
  readonly right?: true
  /** us: microseconds of CPU time; ms: how long; date: ms since 1970. Without it, the value as it is. */
  readonly show?: 'bytes' | 'count' | 'us' | 'ms' | 'date' | 'percent'
  /** Read from cgroupfs by the client, not answered by the daemon. */
  readonly usage?: true
}

export type TableSpec = {
  readonly columns: readonly Column[]
  /** Names shown without -o, in order. */
  readonly defaults: readonly string[]
  readonly layout: 'columns' | 'rows'
  readonly sort?: true
  /** Columns that are not listed but exist, such as any cgroup file. */
  readonly other?: (name: string) => Column | null
}

/** `vendor:key`: an attribute of the row. */
const ATTRIBUTE = /^[^:\s]+:\S+$/

/**
 * @param expression  of -o: `a,b`, `+a,b`, `-a,b`, `all`, or empty for nothing
 * @throws UsageError unknown output parameter
 */
export function selectColumns(table: TableSpec, expression: string | undefined): Column[] {
  const defaults = table.defaults.map((name) => columnOf(table, name))
  if (expression === undefined) return defaults
  if (expression === 'all') return [...table.columns]
  const sign = /^[+-]/.exec(expression)?.[0]
  const names = (sign === undefined ? expression : expression.slice(1))
    .split(',')
    .filter((name) => name !== '')
  const columns = names.map((name) => columnOf(table, name))
  if (sign === '+') return [...defaults, ...columns]
  if (sign === '-') return defaults.filter(({ name }) => !names.includes(name))
  return columns
}

export function columnOf(table: TableSpec, name: string): Column {
  const column = table.columns.find((candidate) => candidate.name === name) ?? table.other?.(name)
  if (column) return column
  if (ATTRIBUTE.test(name)) return { name }
  throw new UsageError(
    `unknown output parameter "${name}" (available: ${table.columns.map((c) => c.name).join(', ')})`,
  )
}

export function valueOf(row: Row, name: string): unknown {
  if (Object.hasOwn(row, name)) return row[name]
  const attrs = row['attrs']
  return typeof attrs === 'object' && attrs !== null ? Reflect.get(attrs, name) : undefined
}

/** Stable; what is absent comes last, numbers by value, all else as text. */
export function sortRows<R extends Row>(rows: readonly R[], by: readonly Column[]): R[] {
  return [...rows].sort((a, b) => {
    for (const { name } of by) {
      const order = compare(valueOf(a, name), valueOf(b, name))
      if (order !== 0) return order
    }
    return 0
  })
}

function compare(a: unknown, b: unknown): number {
  const [noA, noB] = [a === null || a === undefined, b === null || b === undefined]
  if (noA || noB) return Number(noA) - Number(noB)
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [textA, textB] = [String(a), String(b)]
  return textA < textB ? -1 : textA > textB ? 1 : 0
}

/** One cell. `exact` is -p: numbers and times as they are. */
export function cell(value: unknown, column: Column, exact: boolean): string {
  if (value === null || value === undefined || value === false || value === '') return '-'
  if (typeof value === 'number' && !exact) return number(value, column.show)
  if (typeof value === 'object') return JSON.stringify(value)
  return String(value)
}

function number(value: number, show: Column['show']): string {
  switch (show) {
    case 'bytes':
      return bytes(value)
    case 'count':
      return count(value)
    case 'us':
      return duration(value / 1e6)
    case 'ms':
      return elapsed(value)
    case 'date':
      return formatTime(value)
    case 'percent':
      return percent(value)
    default:
      return String(value)
  }
}

/** What nearly every cell is: nothing to escape, and as wide as it is long. */
const PLAIN = /^[ -~]*$/

/** Control characters as escapes, so that a value stays on its line and off the terminal's ear. */
export function harmless(text: string): string {
  if (PLAIN.test(text)) return text
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => {
    if (char === '\n') return '\\n'
    if (char === '\t') return '\\t'
    return `\\x${(char.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`
  })
}

export type Style = { readonly header: boolean; readonly exact: boolean; readonly colour?: boolean }

/** Words of states that somebody should look at, and those that are as they should be. */
const BAD = /^(error|in doubt|failed|refused|damaged|suspended|read-only|degraded|faulted|unavail|lost)$/i
const GOOD = /^(running|active|ok|done|online)$/i
const STATES = new Set(['state', 'result', 'health', 'log'])

function painted(text: string, { name }: Column, style: Style): string {
  if (!style.colour || !STATES.has(name)) return text
  const word = text.trim()
  if (BAD.test(word)) return `\x1b[31m${text}\x1b[0m`
  return GOOD.test(word) ? `\x1b[32m${text}\x1b[0m` : text
}

/**
 * One line per row: each column as wide as its widest cell plus one, joined by two blanks, the last one as
 * it is. No columns, no output.
 */
export function renderColumns(columns: readonly Column[], rows: readonly Row[], style: Style): string {
  if (columns.length === 0) return ''
  const head = columns.map(({ name }) => name.toUpperCase())
  const body = rows.map((row) => columns.map((c) => harmless(cell(valueOf(row, c.name), c, style.exact))))
  const lines = style.header ? [head, ...body] : body
  const widths = columns.map(
    (_, i) => lines.reduce((most, line) => Math.max(most, width(line[i] ?? '')), 0) + 1,
  )
  const last = columns.length - 1
  const text = lines.map((line) =>
    columns.map((column, i) => {
      const value = line[i] ?? ''
      return painted(i === last ? value : pad(value, widths[i] ?? 0, column.right === true), column, style)
    }),
  )
  return text.map((line) => `${line.join('  ')}\n`).join('')
}

/** One line per parameter, `LABEL:  value`, a blank line after each object; bare values without header. */
export function renderRows(columns: readonly Column[], rows: readonly Row[], style: Style): string {
  const widest = columns.reduce((most, { name }) => Math.max(most, name.length), 0) + 1
  return rows.map((row) => renderObject(columns, row, style, widest)).join('')
}

function renderObject(columns: readonly Column[], row: Row, style: Style, widest: number): string {
  const lines = columns.map((column) => {
    const value = cell(valueOf(row, column.name), column, style.exact)
    const parts = value.split('\n').map((line) => painted(harmless(line), column, style))
    if (!style.header) return `${parts.join('\n')}\n`
    const label = `${column.name.toUpperCase().padStart(widest)}:  `
    return `${label}${parts.join(`\n${' '.repeat(label.length)}`)}\n`
  })
  if (lines.length === 0) return ''
  return style.header ? `${lines.join('')}\n` : lines.join('')
}

/** Code points: names here are ASCII by rule, and free text is nowhere followed by another column by default. */
function width(text: string): number {
  return PLAIN.test(text) ? text.length : [...text].length
}

function pad(text: string, to: number, right: boolean): string {
  const blanks = ' '.repeat(Math.max(0, to - width(text)))
  return right ? blanks + text : text + blanks
}
