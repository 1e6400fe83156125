/** The layers of DESIGN §7: what each proves, how it is run, and how long it may take on two cores. */

/**
 * Seconds that a run may take: what `.ci/run` gives it, less what it takes to end in order. Each layer has what those before
 * it leave of it, too: what they should take leaves it what it should.
 */
export const RUN_LIMIT = 3450

export type Step = { name: string; argv: readonly string[] }

export type Layer = {
  name: string
  proves: string
  /** Seconds: what it should take on 2 cores, and when it is taken for hanging and killed. */
  budget: number
  limit: number
  /** Each counts as one test. */
  checks?: readonly Step[]
  /** Test files. */
  files?: string
  /** Those that take longest, in the order in which they are begun. */
  first?: readonly string[]
  /** Done before the files; a failure fails the layer. */
  prepare?: readonly Step[]
  root?: boolean
  /** Files at once. */
  concurrency?: number
  /** Not run unless named, or in CI. */
  extra?: boolean
  /** Seconds of the run that have to be left, else it is skipped, unless named: what it proves changes with a release. */
  needs?: number
}

const node = (name: string, ...argv: string[]): Step => ({ name, argv: [process.execPath, ...argv] })
const tool = (name: string, ...argv: string[]): Step => ({ name, argv })
const build = node('bundles', 'scripts/build.mjs')
const debian = (...packages: string[]) => tool('Debian packages', 'scripts/lib/need.sh', ...packages)
const machines = [build, tool('image', 'os/build.sh'), debian('qemu-system-x86', 'qemu-utils')]

/** From ten minutes down to five. */
const LONGEST_IN_VM = ['hostile', 'leftover', 'trouble', 'path', 'upgrade', 'images', 'powercut'] as const

export const LAYERS: readonly Layer[] = [
  {
    name: 'check',
    proves: 'types, lint, format, direction of dependencies, sizes and ports',
    budget: 40,
    limit: 50,
    checks: [
      node('types', 'scripts/check-types.ts'),
      tool('lint', 'biome', 'lint', '--error-on-warnings', '.'),
      tool('format', 'biome', 'format', '.'),
      node('dependencies', 'scripts/check-deps.mjs'),
      node('tidy', 'scripts/tidy.ts'),
    ],
  },
  {
    name: 'unit',
    proves: 'what is pure, parsers, protocol, the contract of every port',
    files: 'test/unit/**/*.test.ts',
    budget: 90,
    limit: 200,
  },
  {
    name: 'simulation',
    proves: 'the daemon on a simulated host, killed and lied to at every boundary',
    files: 'test/simulation/**/*.test.ts',
    budget: 200,
    limit: 400,
  },
  {
    name: 'seeds',
    proves: '10,000 random lives of a host, each of 50 commands or more and at least one crash',
    checks: [node('10,000 lives', 'test/simulation/run.ts', '--seeds', '10000', '--seed', '1')],
    budget: 200,
    limit: 450,
    extra: true,
  },
  {
    name: 'native',
    proves: 'LXC, archives and processes on this machine',
    files: 'test/native/**/*.test.ts',
    prepare: [debian('lxc', 'uidmap', 'zstd')],
    budget: 60,
    limit: 120,
    root: true,
    concurrency: 1,
  },
  {
    name: 'kill',
    proves: 'the real log file, and the whole daemon, under kill -9',
    files: 'test/kill/**/*.test.ts',
    prepare: [build],
    budget: 90,
    limit: 180,
    concurrency: 1,
  },
  {
    name: 'damage',
    proves: 'a log damaged at any byte is read as it was, or says what is wrong',
    files: 'test/damage/**/*.test.ts',
    budget: 90,
    limit: 180,
    concurrency: 2,
  },
  {
    name: 'mutation',
    proves: 'each promise that is taken out of the code makes the test red that guards it',
    files: 'test/mutation/**/*.test.ts',
    budget: 30,
    limit: 90,
    extra: true,
  },
  {
    name: 'clean-root',
    proves: 'npm ci and npm run build in a Debian 13 that has nodejs and npm alone',
    files: 'test/clean-root/**/*.test.ts',
    budget: 90,
    limit: 270,
    root: true,
    extra: true,
  },
  {
    name: 'vm',
    proves: 'the image in QEMU: boot, ZFS, LXC, AppArmor, power cuts, hostile images, full and failing pools',
    files: 'test/vm/**/*.test.ts',
    first: LONGEST_IN_VM.map((name) => `test/vm/${name}.test.ts`),
    prepare: machines,
    budget: 1800,
    limit: 2900,
    root: true,
    // Each machine keeps one core busy.
    concurrency: 2,
  },
  {
    name: 'conformance',
    proves: 'real ZFS and LXC still do what the simulated host does, call by call',
    files: 'test/conformance/**/*.test.ts',
    prepare: machines,
    budget: 330,
    limit: 600,
    root: true,
    extra: true,
    needs: 600,
  },
]

/** Why a layer is left out when so many seconds of the run are left; null when it is not. */
export const tooLate = ({ name, needs = 0 }: Layer, seconds: number): string | null =>
  seconds >= needs ? null : `fewer than ${needs} s of the run are left: npm test -- ${name}`
