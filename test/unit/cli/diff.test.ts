/** `osctl diff` on the terminal. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DiffChange, DiffReport } from '../../../src/rpc/results.ts'
import { run, runAlone } from './harness.ts'

const change = (more: Partial<DiffChange>): DiffChange => ({
  entity: 'container',
  name: 'web',
  key: '01ID',
  change: 'changed',
  property: 'state',
  before: 'running',
  after: 'stopped',
  position: 'tank:9',
  time: 5,
  actor: 'alice',
  command: 'osctl ct stop web',
  ...more,
})
const report: DiffReport = {
  pool: 'tank',
  from: { seq: 0, time: null },
  to: { seq: 12, time: 5 },
  changes: [
    change({
      entity: 'pool',
      name: 'tank',
      key: 'tank',
      property: 'parallel_start',
      before: '2',
      after: '4',
    }),
    change({}),
    change({ property: 'org.x:note', before: null, after: 'a\u001b[31mb', position: 'tank:11' }),
    change({ name: 'db', key: '01DB', change: 'added', property: null, before: null, after: null }),
    change({ name: 'db', key: '01DB', change: 'added', property: 'state', before: null, after: 'stopped' }),
  ],
}

describe('osctl diff', () => {
  it('prints what changed, containers first, and who did it', async () => {
    const { out, status } = await run(['-p', 'diff', '0', '12'], { diff: async () => [report] })
    assert.equal(status, 0)
    assert.equal(
      out,
      [
        'before the log began … tank:12 (5)',
        '',
        '~ container web (01ID)',
        '    state       running → stopped  tank:9  alice: osctl ct stop web',
        '    org.x:note  - → a\\x1b[31mb     tank:11  alice: osctl ct stop web',
        '',
        '+ container db (01DB)  tank:9  alice: osctl ct stop web',
        '    state  stopped',
        '',
        '~ pool tank',
        '    parallel_start  2 → 4  tank:9  alice: osctl ct stop web',
        '',
      ].join('\n'),
    )
  })

  it('says so when nothing differs, and --json has all of it', async () => {
    const handlers = { diff: async () => [{ ...report, changes: [] }] }
    assert.match((await run(['diff', '1'], handlers)).out, /\nnothing differs\n$/)
    const { out } = await run(['-j', 'diff', '1'], { diff: async () => [report] })
    assert.deepEqual(JSON.parse(out), [report])
  })

  it('a moment that is none is a usage error', async () => {
    const { status, err } = await runAlone(['diff', 'soon-ish'])
    assert.equal(status, 64)
    assert.match(err, /^error: invalid value for <from>: /)
  })
})
