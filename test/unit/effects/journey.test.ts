/** A container's whole life as a row of effects, from a repository's image to the empty trash. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { EffectContext } from '../../../src/effects/effect.ts'
import { simulatedHost } from '../../../src/effects/simulated/host.ts'
import { brokenInvariants } from '../../../src/effects/simulated/invariants.ts'
import { effects } from '../../../src/effects/table.ts'
import { CT, contextOn, given, type Lab, MAP, newLab, ports } from './lab.ts'
import { image } from './scenarios.ts'

const FIRST = '01J000000000000000000000A1'
const SECOND = '01J000000000000000000000B2'

/** Fetches, unpacks and publishes the image. @returns what the publishing rename gave */
async function publishImage(context: (n: number) => EffectContext, op: string, orExisting: boolean) {
  const staged = `staging/${op}.2`
  const fetched = await effects['image.fetch'].run({ image }, context(1))
  const { guid } = await effects['dataset.create'].run({ dataset: staged }, context(2))
  const archive = { file: fetched.file, sha256: fetched.sha256, dataset: staged, guid, map: MAP }
  await effects['image.unpack'].run(archive, context(3))
  await effects['dataset.snapshot'].run({ dataset: staged, guid, name: 'base' }, context(4))
  const to = `image/${image.key}`
  const published = await effects['dataset.rename'].run({ from: staged, to, guid, orExisting }, context(5))
  return { staged, ...published }
}

const contexts =
  (lab: Lab, op: string) =>
  (n: number): EffectContext =>
    contextOn(lab.host(), `${op}.${n}`)

it('a container lives from its image to the trash, and nothing of it is left', async () => {
  const lab = await newLab()
  const context = contexts(lab, FIRST)
  const { guid: origin } = await publishImage(context, FIRST, true)
  const dataset = `staging/${FIRST}.6`
  const clone = { snapshot: `image/${image.key}@base`, origin, dataset }
  const { guid } = await effects['dataset.clone'].run(clone, context(6))
  await effects['dataset.rename'].run({ from: dataset, to: 'ct/web', guid, orExisting: false }, context(7))
  const run = { ...CT, run: 'r1' }
  await effects['lxc.start'].run({ ...run, timeoutSeconds: 10 }, context(8))
  await effects['lxc.freeze'].run(run, context(9))
  await effects['lxc.thaw'].run(run, context(10))
  const stopped = await effects['lxc.stop'].run({ ...run, mode: 'stop', timeoutSeconds: 10 }, context(11))
  assert.deepEqual(stopped, { how: 'clean' })
  await effects['dataset.trash'].run({ from: 'ct/web', to: 'trash/web.1', guid }, context(12))
  await effects['dataset.destroy'].run({ dataset: 'trash/web.1', guid }, context(13))
  const names = Object.keys(lab.machine.state.datasets)
  assert.deepEqual(
    names.filter((name) => /^tank\/(ct|staging|trash)\//.test(name)),
    [],
  )
  assert.ok(names.includes(`tank/image/${image.key}`))
  assert.deepEqual(brokenInvariants(lab.machine.state), [])
})

it('two operations that bring the same image end with one image, and the loser is undone', async () => {
  const lab = await newLab()
  const winner = await publishImage(contexts(lab, FIRST), FIRST, true)
  const loser = await publishImage(contexts(lab, SECOND), SECOND, true)
  assert.equal(loser.existing, true)
  assert.notEqual(loser.staged, winner.staged)
  const context = contextOn(lab.host(), `${SECOND}.2`)
  await given(effects['dataset.create'].undo)({ dataset: loser.staged }, null, context)
  const left = Object.keys(lab.machine.state.datasets).filter((name) => name.startsWith('tank/staging/'))
  assert.deepEqual(left, [])
  assert.ok(lab.machine.state.datasets[`tank/image/${image.key}`])
})

it('a container made of an image comes back after a power cut and starts from its files', async () => {
  const lab = await newLab()
  const context = contexts(lab, FIRST)
  const { guid: origin } = await publishImage(context, FIRST, true)
  const clone = { snapshot: `image/${image.key}@base`, origin, dataset: `staging/${FIRST}.6` }
  const { guid } = await effects['dataset.clone'].run(clone, context(6))
  const publish = { from: clone.dataset, to: 'ct/web', guid, orExisting: false }
  await effects['dataset.rename'].run(publish, context(7))
  const start = { ...CT, run: 'r1', timeoutSeconds: 10 }
  const before = await effects['lxc.start'].run(start, context(8))
  lab.machine.powerCut()
  const host = simulatedHost(lab.machine, ports)
  await host.materialise.pool('tank', 'tank')
  const probe = await given(effects['lxc.start'].probe)(start, contextOn(host))
  assert.deepEqual(probe, { is: 'not-started' })
  const after = await effects['lxc.start'].run({ ...start, run: 'r2' }, contextOn(host))
  assert.notEqual(after.bootId, before.bootId)
})
