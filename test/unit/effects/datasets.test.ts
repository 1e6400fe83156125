import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EffectContext } from '../../../src/effects/effect.ts'
import { STAMP } from '../../../src/effects/kinds/common.ts'
import { datasetClone } from '../../../src/effects/kinds/dataset-clone.ts'
import { datasetCreate } from '../../../src/effects/kinds/dataset-create.ts'
import { datasetDestroy } from '../../../src/effects/kinds/dataset-destroy.ts'
import { datasetRename } from '../../../src/effects/kinds/dataset-rename.ts'
import { datasetSnapshot } from '../../../src/effects/kinds/dataset-snapshot.ts'
import { datasetTrash } from '../../../src/effects/kinds/dataset-trash.ts'
import {
  containerDataset,
  contextOn,
  datasetsOf,
  foreignDataset,
  given,
  type Lab,
  newLab,
  runContainer,
  STAGING,
} from './lab.ts'
import { scenarios } from './scenarios.ts'

async function setUp(): Promise<{ lab: Lab; context: EffectContext }> {
  const lab = await newLab()
  return { lab, context: contextOn(lab.host()) }
}

describe('dataset.create', () => {
  it('makes a mounted dataset with canmount=noauto, a closed mount point and private', async () => {
    const { lab, context } = await setUp()
    await datasetCreate.run({ dataset: STAGING }, context)
    const made = lab.machine.state.datasets[`tank/${STAGING}`]
    assert.equal(made?.mounted, true)
    assert.equal(made?.properties['canmount'], 'noauto')
    assert.deepEqual(made?.modes, { '.': 0o770, private: 0o755 })
  })

  it('tells nothing there, half made, and made apart', async () => {
    const { context } = await setUp()
    const args = { dataset: STAGING }
    const probe = given(datasetCreate.probe)
    assert.deepEqual(await probe(args, context), { is: 'not-started' })
    await context.host.zfs.create(`tank/${STAGING}`, { mount: false, properties: {} }, context.fence)
    assert.equal((await probe(args, context)).is, 'partial')
    const evidence = await datasetCreate.run(args, context)
    assert.deepEqual(await probe(args, context), { is: 'done', evidence })
  })

  it("neither completes nor destroys somebody else's dataset of that name", async () => {
    const { lab, context } = await setUp()
    await foreignDataset(lab, 'tank/staging/mine')
    const args = { dataset: 'staging/mine' }
    const before = datasetsOf(lab)
    await assert.rejects(datasetCreate.run(args, context), { code: 'E_EXISTS', failure: 'permanent' })
    assert.equal((await given(datasetCreate.probe)(args, context)).is, 'unknown')
    await given(datasetCreate.undo)(args, null, context)
    await given(datasetCreate.undo)(args, { guid: '1', createtxg: '1' }, context)
    assert.deepEqual(datasetsOf(lab), before)
  })

  it('fails for good without a parent and on a full pool, in the words of ZFS', async () => {
    const { lab, context } = await setUp()
    await assert.rejects(datasetCreate.run({ dataset: 'no/where' }, context), {
      code: 'E_NOT_FOUND',
      failure: 'permanent',
      message: "cannot create 'tank/no/where': parent does not exist",
    })
    lab.machine.setZpool('tank', { sizeBytes: 1000 })
    await assert.rejects(datasetCreate.run({ dataset: STAGING }, context), {
      code: 'E_NO_SPACE',
      failure: 'permanent',
      message: `cannot create 'tank/${STAGING}': out of space`,
    })
  })
})

describe('dataset.clone', () => {
  it('clones the files of the snapshot and marks the clone noauto', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['dataset.clone'].prepare(lab)
    lab.machine.putFile('/tank/image/key/private/later', 'not in the snapshot')
    await datasetClone.run(args, context)
    const clone = lab.machine.state.datasets[`tank/${STAGING}`]
    assert.equal(clone?.origin, 'tank/image/key@base')
    assert.equal(clone?.properties['canmount'], 'noauto')
    assert.equal(clone?.files['private/later'], undefined)
  })

  it('takes the guid of the snapshot as well as that of its dataset, and no other', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['dataset.clone'].prepare(lab)
    await assert.rejects(datasetClone.run({ ...args, origin: '5' }, context), {
      code: 'E_REFUSED',
      failure: 'refused',
    })
    const snapshot = await context.host.zfs.get('tank/image/key@base')
    await datasetClone.run({ ...args, origin: snapshot?.guid ?? '' }, context)
  })

  it('does not take a dataset under its name that is no clone of that snapshot', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['dataset.clone'].prepare(lab)
    await foreignDataset(lab, `tank/${STAGING}`)
    await assert.rejects(datasetClone.run(args, context), { code: 'E_EXISTS' })
  })

  it('fails for good when the snapshot is missing', async () => {
    const { context } = await setUp()
    const args = { snapshot: 'image/none@base', origin: '5', dataset: STAGING }
    await assert.rejects(datasetClone.run(args, context), { code: 'E_NOT_FOUND', failure: 'permanent' })
  })
})

describe('dataset.snapshot', () => {
  it('refuses a dataset with another guid, and undo leaves its snapshot alone', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['dataset.snapshot'].prepare(lab)
    await datasetSnapshot.run(args, context)
    const before = datasetsOf(lab)
    const other = { ...args, guid: '5' }
    await assert.rejects(datasetSnapshot.run(other, context), { code: 'E_REFUSED', failure: 'refused' })
    assert.deepEqual(await given(datasetSnapshot.probe)(other, context), { is: 'not-started' })
    await given(datasetSnapshot.undo)(other, null, context)
    await given(datasetSnapshot.undo)(args, { guid: '5', createtxg: '1' }, context)
    assert.deepEqual(datasetsOf(lab), before)
  })
})

describe('dataset.rename', () => {
  it('publishes under the name and leaves the dataset unmounted', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['dataset.rename'].prepare(lab)
    assert.deepEqual(await datasetRename.run(args, context), { guid: args.guid, existing: false })
    assert.equal(lab.machine.state.datasets['tank/ct/web']?.mounted, false)
    assert.equal(lab.machine.state.datasets[`tank/${STAGING}`], undefined)
  })

  it('takes what is there already when that is asked for, and undo does not touch it', async () => {
    const { lab, context } = await setUp()
    const theirs = await foreignDataset(lab, 'tank/ct/web')
    const args = { ...(await scenarios['dataset.rename'].prepare(lab)), orExisting: true }
    const before = datasetsOf(lab)
    const evidence = await datasetRename.run(args, context)
    assert.deepEqual(evidence, { guid: theirs, existing: true })
    await given(datasetRename.undo)(args, evidence, context)
    await given(datasetRename.undo)(args, null, context)
    assert.deepEqual(datasetsOf(lab), before)
  })

  it('fails for good when the name is taken, or the source gone or another', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['dataset.rename'].prepare(lab)
    await assert.rejects(datasetRename.run({ ...args, guid: '5' }, context), { code: 'E_REFUSED' })
    await assert.rejects(datasetRename.run({ ...args, from: 'staging/none' }, context), {
      code: 'E_NOT_FOUND',
    })
    await foreignDataset(lab, 'tank/ct/web')
    await assert.rejects(datasetRename.run(args, context), {
      code: 'E_EXISTS',
      failure: 'permanent',
      message: 'dataset tank/ct/web already exists',
    })
  })

  it('takes what another operation publishes between its look and its rename', async () => {
    const { lab } = await setUp()
    const args = { ...(await scenarios['dataset.rename'].prepare(lab)), orExisting: true }
    let theirs: Promise<string> | null = null
    const host = lab.host(({ op, phase }) => {
      if (op === 'zfs.rename' && phase === 'before') theirs = foreignDataset(lab, 'tank/ct/web')
      return 'ok'
    })
    const evidence = await datasetRename.run(args, contextOn(host))
    assert.deepEqual(evidence, { guid: await theirs, existing: true })
  })

  it('is not in doubt when somebody took the dataset away: not started, and refused', async () => {
    const { lab, context } = await setUp()
    const args = { ...(await scenarios['dataset.rename'].prepare(lab)), guid: '5' }
    assert.deepEqual(await given(datasetRename.probe)(args, context), { is: 'not-started' })
    await assert.rejects(datasetRename.run(args, context), { code: 'E_REFUSED', failure: 'refused' })
  })

  it('waits, as transient, for a mount that is in use', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['dataset.rename'].prepare(lab)
    lab.machine.hold(`tank/${STAGING}`)
    await assert.rejects(datasetRename.run(args, context), { code: 'E_BUSY', failure: 'transient' })
    lab.machine.hold(`tank/${STAGING}`, false)
    await datasetRename.run(args, context)
  })
})

describe('dataset.trash', () => {
  it('detaches a mount that is in use, and the trash cannot be destroyed before it is released', async () => {
    const { lab, context } = await setUp()
    const guid = await containerDataset(lab)
    lab.machine.hold('tank/ct/web')
    await datasetTrash.run({ from: 'ct/web', to: 'trash/web.1', guid }, context)
    assert.equal(lab.machine.state.datasets['tank/trash/web.1']?.mounted, false)
    const destroy = { dataset: 'trash/web.1', guid }
    await assert.rejects(datasetDestroy.run(destroy, context), {
      code: 'E_BUSY',
      failure: 'transient',
      message: "cannot destroy 'tank/trash/web.1': dataset is busy",
    })
    lab.machine.hold('tank/trash/web.1', false)
    await datasetDestroy.run(destroy, context)
  })

  it('never moves another dataset, neither there nor back', async () => {
    const { lab, context } = await setUp()
    await containerDataset(lab)
    await foreignDataset(lab, 'tank/trash/web.1')
    const args = { from: 'ct/web', to: 'trash/web.1', guid: '5' }
    const before = datasetsOf(lab)
    await assert.rejects(datasetTrash.run(args, context), { code: 'E_REFUSED', failure: 'refused' })
    assert.deepEqual(await given(datasetTrash.probe)(args, context), { is: 'not-started' })
    await given(datasetTrash.undo)(args, { guid: '5' }, context)
    assert.deepEqual(datasetsOf(lab), before)
  })
})

describe('dataset.destroy', () => {
  it('destroys by guid with snapshots and children, and counts absence as success', async () => {
    const { lab, context } = await setUp()
    const guid = await foreignDataset(lab, 'tank/trash/old')
    await foreignDataset(lab, 'tank/trash/old/var')
    await context.host.zfs.snapshot('tank/trash/old@s', context.fence)
    assert.deepEqual(await datasetDestroy.run({ dataset: 'trash/old', guid }, context), {})
    assert.deepEqual(await datasetDestroy.run({ dataset: 'trash/old', guid }, context), {})
    assert.equal(
      datasetsOf(lab).some((line) => line.includes('trash/old')),
      false,
    )
  })

  it('does not call destroyed what was renamed by hand, wherever it is now, and leaves it there', async () => {
    for (const now of ['tank/trash/kept', 'tank/aside']) {
      const { lab, context } = await setUp()
      const guid = await foreignDataset(lab, 'tank/trash/old')
      await context.host.zfs.rename('tank/trash/old', now, context.fence)
      const args = { dataset: 'trash/old', guid }
      assert.deepEqual(await given(datasetDestroy.probe)(args, context), { is: 'not-started' })
      await assert.rejects(datasetDestroy.run(args, context), {
        code: 'E_REFUSED',
        failure: 'permanent',
        message: `cannot destroy tank/trash/old: it is called ${now} now (osctl drift scan)`,
      })
      assert.equal(lab.machine.state.datasets[now]?.guid, guid)
    }
  })

  it("refuses a name that bears another guid, and does not unmount somebody else's dataset", async () => {
    const { lab, context } = await setUp()
    await foreignDataset(lab, 'tank/trash/old')
    const args = { dataset: 'trash/old', guid: '5' }
    await assert.rejects(datasetDestroy.run(args, context), { code: 'E_REFUSED', failure: 'permanent' })
    assert.equal((await given(datasetDestroy.probe)(args, context)).is, 'unknown')
    assert.equal(lab.machine.state.datasets['tank/trash/old']?.mounted, true)
  })

  it('refuses an image that containers are clones of', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['dataset.clone'].prepare(lab)
    await datasetClone.run(args, context)
    await assert.rejects(datasetDestroy.run({ dataset: 'image/key', guid: args.origin }, context), {
      code: 'E_REFUSED',
      message: "cannot destroy 'tank/image/key': filesystem has dependent clones",
    })
  })

  it('does not destroy under a running container', async () => {
    const { lab, context } = await setUp()
    await runContainer(lab, 'r1')
    const guid = lab.machine.state.datasets['tank/ct/web']?.guid ?? ''
    await assert.rejects(datasetDestroy.run({ dataset: 'ct/web', guid }, context), {
      code: 'E_BUSY',
      failure: 'transient',
    })
  })
})

describe('the mark on a dataset', () => {
  it('comes with the dataset when it is published', async () => {
    const { lab, context } = await setUp()
    const { guid } = await datasetCreate.run({ dataset: STAGING }, context)
    await datasetRename.run({ from: STAGING, to: 'ct/web', guid, orExisting: false }, context)
    assert.equal(lab.machine.state.datasets['tank/ct/web']?.properties[STAMP], context.intent)
  })
})
