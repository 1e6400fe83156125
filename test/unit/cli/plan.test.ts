import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MethodParams } from '../../../src/rpc/methods.ts'
import { emptyPlan, joined, type Plan } from '../../../src/rpc/plan.ts'
import type { Accepted } from '../../../src/rpc/results.ts'
import { run } from './harness.ts'

const plan: Plan = emptyPlan({
  events: [
    {
      pool: 'tank',
      stream: 'ct:01M82YASGBBXPF58J2E9VNTJ0E',
      target: '101',
      type: 'CtStopRequested',
      data: { mode: 'stop', timeoutSeconds: 300 },
      assumed: false,
    },
  ],
  effects: [
    {
      step: 1,
      pool: 'tank',
      target: '101',
      intent: '<operation>.1',
      kind: 'lxc.stop',
      args: {},
      actions: [{ is: 'run', text: 'lxc-stop -n 101 -t 300', argv: ['lxc-stop', '-n', '101', '-t', '300'] }],
      gives: { how: 'clean' },
      branches: [],
      fails: 'the operation has failed, the container is running',
    },
  ],
})
const planned = (given: Plan): Accepted => ({
  op: null,
  result: 'planned',
  position: null,
  warnings: [],
  plan: given,
})

test('--dry-run asks for a plan, without a key, and prints it step by step', async () => {
  let seen: MethodParams<'ct.stop'> | undefined
  const handlers = {
    'ct.stop': async (params: MethodParams<'ct.stop'>) => {
      seen = params
      return planned(plan)
    },
  }
  const { status, out, err } = await run(['ct', 'stop', '--dry-run', '101'], handlers)
  assert.equal(status, 0)
  assert.equal(err, '')
  assert.equal(seen?.meta?.dryRun, true)
  assert.equal(seen?.meta?.key, undefined)
  assert.equal(seen?.meta?.cli, 'osctl ct stop 101')
  assert.equal(
    out,
    `  1. lxc.stop (101)
     $ lxc-stop -n 101 -t 300
     expected: how clean
     if it fails: the operation has failed, the container is running

Events that would be appended:
  1.  101  CtStopRequested  {"mode":"stop","timeoutSeconds":300}

It would be done. This is a plan: nothing was recorded or done.
`,
  )
  const json = await run(['-j', '--dry-run', 'ct', 'stop', '101'], handlers)
  assert.deepEqual(JSON.parse(json.out), plan)
})

test('a plan of what would be refused has the exit status and the error of the refusal', async () => {
  const refusal = {
    kind: 'refused' as const,
    code: 'E_CT_RUNNING',
    message: 'the container is running, use -f to stop and delete it',
    state: 'running',
    possible: ['stop'],
  }
  const handlers = { 'ct.delete': async () => planned(emptyPlan({ result: null, refusal })) }
  const { status, out, err } = await run(['ct', 'del', '--dry-run', '101'], handlers)
  assert.equal(status, 1)
  assert.match(out, /It would be refused/)
  assert.equal(err, `error: ${refusal.message} (state: running; possible: stop)\n`)
  const json = await run(['-j', 'ct', 'del', '--dry-run', '101'], handlers)
  assert.equal(json.status, 1)
  assert.deepEqual((JSON.parse(json.out) as Plan).refusal, refusal)
})

test('nothing is asked before a plan, and no shell follows it', async () => {
  let attached = false
  const handlers = {
    'trash.prune': async () => planned(emptyPlan({ result: 'no change' })),
    'ct.start': async () => planned(plan),
    'ct.attach': async () => {
      attached = true
      throw new Error('attached')
    },
  }
  const pruned = await run(['trash-bin', 'prune', '--dry-run'], handlers, { terminals: [0] })
  assert.deepEqual(pruned.asked, [])
  assert.match(pruned.out, /Nothing would change/)
  assert.equal((await run(['ct', 'start', '-a', '--dry-run', '101'], handlers)).status, 0)
  assert.equal(attached, false)
})

test('plans of several pools are one, refused when one of them is', () => {
  const nothing = emptyPlan({ result: 'no change' })
  assert.equal(joined([nothing, plan]).result, 'done')
  assert.equal(joined([nothing, nothing]).result, 'no change')
  const refusal = { kind: 'refused' as const, code: 'E', message: 'no' }
  const both = joined([plan, emptyPlan({ result: null, refusal })])
  assert.equal(both.result, null)
  assert.deepEqual(both.refusal, refusal)
  assert.equal(both.effects.length, 1)
})

test('revert shows its plan on a terminal, asks, and does nothing without a yes', async () => {
  const seen: boolean[] = []
  const handlers = {
    revert: async ({ meta, what, force }: MethodParams<'revert'>) => {
      assert.equal(what, 'tank:42')
      assert.equal(force, false)
      seen.push(meta?.dryRun ?? false)
      return meta?.dryRun
        ? planned(plan)
        : { op: 'OP', result: 'done' as const, position: 'tank:43', warnings: [] }
    },
  }
  const no = await run(['revert', 'tank:42'], handlers, { terminals: [0], answer: 'n' })
  assert.equal(no.status, 1)
  assert.match(no.err, /Events that would be appended[\s\S]*not confirmed, nothing was done/)
  assert.equal(no.out, '')
  assert.deepEqual(no.asked, ['Do you really wish to take back tank:42? [y/N]: '])
  assert.deepEqual(seen, [true])
  const yes = await run(['revert', 'tank:42'], handlers, { terminals: [0], answer: 'y' })
  assert.equal(yes.status, 0)
  assert.equal((await run(['revert', '-y', 'tank:42'], handlers, { terminals: [0] })).status, 0)
  assert.equal((await run(['revert', 'tank:42'], handlers)).status, 0, 'a script is not asked')
  assert.deepEqual(seen, [true, true, false, false, false])
})

test('op attach and op cancel pass the operation on, and a cancellation says what it did', async () => {
  const seen: string[] = []
  const handlers = {
    'op.attach': async ({ op }: MethodParams<'op.attach'>) => {
      seen.push(`attach ${op}`)
      return { op, result: 'done' as const, position: 'tank:9', warnings: [] }
    },
    'op.cancel': async ({ op }: MethodParams<'op.cancel'>) => {
      seen.push(`cancel ${op}`)
      return { op, result: 'done' as const, position: null, warnings: [] }
    },
  }
  assert.equal((await run(['op', 'attach', '01OP'], handlers)).out, '')
  const { out } = await run(['op', 'cancel', '01OP'], handlers)
  assert.equal(out, 'cancelled, and what it had made is undone\n')
  assert.equal((await run(['op', 'cancel', '-q', '01OP'], handlers)).out, '')
  assert.deepEqual(seen, ['attach 01OP', 'cancel 01OP', 'cancel 01OP'])
})

test('pool export --abort and shutdown --abort cancel the exports that are under way, or say that there is none', async () => {
  const seen: string[] = []
  const pool = (name: string, state: string) => ({ name, state })
  const op = (pool: string, target: string | null) => ({
    pool,
    target,
    op: `of ${pool} ${target ?? ''}`.trim(),
  })
  const states = [pool('tank', 'exporting'), pool('deep', 'active'), pool('far', 'exporting')]
  const handlers = {
    'pool.list': async ({ names }: MethodParams<'pool.list'>) =>
      states.filter(({ name }) => names?.includes(name) ?? true) as never,
    'op.list': async ({ pools }: MethodParams<'op.list'>) =>
      [op('tank', null), op('tank', 'web'), op('far', null)].filter((row) =>
        pools?.includes(row.pool),
      ) as never,
    'op.cancel': async ({ op }: MethodParams<'op.cancel'>) => {
      seen.push(op)
      return { op, result: 'done' as const, position: null, warnings: [`${op} stays`] }
    },
  }
  const one = await run(['pool', 'export', '--abort', 'tank'], handlers)
  assert.deepEqual([one.status, one.out, one.err], [0, '', 'warning: of tank stays\n'])
  assert.equal((await run(['shutdown', '--abort'], handlers)).status, 0)
  assert.deepEqual(seen, ['of tank', 'of tank', 'of far'])
  const none = await run(['pool', 'export', '--abort', 'deep'], handlers)
  assert.equal(none.status, 1)
  assert.match(none.err, /^error: no export of pool deep is under way \(osctl pool ls/)
})
