/** What an image says of itself is somebody else's word: read with care, refused in one line. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inspectImage } from '../../../../src/effects/linux/helper/metadata.ts'
import { file, image, tar } from './archives.ts'

const dir = mkdtempSync(join(tmpdir(), 'osctl-metadata-'))
after(() => rmSync(dir, { recursive: true }))

function imageOf(metadata?: string): string {
  const path = join(dir, 'image.tar')
  writeFileSync(path, image(tar(file('f')), metadata === undefined ? {} : { metadata }))
  return path
}

test('an image says what it is', async () => {
  const { format, distribution, version, datasets } = await inspectImage(imageOf())
  assert.deepEqual([format, distribution, version, datasets], ['tar', 'busybox', '1', []])
})

for (const [metadata, says] of [
  ['a: [b', /metadata\.yml is not YAML: [^\n]*$/],
  ['a: b: c', /metadata\.yml is not YAML: [^\n]*$/],
  ['type: full', /metadata\.yml: format: /],
  ['type: skel\nformat: tar\n', /image of type skel, only full can be used$/],
  ['type: full\nformat: zfs\ndatasets: ["../../x"]\n', /metadata\.yml: datasets\.0: /],
  ['type: full\nformat: zfs\n', /has no rootfs\/base\.dat/],
] as const) {
  test(`${JSON.stringify(metadata)} is refused`, async () => {
    await assert.rejects(inspectImage(imageOf(metadata)), { code: 'E_BAD_IMAGE', message: says })
  })
}
