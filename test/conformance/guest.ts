/**
 * Plays the scripts on the live system, all or those named, and prints what came of them:
 * `node guest.cjs DISK DISK [SCRIPT…] >FILE`.
 */
import { linuxStage } from './linux.ts'
import { SCRIPTS } from './scripts.ts'
import { play, toText } from './transcript.ts'

const [disk = '', moved = '', ...only] = process.argv.slice(2)
const scripts = SCRIPTS.filter(({ name }) => only.length === 0 || only.includes(name))
let began = performance.now()
const played = await play(await linuxStage(disk, moved), scripts, (name) => {
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1)} s  ${name}\n`)
  began = performance.now()
})
process.stdout.write(toText(played))
process.exit(0)
