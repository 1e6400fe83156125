/**
 * The story that `npm start` tells, on a real machine in QEMU or on the simulated host: a pool, a
 * container, its start, a power cut, and the container running again with its history.
 *
 * Each step prints the command that an admin would type and what it answered, then checks it; the first
 * step that is not as told ends the story with exit status 1. On a terminal it ends in a shell where
 * `osctl` works.
 */
import { parseArgs } from 'node:util'
import { realStage } from './story/real.ts'
import { simulatedStage } from './story/simulated.ts'
import { type Stage, Story } from './story/story.ts'

const { values } = parseArgs({
  options: { simulated: { type: 'boolean' }, 'non-interactive': { type: 'boolean' } },
})

const interactive =
  !values['non-interactive'] && process.stdin.isTTY === true && process.stdout.isTTY === true
const stage: Stage = values.simulated ? await simulatedStage() : await realStage()
const story = new Story(stage)
try {
  await story.tell()
} catch (error) {
  process.stdout.write(`\n✘ ${error instanceof Error ? error.message : String(error)}\n`)
  process.stdout.write(`  what the machine said is kept in ${stage.traces}\n`)
  await stage.end()
  process.exit(1)
}
process.stdout.write(`\n✔ ${stage.name}: the container survived the power cut, and its history says how.\n`)
process.exit(interactive ? await stage.shell() : await stage.end())
