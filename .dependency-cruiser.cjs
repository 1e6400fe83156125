/**
 * Which way dependencies point (DESIGN §3). `npm run check:deps` runs it and also fails when it saw fewer modules
 * than there are files; test/unit/deps.test.ts plants violations and expects each to be found.
 */

const ours = '^(src|bin)/'

/** A folder of src/ may import itself, these folders, and these packages (besides what `only` below says). */
const may = (name, from, folders, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { path: ours, pathNot: [from, ...folders] },
})

/** A package is used here and nowhere else, so that what it does to the host has one place. */
const only = (name, path, comment) => ({
  name: `only-${name}`,
  comment,
  severity: 'error',
  from: { path: ours, pathNot: path },
  to: { path: `node_modules/${name}/` },
})

const types = '^src/events/types/'

module.exports = {
  forbidden: [
    may('types-are-the-root', types, [], 'Facts depend on nothing of ours.'),
    may('machines-know-facts', '^src/machines/', [types], 'Rules know facts and nothing else.'),
    may('effects-know-facts', '^src/effects/', [types], 'Hands know no rule and no log.'),
    may('rpc-knows-facts', '^src/rpc/', [types], 'The protocol knows no end of it.'),
    may('log-knows-facts', '^src/events/log/', [types], 'The log keeps facts and judges none.'),
    may(
      'audit-knows-facts-and-rules',
      '^src/audit/',
      [types, '^src/machines/', '^src/rpc/'],
      'An answer about the past knows states, events and rows; no log, no host.',
    ),
    may('cli-knows-rpc', '^src/cli/', ['^src/rpc/'], 'osctl is thin: all it knows comes over the socket.'),
    may(
      'offline-knows-log-and-rules',
      '^src/offline/',
      [types, '^src/events/log/', '^src/machines/', '^src/audit/', '^src/rpc/'],
      'A log read without a daemon needs no hands and no socket.',
    ),
    {
      name: 'log-has-few-users',
      comment: 'The log is opened by the daemon, and read by osctl-replay.',
      severity: 'error',
      from: { path: ours, pathNot: ['^src/events/log/', '^src/daemon/', '^src/offline/', '^bin/'] },
      to: { path: '^src/events/log/' },
    },
    {
      name: 'kinds-use-the-port',
      comment: 'A kind of effect is written once, for every host.',
      severity: 'error',
      from: { path: '^src/effects/', pathNot: '^src/effects/linux/' },
      to: { path: '^src/effects/linux/' },
    },
    {
      name: 'hosts-know-no-other-host',
      severity: 'error',
      from: { path: '^src/effects/linux/' },
      to: { path: '^src/effects/simulated/' },
    },
    {
      name: 'no-program-is-imported',
      comment: 'bin/ holds entry points.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^bin/' },
    },
    {
      name: 'facts-and-rules-are-pure',
      comment: 'No module of Node: what they need comes as an argument or in an event.',
      severity: 'error',
      from: { path: ['^src/events/types/', '^src/machines/', '^src/audit/'] },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'facts-use-zod-alone',
      severity: 'error',
      from: { path: types },
      to: { path: 'node_modules/', pathNot: 'node_modules/zod/' },
    },
    {
      name: 'rules-use-xstate-alone',
      severity: 'error',
      from: { path: '^src/machines/' },
      to: { path: 'node_modules/', pathNot: ['node_modules/xstate/', 'node_modules/zod/'] },
    },
    only('xstate', '^src/machines/', 'step() is the only caller (D1).'),
    only('execa', '^src/effects/linux/', 'Processes are started by the Linux host.'),
    only('better-sqlite3', '^src/events/log/', 'One place opens a log; osctl-replay uses node:sqlite.'),
    only('commander', '^src/cli/', 'Grammar is a matter of the CLI.'),
    only('chokidar', '^src/effects/linux/', 'The Linux host watches files.'),
    only('koffi', '^src/rpc/libc\\.ts$', 'The C library is called for SO_PEERCRED.'),
    only(
      'yaml',
      '^src/effects/linux/helper/',
      "Metadata of images in the original's format; untrusted, so read by the helper.",
    ),
    only('pino', ['^src/daemon/', '^bin/'], 'The daemon writes one log for people.'),
    {
      name: 'no-cycle',
      comment: 'Types that refer to each other belong in one file.',
      severity: 'error',
      from: { path: ours },
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-undeclared-package',
      comment: 'What ships is in dependencies.',
      severity: 'error',
      from: { path: ours },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: 'node_modules/@types/' },
    },
    {
      name: 'orphan',
      comment: 'Nobody imports it, and it imports nobody.',
      severity: 'warn',
      from: { orphan: true, path: '^src/', pathNot: '\\.d\\.ts$' },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
}
