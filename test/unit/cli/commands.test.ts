import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ctList } from '../../../src/audit/answers.ts'
import { messages } from '../../../src/cli/commands/monitor.ts'
import { Progress } from '../../../src/cli/progress.ts'
import { withUsage } from '../../../src/cli/usage.ts'
import { RpcError } from '../../../src/rpc/errors.ts'
import type { MethodParams } from '../../../src/rpc/methods.ts'
import type { EventRow, OpRow } from '../../../src/rpc/results.ts'
import { ctRow, done, recordedIo, run, runAlone } from './harness.ts'

test('ct ls prints the default columns of the original, first and in order', async () => {
  const { status, out } = await run(['ct', 'ls'], { 'ct.list': async () => [ctRow()] })
  assert.equal(status, 0)
  const [head, row] = out.split('\n')
  assert.deepEqual(head?.split(/\s+/), [
    'POOL',
    'ID',
    'USER',
    'GROUP',
    'DISTRIBUTION',
    'VERSION',
    'STATE',
    'INIT_PID',
    'MEMORY',
    'CPU_US',
  ])
  assert.deepEqual(row?.split(/\s+/), [
    'tank',
    '101',
    '101',
    '/default',
    'debian',
    '13',
    'stopped',
    '-',
    '-',
    '-',
  ])
})

test('ct ls passes filters on, and the global pool', async () => {
  let seen: MethodParams<'ct.list'> | undefined
  const handlers = {
    'ct.list': async (params: MethodParams<'ct.list'>) => {
      seen = params
      return []
    },
  }
  await run(['--pool', 'tank', 'ct', 'ls', '-S', 'running,frozen', '-u', 'a', '101'], handlers)
  const { columns: _, ...filters } = seen ?? {}
  assert.deepEqual(filters, { ids: ['101'], states: ['running', 'frozen'], users: ['a'], pools: ['tank'] })
  await run(['--pool', 'tank', 'ct', 'ls', '--pool', 'a,b'], handlers)
  assert.deepEqual(seen?.pools, ['a', 'b'])
})

test('ct ls asks for the fields that it shows or sorts by, and for all of them for JSON', async () => {
  let seen: MethodParams<'ct.list'> | undefined
  const handlers = {
    'ct.list': async (params: MethodParams<'ct.list'>) => {
      seen = params
      return ctList([], params)
    },
  }
  await run(['ct', 'ls', '-o', 'id,org.example:owner', '-s', 'state'], handlers)
  assert.deepEqual(seen?.columns, ['id', 'org.example:owner', 'state', 'attrs'])
  for (const usage of ['memory', 'pids.max']) {
    await run(['ct', 'ls', '-o', 'id', '-s', usage], handlers)
    assert.deepEqual(seen?.columns, ['id', usage, 'init_pid', 'group_path'])
  }
  await run(['-j', 'ct', 'ls'], handlers)
  assert.equal(seen?.columns, undefined)
})

test('-H -o gives bare values, -j all fields, an attribute is a column', async () => {
  const handlers = { 'ct.list': async () => [ctRow()], 'ct.show': async () => ctRow() }
  assert.equal((await run(['ct', 'ls', '-H', '-o', 'id,state'], handlers)).out, '101   stopped\n')
  assert.equal((await run(['ct', 'show', '-H', '-o', 'state', '101'], handlers)).out, 'stopped\n')
  assert.equal((await run(['ct', 'ls', '-H', '-o', 'org.example:owner'], handlers)).out, 'me\n')
  assert.equal((await run(['ct', 'ls', '-o', ''], handlers)).out, '')
  const json = JSON.parse((await run(['-j', 'ct', 'ls', '-o', 'id'], handlers)).out) as unknown[]
  assert.deepEqual(json, [ctRow()])
  const object = JSON.parse((await run(['ct', 'show', '101', '-j'], handlers)).out) as object
  assert.equal(Reflect.get(object, 'state'), 'stopped')
})

test('usage comes from cgroupfs, for running containers and wanted columns only', () => {
  const root = mkdtempSync(join(tmpdir(), 'cgroup-'))
  const directory = join(root, 'osctl/pool.tank/ct.101')
  mkdirSync(directory, { recursive: true })
  const files = {
    'memory.current': '1048576\n',
    'memory.max': '4194304\n',
    'memory.stat': 'anon 1\nkernel 2048\n',
    'cpu.stat': 'usage_usec 3723000000\nuser_usec 10000\nsystem_usec 25000\n',
    'pids.current': '12\n',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  const wanted = [
    'memory',
    'memory_pct',
    'kmemory',
    'cpu_us',
    'cpu_user_hz',
    'nproc',
    'memory.max',
    'io.stat',
  ]
  const columns = wanted.map((name) => ({ name, usage: true as const }))
  const [row] = withUsage([{ ...ctRow({ init_pid: 7 }) }], columns, root)
  assert.deepEqual(
    wanted.map((name) => row?.[name]),
    [1048576, 25, 2048, 3723000000, 1, 12, '4194304', null],
  )
  const [stopped] = withUsage([{ ...ctRow() }], columns, root)
  assert.equal(stopped?.['memory'], null)
  const [hostile] = withUsage([{ ...ctRow({ init_pid: 7, group_path: '../../etc' }) }], columns, root)
  assert.equal(hostile?.['memory'], null)
})

test('a change carries key, command line, reason and claims; the pool of --pool names the container', async () => {
  let seen: MethodParams<'ct.stop'> | undefined
  const handlers = {
    'ct.stop': async (params: MethodParams<'ct.stop'>) => {
      seen = params
      return { ...done, warnings: ['slow'] }
    },
  }
  const env = { SUDO_USER: 'alice', SSH_CONNECTION: '192.0.2.1 5 192.0.2.2 22' }
  const argv = ['--pool', 'tank', '--reason', 'upgrade', 'ct', 'stop', '-t', '5', '101']
  const { status, err, out } = await run(argv, handlers, { env })
  assert.equal(status, 0)
  assert.equal(out, '')
  assert.equal(err, 'warning: slow\n')
  assert.equal(seen?.id, 'tank:101')
  assert.equal(seen?.timeoutSeconds, 5)
  assert.match(seen?.meta?.key ?? '', /^[0-9a-f-]{36}$/)
  assert.equal(seen?.meta?.cli, 'osctl --pool tank --reason upgrade ct stop -t 5 101')
  assert.deepEqual(
    [seen?.meta?.reason, seen?.meta?.sudoUser, seen?.meta?.sshClient],
    ['upgrade', 'alice', '192.0.2.1'],
  )
  await run(['--key', '12345678', '--no-wait', 'ct', 'stop', 'other:101'], handlers)
  assert.deepEqual([seen?.id, seen?.meta?.key, seen?.meta?.noWait], ['other:101', '12345678', true])
})

test('what a change answers is said: accepted, nothing to do, where a deleted container is', async () => {
  const accepted = await run(['ct', 'freeze', 'x'], {
    'ct.freeze': async () => ({ ...done, result: 'accepted' as const }),
  })
  assert.equal(accepted.out, 'accepted: it goes on as operation OP (osctl op attach OP waits for it)\n')
  const noop = { 'ct.freeze': async () => ({ ...done, result: 'noop' as const }) }
  assert.equal((await run(['ct', 'freeze', 'x'], noop)).err, '')
  assert.equal(
    (await run(['ct', 'freeze', 'x'], noop, { terminals: [2] })).err,
    'note: nothing to do, it was so already\n',
  )
  const trash = { name: '101.X', expires_at: Date.UTC(2030, 0, 1) }
  const handlers = { 'ct.delete': async () => ({ ...done, trash }) }
  assert.match((await run(['ct', 'del', '101'], handlers)).out, /^in the trash as 101\.X until 20(29|30)-/)
  assert.deepEqual(JSON.parse((await run(['-j', 'ct', 'del', '101'], handlers)).out), { ...done, trash })
})

test('progress: plain lines to a file, one line with bar and rate on a terminal, none with -q', async () => {
  const handlers = {
    'ct.start': async (
      _params: unknown,
      call: { progress: (text: string, done?: number, total?: number) => void },
    ) => {
      call.progress('Downloading', 0, 1000)
      call.progress('Downloading', 500, 1000)
      call.progress('Starting container')
      return done
    },
  }
  assert.equal((await run(['ct', 'start', 'x'], handlers)).out, 'Downloading\nStarting container\n')
  assert.equal((await run(['-q', 'ct', 'start', 'x'], handlers)).out, '')
  const json = await run(['-j', 'ct', 'start', 'x'], handlers)
  assert.deepEqual(JSON.parse(json.out), done)
  assert.equal(json.err, 'Downloading\nStarting container\n')

  const { io, result } = recordedIo({ terminals: [1] })
  let now = 0
  const progress = new Progress(io, 1, () => now)
  progress.show({ id: 1, text: 'Downloading', done: 0, total: 4096 })
  now = 1000
  progress.show({ id: 1, text: 'Downloading', done: 2048, total: 4096 })
  progress.clear()
  assert.equal(
    result.out.split('\r\x1b[K').at(-2),
    'Downloading  [##########          ] 50%  2.0K/4.0K  2.0K/s',
  )
  assert.ok(result.out.endsWith('\r\x1b[K'))
})

test('errors: one line, exit status 1, with the state and what is possible', async () => {
  const refuse = async () => {
    throw new RpcError('container is running', {
      kind: 'refused',
      code: 'E',
      state: 'running',
      possible: ['stop', 'freeze'],
    })
  }
  const refused = await run(['ct', 'del', 'x'], { 'ct.delete': refuse })
  assert.deepEqual(
    [refused.status, refused.err],
    [1, 'error: container is running (state: running; possible: stop, freeze)\n'],
  )
  const broken = await run(['ct', 'del', 'x'], {
    'ct.delete': async () => {
      throw new Error('boom')
    },
  })
  assert.match(broken.err, /^error: internal error [a-z0-9-]+ \(the daemon's log has the details\)\n$/)
  const illegal = await run(['ct', 'new', '--distribution', 'd', '../x'], { 'ct.new': async () => done })
  assert.match(illegal.err, /^error: invalid ID, allowed characters: .*\n$/)
  const alone = await runAlone(['ct', 'ls'])
  assert.equal(alone.status, 1)
  assert.match(
    alone.err,
    /^error: cannot connect to osctld at .*: it is not running \(start it with: sv up osctld\)\n$/,
  )
})

test('options that are not there yet: refused where something hangs on them, noted where nothing does', async () => {
  const refused = await runAlone(['ct', 'exec', '-r', 'x', 'ls'])
  assert.deepEqual([refused.status, refused.err], [1, 'error: --run-container is not available yet\n'])
  const noted = await run(['ct', 'stop', '-m', 'bye', 'x'], { 'ct.stop': async () => done })
  assert.deepEqual([noted.status, noted.err], [0, 'note: --message has no effect yet\n'])
})

test('what destroys asks on a terminal, and only there', async () => {
  let pruned = 0
  const handlers = {
    'trash.prune': async () => {
      pruned += 1
      return done
    },
  }
  const no = await run(['trash-bin', 'prune'], handlers, { terminals: [0], answer: 'n' })
  assert.deepEqual([no.status, no.err, pruned], [1, 'error: not confirmed, nothing was done\n', 0])
  assert.equal((await run(['trash-bin', 'prune'], handlers, { terminals: [0], answer: 'y' })).status, 0)
  assert.equal((await run(['trash-bin', 'prune', '--yes'], handlers, { terminals: [0] })).asked.length, 0)
  assert.equal((await run(['trash-bin', 'prune'], handlers)).status, 0)
  assert.equal(pruned, 3)
  let down = 0
  const shutdown = {
    shutdown: async () => {
      down += 1
      return done
    },
  }
  assert.equal((await run(['shutdown'], shutdown)).status, 1)
  assert.equal((await run(['shutdown', '-f'], shutdown)).status, 0)
  const asked = await run(['shutdown'], shutdown, { terminals: [0], answer: 'y' })
  assert.deepEqual(asked.asked, ['Do you really wish to stop all containers and export all pools? [y/N]: '])
  assert.equal(down, 2)
})

test('ping: 0 when it answers, 2 when it cannot be reached, 3 when something else answers, 1 otherwise', async () => {
  assert.deepEqual(await run(['ping'], { ping: async () => 'pong' }), {
    status: 0,
    out: 'pong\n',
    err: '',
    asked: [],
  })
  assert.equal((await runAlone(['ping'])).status, 2)
  assert.equal((await run(['ping'], { ping: async () => 'pang' as 'pong' })).status, 3)
  assert.equal(
    (
      await run(['ping'], {
        ping: async () => {
          throw new Error('x')
        },
      })
    ).status,
    1,
  )
  const waited = await runAlone(['ping', '1'])
  assert.equal(waited.status, 2)
})

test('healthcheck prints as the original, and its exit status tells whether there is an error', async () => {
  const well = await run(['healthcheck'], { healthcheck: async () => [] })
  assert.deepEqual([well.status, well.out], [0, 'No errors detected.\n'])
  const missing = { pool: 'tank', entity: 'container', id: '101', problem: 'its dataset is missing' }
  const error = { ...missing, level: 'error' as const }
  const warning = { pool: null, entity: 'host', id: null, problem: 'x', level: 'warning' as const }
  const { status, out } = await run(['healthcheck'], { healthcheck: async () => [error, warning] })
  assert.deepEqual(
    [status, out],
    [1, 'container tank 101\n\tits dataset is missing\nhost - -\n\twarning: x\n'],
  )
  assert.equal((await run(['healthcheck'], { healthcheck: async () => [warning] })).status, 0)
  assert.equal((await run(['-j', 'healthcheck'], { healthcheck: async () => [error] })).status, 1)
})

test('op show tells the steps, and the way out of doubt', async () => {
  const op: OpRow = {
    pool: 'tank',
    op: 'OP',
    target: '101',
    command: 'osctl ct start 101',
    actor: 'uid 0',
    started: 0,
    state: 'in doubt',
    step: 'lxc.start',
    problem: null,
    steps: [{ intent: 'OP.1', kind: 'lxc.start', state: 'in doubt', detail: 'no pid', args: { id: 'x' } }],
  }
  const { out } = await run(['-p', 'op', 'show', 'OP'], { 'op.show': async () => op })
  assert.match(out, /^ operation: {2}OP\n/)
  assert.match(
    out,
    /\nSTATE {6}STEP {8}INTENT {3}ARGS {9}DETAIL\nin doubt {3}lxc\.start {3}OP\.1 {5}\{"id":"x"\} {3}no pid\n/,
  )
  assert.match(out, /osctl op retry OP, or osctl op resolve --as done\|failed\|undone OP/)
  const running = { ...op, state: 'running' }
  const going = await run(['op', 'show', 'OP'], { 'op.show': async () => running })
  assert.match(going.out, /It goes on: osctl op attach OP waits for it, osctl op cancel OP stops it\n$/)
  const over = await run(['op', 'show', 'OP'], { 'op.show': async () => ({ ...op, state: 'done' }) })
  assert.doesNotMatch(over.out, /osctl op/)
})

test('history and event ls print their columns', async () => {
  const row = {
    time: 0,
    pool: 'tank',
    position: 'tank:1',
    op: 'OP',
    actor: 'uid 0',
    target: '101',
    command: 'osctl ct start 101',
    result: 'done',
    error: null,
    duration: 1250,
    reason: null,
    stream: 'ct:X',
    type: 'CommandAccepted',
    host: 'node1',
    boot: 'b',
    mono: 1,
  }
  const history = await run(['history', 'tank'], { 'history.list': async () => [row] })
  assert.deepEqual(history.out.split('\n')[0]?.trim().split(/\s+/), [
    'TIME',
    'POOL',
    'COMMAND',
    'RESULT',
    'DURATION',
    'ACTOR',
    'TARGET',
  ])
  assert.match(history.out, /osctl ct start 101 +done +1\.25s +uid 0 +101\n/)
  assert.match((await run(['-p', 'history'], { 'history.list': async () => [row] })).out, /\n0 +tank /)
  const events = await run(['event', 'ls', '--ct', '101'], { 'event.list': async () => [event()] })
  assert.match(events.out, /tank:7 .* 101 +CtExited +\{"run":"r"\}\n/)
})

const event = (more: Partial<EventRow> = {}): EventRow => ({
  position: 'tank:7',
  pool: 'tank',
  seq: 7,
  time: 0,
  boot: 'b',
  mono: 1,
  stream: 'ct:X',
  target: '101',
  ver: 3,
  type: 'CtExited',
  v: 1,
  id: 'E',
  op: 'OP',
  by: null,
  data: { run: 'r' },
  ...more,
})

test('history asks for what was typed, and says which containers had a name', async () => {
  const asked: unknown[] = []
  const made = { pool: 'tank', ctid: '101', stream: 'X', created_at: 0 }
  const handlers = {
    'history.list': async (params: object) => {
      asked.push(params)
      return []
    },
    'history.subjects': async () => [
      { ...made, deleted_at: 5000 },
      { ...made, stream: 'Y', deleted_at: null },
    ],
  }
  const argv = [
    'history',
    '--ct',
    '101',
    '--since',
    '@100',
    '--until',
    '@100',
    '--actor',
    'root,eve',
    '--failed',
  ]
  const { err } = await run(argv, handlers)
  const actors = ['root', 'uid 0', 'eve']
  assert.deepEqual(asked, [{ ct: '101', since: 100_000, until: 100_999, actors, failed: true, limit: 1000 }])
  assert.match(
    err,
    /^note: 101 is or was 2 containers;.*\n {2}tank:X {2}101, made .*, gone since .*\n.*, is there\n$/,
  )
  const wrong = await run(['history', '--since', 'soon'], handlers)
  assert.deepEqual([wrong.status, asked.length], [64, 1])
  assert.match(wrong.err, /--since: not a time: 'soon' \(write '10 minutes ago'/)
})

test('monitor --since takes positions, cursors and times', async () => {
  const asked: unknown[] = []
  const handlers = {
    'event.subscribe': async (params: object) => {
      asked.push(params)
      throw new RpcError('enough', { kind: 'refused', code: 'E_BUSY' })
    },
  }
  for (const since of ['tank:7', '7', 'tank:7,dozer:9', '@100'])
    assert.equal((await run(['monitor', '--since', since, '--failed'], handlers)).status, 1)
  assert.deepEqual(asked, [
    { after: ['tank:7'], failed: true },
    { after: ['7'], failed: true },
    { after: ['tank:7', 'dozer:9'], failed: true },
    { since: 100_000, failed: true },
  ])
  const wrong = await run(['monitor', '--since', 'tank:x'], handlers)
  assert.deepEqual([wrong.status, asked.length], [64, 4])
  assert.match(wrong.err, /--since: not a time: 'tank:x'/)
})

test('order between pools that rests on the wall clock is told', async () => {
  const rows = [event({ boot: 'x' }), event({ boot: 'y', pool: 'dozer' })]
  assert.match((await run(['event', 'tail'], { 'event.list': async () => rows })).err, /^note: .* wall clock/)
})

test('event ls --format cloudevents prints one CloudEvent a line', async () => {
  const { out } = await run(['event', 'ls', '--format', 'cloudevents'], {
    'event.list': async () => [event()],
  })
  assert.deepEqual(JSON.parse(out), {
    specversion: '1.0',
    id: 'E',
    source: 'osctl:pool:tank',
    type: 'org.vpsadminos.osctl.CtExited',
    time: '1970-01-01T00:00:00.000Z',
    subject: 'ct:X',
    datacontenttype: 'application/json',
    dataschema: 'osctl:event:CtExited:1',
    sequence: '7',
    sequencetype: 'Integer',
    pool: 'tank',
    streamversion: 3,
    correlationid: 'OP',
    ctid: '101',
    bootid: 'b',
    data: { run: 'r' },
  })
})

test('monitor speaks the lines of the original where it has them', () => {
  const states = new Map<string, string>()
  const lines = (row: EventRow, state?: string) =>
    messages({ id: 1, event: row, ...(state === undefined ? {} : { state }) }, states).map(({ line }) => line)
  assert.deepEqual(lines(event(), 'stopped'), [
    'event tank:7 CtExited 101 {"run":"r"}',
    'state tank 101 stopped',
  ])
  assert.deepEqual(lines(event(), 'stopped'), ['event tank:7 CtExited 101 {"run":"r"}'])
  const accepted = event({ type: 'CommandAccepted', data: { command: 'ct start', args: { id: '101' } } })
  assert.deepEqual(lines(accepted), ['management id=OP state=run command=ct start opts={"id":"101"}'])
  assert.deepEqual(lines(event({ type: 'OperationFinished', data: { result: 'failed' } })), [
    'management id=OP state=failed command=- opts={}',
  ])
})

test('on a terminal the simulated host is named, in scripts it is not', async () => {
  const handlers = { ping: async () => 'pong' as const }
  assert.match((await run(['ping'], handlers, { simulated: true, terminals: [2] })).err, /simulated host/)
  assert.equal((await run(['ping'], handlers, { simulated: true })).err, '')
})
