/**
 * The matrix of DESIGN §7: every boundary of a command × every way to die there, counted.
 *
 * Columns are who dies: the daemon; its helper, at its work and right after it; the daemon, while its helper lives and
 * finishes later or half; the whole host. Rows are moments: before the commit of an intent, after it, after the effect,
 * after the commit of its outcome; a boundary is one of these by what was met there.
 */
import { type Boundary, nameOf } from './boundary.ts'
import { type Course, crash, helperKilledAt, type Verdict, waysAt } from './crashes.ts'
import { fail } from './failures.ts'

export const COLUMNS = ['daemon killed', 'helper killed', 'helper outlives', 'power cut'] as const
export type Column = (typeof COLUMNS)[number]
export type Cells = { boundaries: number } & Record<Column, number>

type Cell = { readonly column: Column; readonly name: string; run(): Promise<Verdict> }

function columnOf({ action, orphan }: ReturnType<typeof waysAt>[number]): Column {
  if (action.do === 'power-cut') return 'power cut'
  return 'orphan' in action && action.orphan && orphan !== 'never' ? 'helper outlives' : 'daemon killed'
}

/** All cells of one boundary. */
function cellsAt(course: Course, boundary: Boundary): Cell[] {
  const cells = waysAt(boundary).map((way): Cell => {
    const name = `${way.name} ${nameOf(boundary)}`
    return { column: columnOf(way), name, run: () => crash(course, boundary, way) }
  })
  const action = helperKilledAt(boundary)
  // In a course that fails already the error stands for the helper's death.
  if (!action || course.fault) return cells
  const name = 'its helper is killed'
  const run = (): Promise<Verdict> => fail(course, boundary, { name, action })
  return [...cells, { column: 'helper killed', name: `${name} ${nameOf(boundary)}`, run }]
}

export const noCells = (): Cells => ({
  boundaries: 0,
  'daemon killed': 0,
  'helper killed': 0,
  'helper outlives': 0,
  'power cut': 0,
})

export function addCells(to: Cells, from: Cells): void {
  for (const name of ['boundaries', ...COLUMNS] as const) to[name] += from[name]
}

/**
 * Runs all cells of a course.
 * @throws the first that does not converge, with its story
 */
export async function everyCell(course: Course): Promise<Cells> {
  const cells = noCells()
  if (course.boundaries.length === 0) throw new Error(`${course.verb.name}: no boundary was met`)
  for (const boundary of course.boundaries) {
    cells.boundaries += 1
    for (const { column, name, run } of cellsAt(course, boundary)) {
      cells[column] += 1
      const { wrong, story } = await run()
      if (wrong.length > 0) throw new Error([`${course.verb.name}, ${name}`, ...wrong, ...story].join('\n'))
    }
  }
  return cells
}

/** The counts of all verbs, as a table. */
export function tableOf(rows: ReadonlyMap<string, Cells>): string {
  const sum = noCells()
  for (const cells of rows.values()) addCells(sum, cells)
  const width = Math.max(...[...rows.keys()].map((name) => name.length))
  const line = (name: string, cells: readonly (string | number)[]): string =>
    [name.padEnd(width), ...cells.map((cell) => `${cell}`.padStart(15))].join(' ')
  const numbers = (cells: Cells): number[] => [
    cells.boundaries,
    ...COLUMNS.map((column) => cells[column]),
    COLUMNS.reduce((n, column) => n + cells[column], 0),
  ]
  return [
    line('', ['boundaries', ...COLUMNS, 'cells']),
    ...[...rows].map(([name, cells]) => line(name, numbers(cells))),
    line('all', numbers(sum)),
  ].join('\n')
}
