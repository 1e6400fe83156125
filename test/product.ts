/** Which product a report is about: reports of long runs outlive the tree that they ran on. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const TOP = join(import.meta.dirname, '..')
/** All that the programs and the image are made of. */
const PRODUCT = ['bin', 'migrations', 'os', 'src', 'package-lock.json']

const git = (...argv: string[]): string => execFileSync('git', argv, { cwd: TOP, encoding: 'utf8' }).trim()

/**
 * The newest commit that changed the product.
 *
 * @param tests  directories whose tests the report is about
 * @throws when the product or these tests are as no commit has them
 */
export function productCommit(...tests: string[]): string {
  const changes = git('status', '--porcelain', '--', ...PRODUCT, ...tests)
  if (changes !== '') throw new Error(`a report is for a tree without changes; commit first:\n${changes}`)
  return git('log', '-1', '--format=%h', '--abbrev=10', '--', ...PRODUCT)
}
