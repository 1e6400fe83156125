import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EffectContext } from '../../../src/effects/effect.ts'
import { imageFetch, imageFile } from '../../../src/effects/kinds/image-fetch.ts'
import { imageReceive } from '../../../src/effects/kinds/image-receive.ts'
import { imageUnpack } from '../../../src/effects/kinds/image-unpack.ts'
import { encodeArchive, sha256 } from '../../../src/effects/simulated/filesystem.ts'
import { contextOn, foreignDataset, given, type Lab, newLab, STAGING, tarImage, zfsImage } from './lab.ts'
import { image, scenarios } from './scenarios.ts'

async function setUp(): Promise<{ lab: Lab; context: EffectContext }> {
  const lab = await newLab()
  return { lab, context: contextOn(lab.host()) }
}

const URL = 'https://images.example/v1/busybox.tar'

describe('image.fetch', () => {
  it('puts the archive where its arguments alone say', async () => {
    const { lab, context } = await setUp()
    const evidence = await imageFetch.run({ image }, context)
    assert.equal(evidence.file, 'repository/default/busybox-1.37.tar')
    assert.equal(evidence.file, imageFile(image))
    const content = lab.machine.state.datasets['tank/repository']?.files['default/busybox-1.37.tar'] ?? ''
    assert.equal(evidence.sha256, sha256(content))
    assert.equal(evidence.bytes, content.length)
  })

  it('makes no file name out of a repository or key that could lead elsewhere', () => {
    for (const [repository, key] of [
      ['..', 'k'],
      ['r', '../k'],
      ['a/b', 'k'],
      ['r', ''],
    ] as const) {
      assert.throws(() => imageFile({ repository, key }), { code: 'E_REFUSED', failure: 'refused' })
    }
  })

  it('does not fetch a verified file again', async () => {
    const { lab, context } = await setUp()
    const { sha256: hash } = await imageFetch.run({ image }, context)
    const wanted = { ...image, sha256: hash, url: 'https://nowhere.example/x.tar' }
    assert.equal((await imageFetch.run({ image: wanted }, contextOn(lab.host()))).sha256, hash)
  })

  it('fails for good on a wrong hash and keeps neither file nor part', async () => {
    const { lab, context } = await setUp()
    const wrong = { image: { ...image, sha256: '0'.repeat(64) } }
    await assert.rejects(imageFetch.run(wrong, context), { code: 'E_CHECKSUM', failure: 'permanent' })
    assert.deepEqual(lab.machine.state.datasets['tank/repository']?.files, {})
    assert.deepEqual(await given(imageFetch.probe)(wrong, context), { is: 'not-started' })
  })

  it('calls a file with another hash partial, and fetches it anew', async () => {
    const { lab, context } = await setUp()
    const { sha256: hash } = await imageFetch.run({ image }, context)
    lab.machine.corrupt('/tank/repository/default/busybox-1.37.tar')
    const args = { image: { ...image, sha256: hash } }
    assert.equal((await given(imageFetch.probe)(args, context)).is, 'partial')
    assert.equal((await imageFetch.run(args, context)).sha256, hash)
  })

  it('tells a host that does not answer (try again) from a file that is not there (give up)', async () => {
    const { lab, context } = await setUp()
    const args = { image: { ...image, url: URL } }
    await assert.rejects(imageFetch.run(args, context), { code: 'E_NETWORK', failure: 'transient' })
    lab.machine.addImageRepository('https://images.example', {}, { 'other.tar': tarImage })
    await assert.rejects(imageFetch.run(args, context), { code: 'E_NETWORK', failure: 'permanent' })
    lab.machine.addImageRepository('https://images.example', {}, { 'busybox.tar': tarImage })
    await imageFetch.run(args, context)
  })
})

describe('image.unpack', () => {
  it('fills private, counts what it skipped, and leaves its evidence on the dataset', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['image.unpack'].prepare(lab)
    const evidence = await imageUnpack.run(args, context)
    assert.deepEqual(evidence, { entries: 4, bytes: 1_000_000, skippedDevices: 1 })
    assert.deepEqual(await given(imageUnpack.probe)(args, context), { is: 'done', evidence })
    assert.equal(lab.machine.state.datasets[`tank/${STAGING}`]?.files['private/etc/motd'], 'hi\n')
  })

  it('never writes into another dataset of that name', async () => {
    const { lab, context } = await setUp()
    const args = { ...(await scenarios['image.unpack'].prepare(lab)), guid: '5' }
    await assert.rejects(imageUnpack.run(args, context), { code: 'E_REFUSED', failure: 'refused' })
    assert.deepEqual(await given(imageUnpack.probe)(args, context), { is: 'not-started' })
    assert.deepEqual(lab.machine.state.datasets[`tank/${STAGING}`]?.files, {})
  })

  it('refuses hostile entries, truncated archives, other formats, changed files', async () => {
    const { lab, context } = await setUp()
    const args = { ...(await scenarios['image.unpack'].prepare(lab)), sha256: null }
    const bad = [
      { ...tarImage, rootfs: { '../etc/passwd': 'x' } },
      { ...tarImage, rootfs: { '/etc/passwd': 'x' } },
      { ...tarImage, rootfs: { lib: '-> ../../..', 'lib/passwd': 'x' } },
      { ...tarImage, truncated: true },
      zfsImage,
    ]
    for (const archive of bad) {
      lab.machine.putFile(`/tank/${args.file}`, archive)
      await assert.rejects(imageUnpack.run(args, context), { code: 'E_BAD_IMAGE', failure: 'permanent' })
    }
    lab.machine.putFile(`/tank/${args.file}`, 'not an image')
    await assert.rejects(imageUnpack.run(args, context), { code: 'E_BAD_IMAGE' })
    await assert.rejects(imageUnpack.run({ ...args, sha256: '0'.repeat(64) }, context), {
      code: 'E_CHECKSUM',
    })
    await assert.rejects(imageUnpack.run({ ...args, file: 'repository/none.tar' }, context), {
      code: 'E_NOT_FOUND',
    })
  })

  it('fails for good when the pool is full', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['image.unpack'].prepare(lab)
    lab.machine.setZpool('tank', { sizeBytes: 1_500_000 })
    await assert.rejects(imageUnpack.run(args, context), { code: 'E_NO_SPACE', failure: 'permanent' })
  })

  it('reads an archive by absolute path, and no path with .. in it', async () => {
    const { lab, context } = await setUp()
    const args = { ...(await scenarios['image.unpack'].prepare(lab)), sha256: null }
    lab.machine.putFile('/root/image.tar', tarImage)
    await imageUnpack.run({ ...args, file: '/root/image.tar' }, context)
    await assert.rejects(imageUnpack.run({ ...args, file: '../x' }, contextOn(lab.host(), 'other.1')), {
      code: 'E_REFUSED',
    })
  })
})

describe('image.receive', () => {
  it('receives the root dataset and its sub-datasets, unmounted and noauto', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['image.receive'].prepare(lab)
    await imageReceive.run(args, context)
    for (const name of [`tank/${STAGING}`, `tank/${STAGING}/var`]) {
      const seen = lab.machine.state.datasets[name]
      assert.equal(seen?.mounted, false)
      assert.equal(seen?.properties['canmount'], 'noauto')
    }
  })

  it('starts again over its own half-received datasets, and over nobody else’s', async () => {
    const { lab, context } = await setUp()
    const args = await scenarios['image.receive'].prepare(lab)
    await foreignDataset(lab, `tank/${STAGING}`)
    assert.equal((await given(imageReceive.probe)(args, context)).is, 'partial')
    await imageReceive.run(args, context)
    await foreignDataset(lab, 'tank/staging/theirs')
    const theirs = { ...args, dataset: 'staging/theirs' }
    await assert.rejects(imageReceive.run(theirs, context), { code: 'E_EXISTS', failure: 'permanent' })
    assert.equal((await given(imageReceive.probe)(theirs, context)).is, 'unknown')
    await given(imageReceive.undo)(theirs, { guid: '5', createtxg: '1' }, context)
    assert.ok(lab.machine.state.datasets['tank/staging/theirs'])
  })

  it('refuses a broken stream, and the undo removes what had been received', async () => {
    const { lab, context } = await setUp()
    const args = { ...(await scenarios['image.receive'].prepare(lab)), sha256: null }
    lab.machine.putFile(`/tank/${args.file}`, { ...zfsImage, truncated: true })
    await assert.rejects(imageReceive.run(args, context), { code: 'E_BAD_IMAGE', failure: 'permanent' })
    await given(imageReceive.undo)(args, null, context)
    assert.equal(lab.machine.state.datasets[`tank/${STAGING}`], undefined)
  })
})

describe('a simulated archive', () => {
  it('is inspected without being unpacked', async () => {
    const { lab, context } = await setUp()
    lab.machine.putFile('/root/z.tar', { ...zfsImage, container: 'web', distribution: 'debian' })
    const seen = await context.host.images.inspect('/root/z.tar')
    assert.equal(seen.containerId, 'web')
    assert.deepEqual(seen.datasets, ['var'])
    assert.deepEqual(seen.snapshots, ['osctl-base-1'])
    assert.ok(seen.bytes >= encodeArchive(zfsImage).length)
    await assert.rejects(context.host.images.inspect('/root/none.tar'), { code: 'E_NOT_FOUND' })
  })
})
