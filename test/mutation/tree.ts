/** Copies of the source from which something may be taken out, outside of the tree, and one test run in them. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Edit, Mutant } from './mutants.ts'

export const TOP = resolve(import.meta.dirname, '../..')
/** The slowest of the tests takes a few seconds. */
const LIMIT_MS = 25_000

/** What git tracks, as it lies on the disk now. */
function tracked(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: TOP, encoding: 'utf8' })
  return listed.split('\0').filter((file) => file !== '' && existsSync(join(TOP, file)))
}

/** @throws Error when the text does not stand exactly once in the file: the code has moved */
function edited(text: string, { file, from, to }: Edit): string {
  const times = text.split(from).length - 1
  if (times !== 1) throw new Error(`stands ${times} times in ${file}, not once: ${from}`)
  return text.replace(from, () => to)
}

/** The texts of the files that a mutant changes. @throws Error when the mutant does not fit the code any more */
export function mutated(
  { without, edits }: Pick<Mutant, 'without' | 'edits'>,
  root = TOP,
): Map<string, string> {
  const texts = new Map<string, string>()
  for (const edit of edits) {
    const text = texts.get(edit.file) ?? readFileSync(join(root, edit.file), 'utf8')
    try {
      texts.set(edit.file, edited(text, edit))
    } catch (cause) {
      const what = `the mutant without ${without} has to be renewed (test/mutation/mutants.ts)`
      throw new Error(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause })
    }
  }
  return texts
}

/** Leaf tests by name, and all that was printed. */
export type Ran = { readonly passed: string[]; readonly failed: string[]; readonly output: string }

export class Tree implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'mutant-'))

  constructor() {
    for (const file of tracked()) {
      mkdirSync(dirname(join(this.#root, file)), { recursive: true })
      copyFileSync(join(TOP, file), join(this.#root, file))
    }
    symlinkSync(join(TOP, 'node_modules'), join(this.#root, 'node_modules'))
  }

  /** Does something while the mutant stands in the tree. */
  async with<T>(mutant: Mutant, work: () => Promise<T>): Promise<T> {
    const texts = mutated(mutant, this.#root)
    const originals = [...texts.keys()].map((file) => [file, readFileSync(join(this.#root, file))] as const)
    try {
      for (const [file, text] of texts) await writeFile(join(this.#root, file), text)
      return await work()
    } finally {
      for (const [file, text] of originals) await writeFile(join(this.#root, file), text)
    }
  }

  /** Runs the tests of a file whose names end so. */
  async run({ file, name }: Mutant['test']): Promise<Ran> {
    // The runner marks its children, and a marked run tells nothing to people.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const pattern = `${name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}$`
    const argv = ['--test-force-exit', '--test-reporter=tap', `--test-name-pattern=${pattern}`, file]
    const child = spawn(process.execPath, argv, {
      cwd: this.#root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    await once(child, 'close')
    const told = (verdict: string): string[] =>
      [...output.matchAll(new RegExp(`^ *${verdict} \\d+ - (.+)$`, 'gm'))].map((match) => match[1] ?? '')
    return { passed: told('ok'), failed: told('not ok'), output }
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true })
  }
}
