/** osctl as a process: sessions, signals, pipes, terminals. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MethodParams } from '../../../src/rpc/methods.ts'
import type { HistoryRow } from '../../../src/rpc/results.ts'
import type { Call, Handlers } from '../../../src/rpc/server.ts'
import { type Harness, startServer } from '../rpc/harness.ts'
import { done } from './harness.ts'

const OSCTL = join(import.meta.dirname, '../../../bin/osctl.ts')

function osctl(h: Harness, argv: readonly string[]) {
  const child = spawn(process.execPath, [OSCTL, ...argv], { env: { ...process.env, OSCTL_SOCKET: h.path } })
  const output = { out: '', err: '' }
  child.stdout.on('data', (data: Buffer) => {
    output.out += String(data)
  })
  child.stderr.on('data', (data: Buffer) => {
    output.err += String(data)
  })
  const ended = once(child, 'close').then(([code]) => ({ status: code as number, ...output }))
  return { child, output, ended }
}

type Ended = MethodParams<'ct.session-ended'>
function sessions(argv: string[], ended: Ended[]): Partial<Handlers> {
  const session = { session: 'S', argv, env: { INSIDE: 'yes' }, simulated: false }
  return {
    'ct.exec': async (params) => {
      assert.equal(params.program, 'sh')
      assert.match(params.meta?.cli ?? '', /^osctl ct exec 101 (-- )?sh$/)
      return session
    },
    'ct.attach': async () => session,
    'ct.session-ended': async (params) => {
      ended.push(params)
      return null
    },
  }
}

test('exec runs the command with our input and output, passes on its status, and reports the end', async () => {
  const ended: Ended[] = []
  await using h = await startServer(sessions(['env', 'ATTACHED=1'], ended))
  const run = osctl(h, ['ct', 'exec', '101', 'sh', '-c', 'cat; echo "$ATTACHED $INSIDE" >&2; exit 33'])
  run.child.stdin.end('through\n')
  assert.deepEqual(await run.ended, {
    status: 33,
    out: 'through\n',
    err: '1 yes\nerror: executed command failed\n',
  })
  assert.deepEqual(ended, [{ ...ended[0], session: 'S', status: 33 }])
  const quiet = await osctl(h, ['ct', 'exec', '101', '--', 'sh', '-c', 'true']).ended
  assert.deepEqual(quiet, { status: 0, out: '', err: '' })
})

test('a command that cannot be run, or is killed, has the status that a shell gives it', async () => {
  const ended: Ended[] = []
  await using missing = await startServer(sessions(['/nonexistent/lxc-attach'], ended))
  const none = await osctl(missing, ['ct', 'exec', '101', 'sh']).ended
  assert.equal(none.status, 127)
  assert.match(none.err, /error: cannot run \/nonexistent\/lxc-attach/)
  await using h = await startServer(sessions(['env'], ended))
  assert.equal((await osctl(h, ['ct', 'exec', '101', 'sh', '-c', 'kill -9 $$']).ended).status, 137)
  assert.deepEqual(
    ended.map(({ status }) => status),
    [127, 137],
  )
})

test('a signal to osctl reaches the command', async () => {
  const ended: Ended[] = []
  await using h = await startServer(sessions(['env'], ended))
  const script = 'trap "echo got it; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
  const run = osctl(h, ['ct', 'exec', '101', 'sh', '-c', script])
  await once(run.child.stdout, 'data')
  run.child.kill('SIGTERM')
  const { status, out } = await run.ended
  assert.deepEqual([status, out], [5, 'ready\ngot it\n'])
})

test('Ctrl-C while waiting says that the operation goes on, and which', async () => {
  const accepted = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  await using h = await startServer({
    'ct.start': async (_params, call: Call) => {
      call.operation('01OP')
      call.progress('Starting container')
      accepted.resolve()
      await once(call.signal, 'abort')
      gone.resolve()
      return done
    },
  })
  const run = osctl(h, ['ct', 'start', '101'])
  await accepted.promise
  await once(run.child.stdout, 'data')
  run.child.kill('SIGINT')
  const { status, err } = await run.ended
  assert.deepEqual(
    [status, err],
    [130, '\ninterrupted: operation 01OP goes on (osctl op attach 01OP takes it up again)\n'],
  )
  await gone.promise
})

test('a reader that leaves is no error', async () => {
  const rows = Array.from({ length: 20_000 }, (_, n) => ({
    pool: 'tank',
    entity: 'ct',
    id: `${n}`,
    problem: 'x'.repeat(80),
    level: 'warning' as const,
  }))
  await using h = await startServer({ healthcheck: async () => rows })
  const command = `"$0" "$1" healthcheck | head -1`
  const child = spawn('sh', ['-c', command, process.execPath, OSCTL], {
    env: { ...process.env, OSCTL_SOCKET: h.path },
  })
  const output: string[] = []
  child.stdout.on('data', (data: Buffer) => output.push(String(data)))
  child.stderr.on('data', (data: Buffer) => output.push(String(data)))
  await once(child, 'close')
  assert.equal(output.join(''), 'ct tank 0\n')
})

test('attach leaves the terminal as it was, even when the shell was killed in raw mode', {
  skip: !existsSync('/usr/bin/script'),
}, async () => {
  const ended: Ended[] = []
  await using h = await startServer(sessions(['sh', '-c', 'stty raw -echo; kill -9 $$'], ended))
  const inside =
    'stty -g > "$OUT.a"; "$NODE" "$OSCTL" ct attach 101; echo status $?; stty -g > "$OUT.b"; cmp "$OUT.a" "$OUT.b" && echo same'
  const env = { ...process.env, OSCTL_SOCKET: h.path, NODE: process.execPath, OSCTL, OUT: `${h.path}.tty` }
  const child = spawn('script', ['-qec', inside, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (data: Buffer) => {
    out += String(data)
  })
  await once(child, 'close')
  assert.match(out, /status 137/)
  assert.match(out, /same/)
})

test('history -f prints what there is, then each command once, when it has ended', async () => {
  const row = (position: string, result: string): HistoryRow => ({
    time: 0,
    pool: 'tank',
    position,
    op: `OP${position}`,
    actor: 'uid 0',
    target: '101',
    command: 'osctl ct start 101',
    result,
    error: null,
    duration: 1,
    reason: null,
    stream: 'ct:X',
    type: 'CommandAccepted',
    host: 'node1',
    boot: 'b',
    mono: 1,
  })
  const ends = (op: string, seq: number) => ({
    event: {
      ...row(`tank:${seq}`, ''),
      seq,
      ver: 1,
      v: 1,
      id: 'E',
      op,
      by: null,
      data: {},
      type: 'OperationFinished',
    },
  })
  await using h = await startServer({
    'history.list': async ({ op }) =>
      op === undefined
        ? [row('tank:1', 'done'), row('tank:2', 'running')]
        : [row(op === 'A' ? 'tank:1' : 'tank:2', 'done')],
    'event.subscribe': async (_params, call) => {
      setImmediate(() => {
        for (const note of [ends('A', 3), ends('B', 4), ends('B', 4)]) call.notify(note)
        setTimeout(() => call.end('over'), 300)
      })
      return { positions: { tank: 2 } }
    },
  })
  const { out, err, status } = await osctl(h, ['history', '-f', '-H', '-o', 'position,result']).ended
  assert.deepEqual([out, status], ['tank:1   done\ntank:2   running\ntank:2   done\n', 1])
  assert.match(err, /over/)
})

test('monitor goes on after a restart of the daemon, from the last event that it printed', async () => {
  const event = (seq: number) => ({
    position: `tank:${seq}`,
    pool: 'tank',
    seq,
    time: 0,
    host: 'node1',
    boot: 'b',
    mono: 1,
    stream: 'ct:X',
    target: '101',
    ver: seq,
    type: 'CtLost',
    v: 1,
    id: 'E',
    op: null,
    by: null,
    data: {},
  })
  const froms: unknown[] = []
  await using h = await startServer({
    'event.subscribe': async (params, call) => {
      froms.push(params.from)
      const next = froms.length + 7
      setImmediate(() => {
        call.notify({ event: event(next), state: 'stopped' })
        if (froms.length === 1) setTimeout(() => h.server.destroy(), 50)
      })
      return { positions: { tank: 7 } }
    },
  })
  const run = osctl(h, ['-j', 'monitor'])
  const seen = () => run.output.out.includes('tank:9') && run.output.err.includes('monitor: connected')
  while (!seen()) await sleep(20)
  run.child.kill('SIGKILL')
  const { out, err } = await run.ended
  assert.deepEqual(froms, [undefined, { tank: 8 }])
  const [first, second] = out.split('\n').map((line) => (line === '' ? null : (JSON.parse(line) as unknown)))
  assert.deepEqual(first, { type: 'event', opts: event(8), cursor: 'tank:8' })
  assert.deepEqual(second, {
    type: 'state',
    opts: { pool: 'tank', id: '101', state: 'stopped' },
    cursor: 'tank:8',
  })
  assert.match(err, /monitor: the connection to osctld was lost; connecting again …\nmonitor: connected\n/)
})
