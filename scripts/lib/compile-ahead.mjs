/** osctl is compiled at the build: what V8 makes of it lies beside it, and a loader in its place uses that. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { basename, join } from 'node:path'

/** What V8 makes of osctl lies here; Node makes a directory in it for each of its versions and each user. */
const COMPILED = 'compiled'
const LOADER = `#!/usr/bin/env node
require('node:module').enableCompileCache({ directory: \`\${__dirname}/${COMPILED}\`, portable: true })
require('./osctl-main.cjs')
`

/** Another build of the same bytes is waited for; what one that was killed has left is removed after ten seconds. */
function takePlace(place) {
  for (let attempt = 1; ; attempt++) {
    try {
      return fs.mkdirSync(place, { mode: 0o700 })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      if (attempt % 100 === 0) fs.rmSync(place, { recursive: true, force: true })
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
  }
}

/**
 * Puts what V8 compiles osctl into beside it, and the loader that uses it in its place.
 *
 * Compiling takes a tenth of osctl's time, at each start: it is done once, here, for the Node that the image has and
 * for root. A cache that does not fit (another Node, other bytes) is passed over, and costs that time alone.
 *
 * `--predictable` makes the same bytes each time, at one place: V8 writes the program's path into them.
 *
 * A crash leaves its place below /tmp, which the next build of the same bytes takes over.
 * @param out  the directory in which osctl.cjs stands
 * @param node  the Node that the image has
 */
export function compileAhead(out, node) {
  const program = join(out, 'osctl.cjs')
  const main = join(out, 'osctl-main.cjs')
  fs.renameSync(program, main)
  fs.writeFileSync(program, LOADER, { mode: 0o755 })
  const place = join('/tmp', `osctl-${createHash('sha256').update(fs.readFileSync(main)).digest('hex')}`)
  try {
    takePlace(place)
    for (const file of [program, main]) fs.copyFileSync(file, join(place, basename(file)))
    execFileSync(node, ['--predictable', join(place, 'osctl.cjs'), '--version'], { stdio: 'pipe' })
    for (const name of fs.readdirSync(join(place, COMPILED)))
      fs.cpSync(join(place, COMPILED, name), join(out, COMPILED, name.replace(/-\d+$/, '-0')), {
        recursive: true,
      })
  } catch (error) {
    process.stderr.write(`build: warning: osctl is not compiled ahead: ${error.message}\n`)
  } finally {
    fs.rmSync(place, { recursive: true, force: true })
  }
}
