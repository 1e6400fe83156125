/**
 * Makes dist/: what the live image carries of this project. No node_modules, no TypeScript, no network.
 *
 *   dist/osctl.cjs, osctld.cjs                     one CommonJS file for each program of bin/
 *   dist/osctl-main.cjs, compiled/                 osctl itself, which osctl.cjs loads as V8 compiled it at the build
 *   dist/osctld                                    what starts osctld with its limits
 *   dist/<folder>-<file>.cjs                       one for each worker and helper process that a bundle starts
 *   dist/native/                                   better_sqlite3.node and koffi.node of this machine's kind
 *   dist/hooks/, dist/man/                         copied from src/hooks, docs/man
 *   dist/completion/                               what `osctl completion SHELL` prints
 *   dist/LICENSES                                  the licences of what is bundled
 *
 * Source code need not know whether it is bundled: `import.meta.url` is the bundle's own URL, and
 * `new URL('./worker.ts', import.meta.url)`, written exactly so, names the worker's bundle (or the copy of
 * a hook or man page). A URL of anything else in the tree stops the build.
 *
 * Equal input gives equal bytes: times of files are those of the commit, and no path of this machine is in
 * the output. A crash leaves the old dist/ or the new one: it is built beside and renamed.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import ts from 'typescript'
import { compileAhead } from './lib/compile-ahead.mjs'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const NODE = join(ROOT, `node_modules/node-linux-${process.arch}/bin/node`)

/** Trees that a bundle may refer to by URL, and where they stand in dist/. */
const ASSETS = { 'src/hooks': 'hooks', 'docs/man': 'man' }

const OPTIONS = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  charset: 'utf8',
  legalComments: 'none',
  metafile: true,
  preserveSymlinks: true,
  logLevel: 'silent',
}

/** A program of the CLI must start fast; the daemon must leave readable stack traces. */
const FAST = { minify: true }
/* keepNames would define the name of each inner function anew at each call. */
const READABLE = { sourcemap: true, sourcesContent: false }
const isFast = (name) => name === 'osctl' || name === 'osctl-replay'

/** Their loaders search node_modules for the machine's binary; a bundle has exactly one, beside it. */
const nativeModules = {
  name: 'native-modules',
  setup(build) {
    const beside = (file) => `require(require('node:path').join(__dirname, 'native', '${file}'))`
    build.onLoad({ filter: /better-sqlite3\/lib\/binding\.js$/ }, () => ({
      contents: `exports.getBinding = (given) => given && typeof given === 'object' ? given : ${beside('better_sqlite3.node')}`,
    }))
    build.onLoad({ filter: /koffi\/src\/koffi\/src\/static\.cjs$/ }, () => ({
      contents: `exports.loadStatic = () => ${beside('koffi.node')}`,
    }))
    build.onLoad({ filter: /koffi\/src\/koffi\/src\/static\.js$/ }, () => ({
      contents: `export const loadStatic = () => ${beside('koffi.node')}`,
    }))
  },
}

/** zod exports its messages in 50 languages, which no bundler can drop: half of what the daemon would be. */
const englishOnly = {
  name: 'english-only',
  setup(build) {
    build.onLoad({ filter: /zod\/v4\/locales\/index\.c?js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
    }))
  },
}

/** What few commands use of Node and what it takes a millisecond to load is loaded when it is first used. */
const LATE = { 'node:child_process': ['spawn', 'spawnSync'], 'node:timers/promises': ['setTimeout'] }
const lateBuiltins = {
  name: 'late-builtins',
  setup(build) {
    const filter = new RegExp(`^(${Object.keys(LATE).join('|')})$`)
    build.onResolve({ filter }, ({ path, namespace }) =>
      namespace === 'late' ? { path, external: true } : { path, namespace: 'late' },
    )
    build.onLoad({ filter, namespace: 'late' }, ({ path }) => {
      const late = LATE[path].map((name) => `${name}: (...given) => require('${path}').${name}(...given)`)
      return { contents: `module.exports = { ${late.join(', ')} }` }
    })
  },
}

/** `src/events/log/worker.ts` is bundled as `log-worker`. */
const workerName = (path) => `${basename(dirname(path))}-${basename(path, '.ts')}`

/**
 * Programs may await at top level, which CommonJS cannot: what begins with the first such statement is put into
 * an async function. A rejection ends the process all the same.
 */
function withoutTopLevelAwait(text) {
  const source = ts.createSourceFile('program.ts', text, ts.ScriptTarget.ESNext)
  const awaits = (node) =>
    ts.isAwaitExpression(node) || (!ts.isFunctionLike(node) && (ts.forEachChild(node, awaits) ?? false))
  const first = source.statements.find(awaits)
  if (!first) return text
  return `${text.slice(0, first.pos)}\nvoid (async () => {${text.slice(first.pos)}\n})()\n`
}

/** Turns URLs of files in the tree into URLs of files in dist/, and collects the workers among them. */
function urlsIntoDist(root, entry, workers) {
  const place = (from, target) => {
    const path = resolve(dirname(from), target)
    const inTree = relative(root, path)
    if (path.endsWith('.ts')) {
      workers.add(path)
      return `./${workerName(path)}.cjs`
    }
    const asset = Object.keys(ASSETS).find((tree) => inTree === tree || inTree.startsWith(tree + sep))
    if (asset) return `./${ASSETS[asset]}${inTree.slice(asset.length)}${target.endsWith('/') ? '/' : ''}`
    return null
  }
  return {
    name: 'urls-into-dist',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path.includes('/node_modules/')) return null
        const text = fs.readFileSync(path, 'utf8')
        const program = path === entry ? withoutTopLevelAwait(text) : text
        const errors = []
        const contents = program.replaceAll(
          /new URL\(\s*(['"])(\.[^'"]*)\1,\s*import\.meta\.url\s*\)/g,
          (_, _quote, target) => {
            const placed = place(path, target)
            if (!placed)
              errors.push({ text: `${target} is a file that dist/ does not have (scripts/build.mjs)` })
            return `new URL('${placed}', import.meta.url)`
          },
        )
        if (errors.length > 0)
          return { errors: errors.map(({ text }) => ({ text: `${relative(root, path)}: ${text}` })) }
        return { contents, loader: 'ts' }
      })
    },
  }
}

function git(root, ...args) {
  const { status, stdout } = spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}

/**
 * What is baked in. `OSCTL_COMMIT` names the commit where there is no git repository. `OSCTL_NEXT_FORMAT` is one more
 * format of logs, as JSON (src/events/types/formats.ts): a build that rehearses an upgrade, never one for a host.
 */
function identity(root) {
  const { version } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'))
  const commit =
    process.env['OSCTL_COMMIT'] ?? git(root, 'describe', '--always', '--dirty', '--exclude=*') ?? 'unknown'
  const seconds = Number(process.env['SOURCE_DATE_EPOCH'] ?? git(root, 'log', '-1', '--format=%ct') ?? 0)
  const nextFormat = process.env['OSCTL_NEXT_FORMAT']
  return { version, commit, seconds, formats: nextFormat ? { __NEXT_FORMAT__: nextFormat } : {} }
}

async function bundle(root, out, name, entry, workers, { version, commit, formats }) {
  const result = await esbuild.build({
    ...OPTIONS,
    ...(isFast(name) ? FAST : READABLE),
    absWorkingDir: root,
    entryPoints: { [name]: entry },
    outdir: out,
    outExtension: { '.js': '.cjs' },
    banner: { js: "const __bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: {
      'import.meta.url': '__bundleUrl',
      'import.meta.dirname': '__dirname',
      'import.meta.filename': '__filename',
      __VERSION__: JSON.stringify(version),
      __COMMIT__: JSON.stringify(commit),
      ...formats,
    },
    plugins: [
      ...(isFast(name) ? [lateBuiltins] : []),
      nativeModules,
      englishOnly,
      urlsIntoDist(root, resolve(root, entry), workers),
    ],
  })
  // What is in the output, not what was read: types alone leave nothing of a package behind.
  return Object.values(result.metafile.outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((input) => inputs[input].bytesInOutput > 0),
  )
}

/** The machine's binaries of the two native packages; the packages carry one for each platform. */
function copyNative(out) {
  const platform = `${process.platform}-${process.arch}`
  const modules = join(ROOT, 'node_modules')
  const files = {
    'better_sqlite3.node': join(modules, 'better-sqlite3/prebuilds', `${platform}.node`),
    'koffi.node': join(modules, `@koromix/koffi-${platform}`, platform.replace('-', '_'), 'koffi.node'),
  }
  fs.mkdirSync(join(out, 'native'))
  for (const [name, from] of Object.entries(files)) {
    fs.copyFileSync(from, join(out, 'native', name))
    fs.chmodSync(join(out, 'native', name), 0o755)
  }
}

function copyAssets(root, out) {
  for (const [from, to] of Object.entries(ASSETS)) {
    if (fs.existsSync(join(root, from))) fs.cpSync(join(root, from), join(out, to), { recursive: true })
  }
}

/** Launchers: `bin/osctld.sh` becomes dist/osctld. */
function copyLaunchers(root, out) {
  for (const file of fs.globSync('*.sh', { cwd: join(root, 'bin') })) {
    fs.copyFileSync(join(root, 'bin', file), join(out, basename(file, '.sh')))
    fs.chmodSync(join(out, basename(file, '.sh')), 0o755)
  }
}

/** Licences of the bundled packages, each once, in order of their names. */
function writeLicences(root, out, inputs) {
  const packages = new Set()
  for (const input of inputs) {
    const name = /^(?:\.\.\/)*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]
    if (name) packages.add(name)
  }
  const sections = [...packages].sort().map((name) => {
    const folder = join(root, 'node_modules', name)
    const { version, license } = JSON.parse(fs.readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    return `${name} ${version} (${license})\n\n${file ? fs.readFileSync(join(folder, file), 'utf8').trim() : ''}\n`
  })
  fs.writeFileSync(join(out, 'LICENSES'), sections.join(`\n${'-'.repeat(72)}\n\n`))
}

/** A CLI that cannot say them yet is no error. */
function writeCompletion(out) {
  const names = { bash: 'osctl.bash', zsh: '_osctl', fish: 'osctl.fish' }
  for (const [shell, name] of Object.entries(names)) {
    const cli = spawnSync(NODE, [join(out, 'osctl.cjs'), 'completion', shell], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    if (cli.error) throw cli.error
    if (cli.status !== 0 || !cli.stdout) {
      process.stderr.write(
        `build: warning: \`osctl completion ${shell}\` prints nothing: ${cli.stderr.trim().split('\n')[0]}\n`,
      )
      continue
    }
    const file = join(out, 'completion', name)
    fs.mkdirSync(dirname(file), { recursive: true })
    fs.writeFileSync(file, cli.stdout)
  }
}

/** Modes and times that do not depend on who builds, and when. */
function normalise(out, seconds) {
  for (const entry of fs.readdirSync(out, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const executable = entry.isDirectory() || (fs.statSync(path).mode & 0o100) !== 0
    fs.chmodSync(path, executable ? 0o755 : 0o644)
    fs.utimesSync(path, seconds, seconds)
  }
  fs.chmodSync(out, 0o755)
  fs.utimesSync(out, seconds, seconds)
}

function replace(target, fresh) {
  const old = `${fresh}-old`
  if (fs.existsSync(target)) fs.renameSync(target, old)
  fs.renameSync(fresh, target)
  fs.rmSync(old, { recursive: true, force: true })
}

/**
 * @param options.root     tree with bin/, src/ …; its node_modules are used
 * @param options.out      directory to make
 * @param options.entries  bundle name → file, relative to root
 * @returns names of the bundles made, workers included
 */
export async function build({ root = ROOT, out = join(root, 'dist'), entries }) {
  const who = identity(root)
  fs.mkdirSync(dirname(out), { recursive: true })
  const fresh = fs.mkdtempSync(join(dirname(out), '.dist-'))
  try {
    const workers = new Set()
    const inputs = []
    for (const [name, entry] of Object.entries(entries)) {
      inputs.push(...(await bundle(root, fresh, name, entry, workers, who)))
    }
    // A Set's iteration reaches what is added on the way: a worker may start workers.
    for (const path of workers)
      inputs.push(...(await bundle(root, fresh, workerName(path), path, workers, who)))
    copyNative(fresh)
    copyAssets(root, fresh)
    copyLaunchers(root, fresh)
    writeLicences(root, fresh, inputs)
    if ('osctl' in entries) {
      compileAhead(fresh, NODE)
      writeCompletion(fresh)
    }
    normalise(fresh, who.seconds)
    replace(out, fresh)
    return { ...who, bundles: [...Object.keys(entries), ...[...workers].map(workerName)] }
  } finally {
    fs.rmSync(fresh, { recursive: true, force: true })
  }
}

async function main() {
  const began = performance.now()
  const present = fs
    .readdirSync(join(ROOT, 'bin'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => basename(file, '.ts'))
  const entries = Object.fromEntries(present.map((name) => [name, join('bin', `${name}.ts`)]))
  const made = await build({ entries }).catch(async (error) => {
    if (!error.errors) throw error
    process.stderr.write(
      (await esbuild.formatMessages(error.errors, { kind: 'error', color: false })).join(''),
    )
    process.stderr.write('build: failed; dist/ is as it was\n')
    process.exit(1)
  })
  const { version, commit, bundles } = made
  for (const name of bundles) {
    const kib = Math.round(fs.statSync(join(ROOT, 'dist', `${name}.cjs`)).size / 1024)
    process.stdout.write(`dist/${name}.cjs  ${kib} KiB\n`)
  }
  const ms = Math.round(performance.now() - began)
  process.stdout.write(`build: ${version} (${commit}) in ${ms} ms\n`)
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main()
