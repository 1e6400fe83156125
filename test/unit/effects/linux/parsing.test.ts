import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findCgroup2, parseEvents } from '../../../../src/effects/linux/cgroup.ts'
import { classify, oneLine, programError } from '../../../../src/effects/linux/errors.ts'
import { isInit, parseStat } from '../../../../src/effects/linux/inspect.ts'
import { containerCgroup, part } from '../../../../src/effects/linux/paths.ts'
import { parseReport } from '../../../../src/effects/linux/spool.ts'
import {
  destroyRefusal,
  guidArgument,
  parseDestroyAnswer,
} from '../../../../src/effects/linux/zfs-destroy.ts'
import { parseMountinfo, parseZfsGet } from '../../../../src/effects/linux/zfs-parse.ts'
import { parseImportable, parseUsedElsewhere } from '../../../../src/effects/linux/zpool-import.ts'

test('what ZFS says is classified by what the engine does next', () => {
  const cases: [string, string, string][] = [
    ["cannot open 'tank/x': dataset does not exist", 'E_NOT_FOUND', 'permanent'],
    ["cannot create 'tank/x': dataset already exists", 'E_EXISTS', 'permanent'],
    ["cannot unmount '/tank/x': pool or dataset is busy", 'E_BUSY', 'transient'],
    ["cannot create 'tank/x': out of space", 'E_NO_SPACE', 'permanent'],
    ["cannot destroy 'tank/x': filesystem has dependent clones", 'E_REFUSED', 'permanent'],
    ["cannot open 'tank': pool I/O is currently suspended", 'E_IO', 'transient'],
    ['cannot receive new filesystem stream: incomplete stream', 'E_BAD_IMAGE', 'permanent'],
    ['tar: x: Cannot write: No space left on device', 'E_NO_SPACE', 'permanent'],
    ['something else', 'E_FAILED', 'permanent'],
  ]
  for (const [said, code, failure] of cases) assert.deepEqual(classify(said), { code, failure }, said)
})

test('a message is one line without control characters, never long', () => {
  assert.equal(oneLine('  a\n\n b\u001b[1m \n'), 'a; b?[1m')
  assert.equal(oneLine('x'.repeat(5000)).length, 400)
  assert.match(
    programError('zfs', '\n', 'exit status 3').message,
    /zfs failed without a word \(exit status 3\)/,
  )
})

test('zfs get -j is read whatever stands in user properties', () => {
  const properties = {
    guid: { value: '18446744073709551615' },
    createtxg: { value: '7' },
    mounted: { value: 'yes' },
    mountpoint: { value: '/tank/x' },
    origin: { value: '-' },
    'a:b': { value: 'tab\tnewline\n', source: { type: 'LOCAL', data: '-' } },
    'a:inherited': { value: 'x', source: { type: 'INHERITED', data: 'tank' } },
    'a:received': { value: 'x', source: { type: 'RECEIVED', data: '-' } },
  }
  const json = JSON.stringify({ datasets: { 'tank/x': { name: 'tank/x', properties } } })
  assert.deepEqual(parseZfsGet(json), [
    {
      name: 'tank/x',
      guid: '18446744073709551615',
      createtxg: '7',
      mounted: true,
      mountpoint: '/tank/x',
      origin: null,
      properties: { 'a:b': 'tab\tnewline\n' },
    },
  ])
  assert.deepEqual(parseZfsGet('{}'), [])
})

test('mountinfo gives what is mounted, and the last cgroup v2', () => {
  const text = [
    '36 35 0:41 / /tank/a\\040b rw,noatime shared:1 - zfs tank/a\\040b rw,xattr',
    '38 35 0:41 /private /run/x rw,idmapped - zfs tank/a\\040b rw,xattr',
    '37 35 0:42 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw',
    'malformed',
  ].join('\n')
  const source = 'tank/a b'
  const [whole, bound] = parseMountinfo(text)
  assert.deepEqual(whole, { source, root: '/', target: '/tank/a b', type: 'zfs', idmapped: false })
  assert.deepEqual(bound, { source, root: '/private', target: '/run/x', type: 'zfs', idmapped: true })
  assert.equal(findCgroup2(text), '/sys/fs/cgroup')
  assert.equal(findCgroup2(''), null)
})

test('cgroup.events', () => {
  assert.deepEqual(parseEvents('populated 1\nfrozen 0\n'), { populated: true, frozen: false })
  assert.deepEqual(parseEvents('populated 0\nfrozen 1\n'), { populated: false, frozen: true })
})

test('a guid is compared as the channel program prints it', () => {
  assert.equal(guidArgument('18446744073709551615'), 'guid -1')
  assert.equal(guidArgument('42'), 'guid 42')
  assert.deepEqual(parseDestroyAnswer('{"return":"guid -1"}'), { is: 'other', guid: '18446744073709551615' })
  assert.deepEqual(parseDestroyAnswer('{"return":"errno 16 on tank/x"}'), {
    is: 'errno',
    errno: 16,
    what: 'tank/x',
  })
  assert.deepEqual(parseDestroyAnswer('{"return":"done"}'), { is: 'done' })
  assert.throws(() => parseDestroyAnswer('{}'), /not an answer/)
})

test('what the destroy program answers is told in one line, with what is in the way', () => {
  const told = (answer: string): string => {
    const refusal = destroyRefusal('tank/x', '5', parseDestroyAnswer(JSON.stringify({ return: answer })))
    return refusal === null ? 'done' : `${refusal.code} ${refusal.failure} ${refusal.message}`
  }
  const cases: [string, string][] = [
    ['done', 'done'],
    ['absent', 'done'],
    ['guid 6', 'E_REFUSED permanent cannot destroy tank/x: it has guid 6, not 5: it is not ours'],
    ['clone tank/y of tank/x@s', 'E_REFUSED permanent cannot destroy tank/x: clone tank/y of tank/x@s'],
    ['hold keep on tank/x@s', 'E_BUSY transient cannot destroy tank/x: hold keep on tank/x@s'],
    ['errno 16 on tank/x/var', 'E_BUSY transient cannot destroy tank/x: tank/x/var is in use'],
    ['errno 11 on tank/x', 'E_BUSY transient cannot destroy tank/x: tank/x is in use'],
    ['errno 5 on tank/x', 'E_FAILED permanent cannot destroy tank/x: tank/x: errno 5'],
    [
      'bookmark tank/x',
      'E_REFUSED permanent cannot destroy tank/x: a bookmark of tank/x is newer than its snapshots, so that ZFS does not ' +
        'tell whether it is in use: zfs list -t bookmark tank/x, then zfs destroy',
    ],
  ]
  for (const [answer, what] of cases) assert.equal(told(answer), what)
})

test('a process may have any name in /proc/<pid>/stat', () => {
  const rest = 'S 1 2 3 4 5 4194368 6 7 8 9 10 11 12 13 20 0 1 0 12345 100 200'
  assert.deepEqual(parseStat(`42 (a) R (b) ${rest}`), { flags: 4194368, startTime: 12345 })
  assert.equal(parseStat(''), null)
})

test('an init is pid 1 of a pid namespace right below the host', () => {
  assert.ok(isInit('Name:\tinit\nNSpid:\t4711\t1\n'))
  assert.ok(!isInit('NSpid:\t4711\t5\n'))
  assert.ok(!isInit('NSpid:\t4711\t12\t1\n'), 'the init of a container in the container')
  assert.ok(!isInit('NSpid:\t1\n'))
})

test('a hook report is dated by the uptime that the hook noted', () => {
  const text = '{"pool":"tank","id":"I","run":"r","inits":2,"last":"reboot","initPid":null,"uptime":90.5}'
  const report = parseReport(text, { epochMs: 1_000_000, uptime: 100.5 })
  assert.deepEqual(report, {
    pool: 'tank',
    id: 'I',
    run: 'r',
    inits: 2,
    last: 'reboot',
    initPid: null,
    at: 990_000,
  })
  for (const bad of ['', '{', '{}', text.replace('reboot', 'explode'), text.replace('2', '-2')]) {
    assert.equal(parseReport(bad, { epochMs: 0, uptime: 0 }), null)
  }
})

test('names become parts of paths only when they are plain', () => {
  for (const bad of ['', '.', '..', 'a/b', '-rf', 'a\nb', 'ü', 'x'.repeat(201)])
    assert.throws(() => part(bad))
  const at = { pool: 'tank', group: '/a/b', user: 'web', ctid: '101' }
  assert.equal(containerCgroup(at), 'osctl/pool.tank/group.a/group.b/user.web/ct.101')
})

test('zpools that could be imported are read, and which of them another host had last', () => {
  const listed = `   pool: tank
     id: 18446744073709551615
  state: ONLINE
status: The pool was last accessed by another system.
 action: The pool can be imported using its name or numeric identifier and
\tthe '-f' flag.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-EY
 config:

\ttank        ONLINE
\t  vdb       ONLINE

   pool: data
     id: 7
  state: ONLINE
 action: The pool can be imported using its name or numeric identifier.
 config:

\tdata        ONLINE
\t  vdc       ONLINE
`
  assert.deepEqual(parseImportable(listed), [
    { name: 'tank', guid: '18446744073709551615', isUsedElsewhere: true },
    { name: 'data', guid: '7', isUsedElsewhere: false },
  ])
  assert.deepEqual(parseImportable('no pools available to import\n'), [])
})

test('the refusal of a zpool that another host has says who, and when', () => {
  const said = programError(
    'zpool',
    `cannot import 'tank': pool was previously in use from another system.
Last accessed by alpha (hostid=c0ffee) at Wed Nov 25 09:00:00 2026
The pool can be imported, use 'zpool import -f' to import the pool.
`,
    'exit status 1',
  ).message
  const at = new Date(2026, 10, 25, 9).getTime()
  assert.deepEqual(parseUsedElsewhere(said), { host: 'alpha', hostId: '00c0ffee', at, isActive: false })
  const active =
    "cannot import 'tank': pool is imported on alpha (hostid: 0xc0ffee); Export the pool on the other system, then run 'zpool import'."
  assert.deepEqual(parseUsedElsewhere(active), {
    host: 'alpha',
    hostId: '00c0ffee',
    at: null,
    isActive: true,
  })
  for (const other of ["cannot import 'tank': no such pool available", ''])
    assert.equal(parseUsedElsewhere(other), null)
})
