/**
 * Plans of the Linux host, down to the argument: each command is planned, then carried out by the daemon with Linux's
 * own hands on a machine of paper, where every command line, file and cgroup is written down as it is done.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Host } from '../../src/effects/host.ts'
import { rehearsalOf } from '../../src/effects/linux/rehearsal/index.ts'
import type { Action, Rehearsal } from '../../src/effects/rehearsal.ts'
import type { SimulatedHost } from '../../src/effects/simulated/host.ts'
import { INTENT_KINDS } from '../../src/events/types/intents.ts'
import type { PlannedAction } from '../../src/rpc/plan.ts'
import type { Accepted } from '../../src/rpc/results.ts'
import { type Bindings, difference } from './likeness.ts'
import { prepared, VERBS, type Verb } from './verbs.ts'
import { World } from './world.ts'

const compared = new Set<string>()

/** Linux's hands; what is derived beside the effects is done by others, so that it does not mix with them. */
function paperHands(host: SimulatedHost, dataset: string, told: (effects: Rehearsal) => void): Host {
  const stage = { pool: 'tank', dataset }
  const effects = rehearsalOf(host, stage)
  told(effects)
  const { zfs, lxc, images, materialise } = effects.host
  const { pool, markedPools } = host.zfs
  return {
    ...host,
    zfs: { ...zfs, pool, markedPools },
    lxc,
    images: { ...images, index: host.images.index, inspect: host.images.inspect },
    materialise: { ...host.materialise, container: materialise.container },
  }
}

const essence = ({ is, text, argv, env, cgroup, stdin, content }: PlannedAction | Action) => ({
  is,
  text,
  argv,
  env,
  cgroup,
  stdin,
  content,
})

async function compare(verb: Verb): Promise<void> {
  let effects: Rehearsal | null = null
  const { dataset = 'tank' } = verb.params as { dataset?: string }
  const hands = (host: SimulatedHost): Host => paperHands(host, dataset, (made) => (effects = made))
  const world = new World({ seed: 7n, from: await prepared(verb), hands })
  await world.boot()
  await world.settle()
  const taken = (): Action[] => (effects as Rehearsal | null)?.take() ?? []
  taken()
  const { result } = await world.must(verb.method, { ...verb.params, meta: { dryRun: true } } as never)
  const { plan } = result as Accepted
  assert.ok(plan)
  assert.deepEqual(taken(), [], 'the plan did something')
  await world.must(verb.method, verb.params as never)
  // The log's own dataset is made and looked after beside the effects.
  const done = taken().filter(({ text }) => !/tank(\/osctl)?\/events|osctl:head=/.test(text))
  const planned = plan.effects.flatMap(({ actions }) => actions)
  assert.deepEqual(
    planned.filter(({ text }) => text.includes('would fail')),
    [],
  )
  const known: Bindings = new Map()
  for (const [index, action] of planned.entries()) {
    const real = done[index]
    assert.ok(real, `planned and not done: ${action.text}`)
    const found = difference(essence(action), essence(real), known)
    assert.equal(found, null, `action ${index + 1}: ${found}`)
  }
  assert.deepEqual(
    done.slice(planned.length).map(({ text }) => text),
    [],
    'done and not planned',
  )
  for (const { kind } of plan.effects) compared.add(kind)
}

describe('what is planned for Linux is what Linux is then told to do', () => {
  for (const verb of VERBS) {
    it(verb.name, () => compare(verb))
  }
})

after(() => {
  const missing = INTENT_KINDS.filter((kind) => !compared.has(kind))
  if (missing.length > 0) throw new Error(`kinds whose plan was compared with nothing: ${missing.join(', ')}`)
})
