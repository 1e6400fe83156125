import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytes, count, duration, elapsed, percent } from '../../../src/cli/output/humanize.ts'
import {
  type Column,
  harmless,
  renderColumns,
  renderRows,
  selectColumns,
  sortRows,
  type TableSpec,
} from '../../../src/cli/output/table.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'

const exact = { header: true, exact: true }

test('columns: upper-case header, padded to the widest plus one, two blanks between, the last as it is', () => {
  const columns = [{ name: 'id' }, { name: 'pid', right: true }, { name: 'state' }] as const
  const rows = [
    { id: '101', pid: 7, state: 'running' },
    { id: 'webserver', pid: null, state: '' },
  ]
  assert.equal(
    renderColumns(columns, rows, exact),
    ['ID           PID  STATE', '101            7  running', 'webserver      -  -', ''].join('\n'),
  )
  assert.equal(renderColumns(columns, rows.slice(0, 1), { ...exact, header: false }), '101    7  running\n')
})

test('rows: labels right-justified to the longest plus one, a blank line after each object', () => {
  const columns = [{ name: 'id' }, { name: 'state' }, { name: 'text' }]
  const text = renderRows(columns, [{ id: '101', state: true, text: 'a\nb' }], exact)
  assert.equal(text, '    ID:  101\n STATE:  true\n  TEXT:  a\n         b\n\n')
  assert.equal(
    renderRows(columns.slice(0, 2), [{ id: '101', state: false }], { ...exact, header: false }),
    '101\n-\n',
  )
})

const cells = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.constant(null),
  fc.boolean(),
  fc.string({ unit: 'grapheme' }),
)
const tables = fc.integer({ min: 1, max: 5 }).chain((n) =>
  fc.record({
    columns: fc.constant(
      Array.from(
        { length: n },
        (_, i): Column => (i % 2 ? { name: `c${i}`, right: true } : { name: `c${i}` }),
      ),
    ),
    rows: fc.array(fc.dictionary(fc.constantFrom(...Array.from({ length: n }, (_, i) => `c${i}`)), cells), {
      maxLength: 6,
    }),
  }),
)

test('every column begins (or ends, right-aligned) at one place in all lines, whatever is in it', () => {
  fc.assert(
    fc.property(tables, ({ columns, rows }) => {
      const lines = renderColumns(columns, rows, exact)
        .split('\n')
        .slice(0, -1)
        .map((line) => [...line])
      assert.equal(lines.length, rows.length + 1)
      const widths = columns.map(({ name }) => {
        const one = renderColumns(
          [{ name }, { name: 'end' }],
          rows.map((row) => ({ ...row, end: 'x' })),
          exact,
        )
        return [...(one.split('\n')[0] ?? '')].length - 'end'.length - 2
      })
      let at = 0
      for (const width of widths.slice(0, -1)) {
        at += width
        for (const line of lines) assert.equal(line.slice(at, at + 2).join(''), '  ')
        at += 2
      }
    }),
    { numRuns: 200 },
  )
})

test('no text reaches the terminal as a command to it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = renderColumns([{ name: 'a' }], [{ a: text }], { header: false, exact: false })
      assert.match(shown, /^[^\p{Cc}]*\n$/u)
    }),
  )
  assert.equal(harmless('a\x1b[31m\n\u202eb'), 'a\\x1b[31m\\n\\x202eb')
})

test('a terminal sees states in colour without a change of the columns', () => {
  const columns = [{ name: 'state' }, { name: 'id' }]
  const style = { header: false, exact: true, colour: true }
  assert.equal(renderColumns(columns, [{ state: 'error', id: 1 }], style), '\x1b[31merror \x1b[0m  1\n')
  assert.equal(renderColumns(columns, [{ state: 'stopped', id: 1 }], style), 'stopped   1\n')
})

const table: TableSpec = {
  columns: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
  defaults: ['a', 'b'],
  layout: 'columns',
}
const selections: [string | undefined, string[]][] = [
  [undefined, ['a', 'b']],
  ['c,a', ['c', 'a']],
  ['+c', ['a', 'b', 'c']],
  ['-a', ['b']],
  ['all', ['a', 'b', 'c']],
  ['', []],
  ['a,org.example:key', ['a', 'org.example:key']],
]
for (const [expression, names] of selections) {
  test(`-o ${expression ?? '(none)'} selects ${names.join(' ') || 'nothing'}`, () => {
    assert.deepEqual(
      selectColumns(table, expression).map(({ name }) => name),
      names,
    )
  })
}

test('an unknown parameter is a usage error that names those that exist', () => {
  assert.throws(
    () => selectColumns(table, 'x'),
    (error) =>
      error instanceof UsageError &&
      /unknown output parameter "x" \(available: a, b, c\)/.test(error.message),
  )
  assert.throws(() => selectColumns(table, '-x'), UsageError)
})

test('sorting is by value, stable, with what is absent last', () => {
  const rows = [
    { n: 10, k: 'a' },
    { n: null, k: 'b' },
    { n: 9, k: 'c' },
    { n: 10, k: 'd' },
  ]
  assert.deepEqual(
    sortRows(rows, [{ name: 'n' }]).map(({ k }) => k),
    ['c', 'a', 'd', 'b'],
  )
})

test('sizes, numbers, and durations as the reference shows them', () => {
  assert.deepEqual([0, 512, 1024, 1536, 5 * 1024 ** 3, 1023 * 1024 ** 2, 2 ** 50].map(bytes), [
    '0',
    '512',
    '1.0K',
    '1.5K',
    '5.0G',
    '1023M',
    '1024T',
  ])
  assert.deepEqual([999, 1000, 1_234_567, 0.123, 123.46].map(count), ['999', '1.0K', '1.2M', '0.12', '123.5'])
  assert.deepEqual([12, 192, 3723, 176_523].map(duration), ['12s', '03:12', '01:02:03', '2d, 01:02:03'])
  assert.deepEqual([14, 1250, 90_000].map(elapsed), ['14ms', '1.25s', '01:30'])
  assert.equal(percent(12.345), '12.3%')
})
