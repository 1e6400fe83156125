/**
 * The mutants: this system with one of its promises taken out of the code, and the test that goes red by it.
 *
 * What is taken out is told by text that stands exactly once in its file: when that code moves, the mutant has to be
 * renewed, and `test/unit/mutants.test.ts` says so. The test is the cheapest one that sees the difference, not
 * the only one. Each mutant is a row of docs/GUARANTEES.md.
 */
export type Edit = { readonly file: string; readonly from: string; readonly to: string }

export type Mutant = {
  /** What the system does without. */
  readonly without: string
  readonly edits: readonly Edit[]
  readonly test: { readonly file: string; readonly name: string }
}

const recovery = 'test/simulation/recovery.test.ts'
const effects = 'test/unit/effects/crash.test.ts'
const sqlite = 'test/unit/events/log/sqlite.test.ts'
const contract = 'test/unit/events/log/stores.test.ts'
const once = 'test/simulation/once.test.ts'
const datasets = 'test/unit/effects/datasets.test.ts'
const crash = 'test/simulation/crash.test.ts'
const journal = 'src/daemon/journal.ts'

export const MUTANTS: readonly Mutant[] = [
  {
    without: 'the intent before the effect',
    // The engine hears of an intent when it was decided, and looks at what was decided.
    edits: [
      {
        file: journal,
        from: '  onBusy: () => void = () => {}\n',
        to: `  onBusy: () => void = () => {}
  onDecided: (requested: Advanced['requested']) => void = () => {}\n`,
      },
      {
        file: journal,
        from: '    const done = this.store.append({',
        to: '    this.onDecided(advanced.requested)\n    const done = this.store.append({',
      },
      {
        file: 'src/daemon/pool.ts',
        from: '    journal.listen((committed) => this.#onCommit(committed))',
        to: `    journal.listen((committed) => this.#onCommit(committed))
    journal.onDecided = (all) => all.forEach((requested) => this.engine.start(requested))`,
      },
      {
        file: 'src/daemon/engine.ts',
        from: 'return this.#journal.states.of(stream)?.context.op ?? null',
        to: 'return this.#journal.deciding.of(stream)?.context.op ?? null',
      },
    ],
    test: { file: crash, name: 'ct new, image on the pool' },
  },
  {
    without: 'the COMMIT before the reply',
    // What needs nothing of the host is answered when it was decided.
    edits: [
      {
        file: journal,
        from: '    return { committed: await this.#append(advanced), extra }',
        to: `    if (advanced.requested.length === 0 && advanced.finished.length > 0) {
      void this.#append(advanced).catch(() => {})
      return { committed: { ...advanced, first: this.#fold.seq + 1, stored: [] }, extra }
    }
    return { committed: await this.#append(advanced), extra }`,
      },
    ],
    test: { file: crash, name: 'ct set' },
  },
  {
    without: 'the probe on recovery',
    edits: [
      {
        file: 'src/daemon/recovery.ts',
        from: 'const probe = await effect.probe(pending.args as never, context)',
        to: "const probe = { is: 'not-started' } as Probe<IntentKind>",
      },
    ],
    test: { file: once, name: 'lxc.start' },
  },
  {
    without: 'the fence before the probe',
    edits: [
      {
        file: 'src/daemon/recovery.ts',
        from: 'await ports.host.fence(pending.intent)',
        to: '0',
      },
    ],
    test: { file: recovery, name: 'settles two operations of one kind, each on its own' },
  },
  {
    without: 'synchronous=FULL',
    edits: [
      {
        file: 'src/events/log/sqlite/connection.ts',
        from: "db.pragma('synchronous = FULL')",
        to: "db.pragma('synchronous = NORMAL')",
      },
      { file: 'src/events/log/sqlite/connection.ts', from: 'const FULL = 2', to: 'const FULL = 1' },
    ],
    test: {
      file: sqlite,
      name: 'commits with synchronous=FULL after the first write of every open and every seal',
    },
  },
  {
    without: 'reading FULL back after the first write',
    edits: [{ file: 'src/events/log/sqlite/commit.ts', from: '    assertFull(this.#segment.db)\n', to: '' }],
    test: { file: sqlite, name: 'refuses everything when synchronous falls back' },
  },
  {
    without: 'the staging name',
    edits: [
      {
        file: 'src/machines/container/context.ts',
        from: `args: { dataset: \`staging/\${intent}\` }`,
        to: "args: { dataset: 'staging/new' }",
      },
    ],
    test: { file: crash, name: 'ct import of a tar image' },
  },
  {
    without: 'the question whether what is to be undone is ours',
    edits: [{ file: 'src/effects/kinds/common.ts', from: '  if (!ours) return\n', to: '' }],
    test: { file: datasets, name: "neither completes nor destroys somebody else's dataset of that name" },
  },
  {
    without: 'undoing twice',
    edits: [
      {
        file: 'src/effects/kinds/common.ts',
        from: '  const seen = await context.host.zfs.get(name)\n  if (!seen) return\n',
        to: '  const seen = await mustGet(context, name)\n',
      },
    ],
    test: { file: effects, name: 'is undone, once or twice, to what was before' },
  },
  {
    without: 'the stamp as the last step of making a dataset',
    edits: [
      {
        file: 'src/effects/kinds/dataset-create.ts',
        from: "mount: true, properties: { canmount: 'noauto' }",
        to: "mount: true, properties: { canmount: 'noauto', [STAMP]: context.intent }",
      },
    ],
    test: {
      file: effects,
      name: 'ends well when the daemon dies at any boundary, its helper dead, alive, or fenced',
    },
  },
  {
    without: 'looking at the idempotency key',
    edits: [
      {
        file: 'src/events/log/draft.ts',
        from: 'if (key === undefined) continue',
        to: 'if (key !== null) continue',
      },
    ],
    test: { file: contract, name: 'an idempotency key or an event id is taken once' },
  },
  {
    without: 'the answer of the operation that a key is known for',
    edits: [
      {
        file: 'src/daemon/bus.ts',
        from: 'const event = key === undefined ? null : await pool.journal.store.byKey(key)',
        to: 'const event = null as StoredEvent | null',
      },
    ],
    test: { file: crash, name: 'ct start' },
  },
  {
    without: 'the expected version of a stream',
    edits: [{ file: 'src/events/log/draft.ts', from: 'if (found !== wanted) {', to: 'if (found < 0) {' }],
    test: { file: contract, name: 'a stream at another version refuses the batch as a whole' },
  },
  {
    without: 'ignoring a late outcome',
    edits: [
      {
        file: 'src/daemon/engine.ts',
        from: "awaited ? outcome : { type: 'EffectLate', intent, outcome: outcome.type }",
        to: 'outcome',
      },
    ],
    test: { file: recovery, name: 'a kill takes it over, and its late outcome changes nothing' },
  },
  {
    without: 'looking whether a COMMIT of unknown outcome happened',
    edits: [
      {
        file: journal,
        from: "const there = await this.store.byId(advanced.events[0]?.id ?? '')",
        to: 'const there = null as StoredEvent | null',
      },
    ],
    test: { file: once, name: 'is looked up, and what it brought stands once' },
  },
  {
    without: 'a look before a failure is final',
    edits: [
      {
        file: 'src/daemon/engine.ts',
        from: 'if (compensates || isNone(probe)) return failed',
        to: "if (intent !== '' || isNone(probe)) return failed",
      },
    ],
    test: { file: 'test/simulation/failure.test.ts', name: 'ct freeze' },
  },
  {
    without: 'telling two deaths apart by the boot id',
    edits: [
      {
        file: 'src/daemon/reality.ts',
        from: 'if (!run.evidence || run.evidence.bootId === bootId) return []',
        to: 'if (!run.evidence) return []',
      },
    ],
    test: { file: recovery, name: 'adopts what runs and restarts nothing' },
  },
  {
    without: 'the link of an event to the one before',
    edits: [{ file: 'src/events/log/chain.ts', from: '  previous.copy(bytes)\n', to: '' }],
    test: { file: contract, name: 'verify knows the head that it is held against' },
  },
  {
    without: 'the bound of what repeats itself',
    edits: [
      {
        file: 'src/daemon/bus.ts',
        from: "return verdict === 'write' ? drafts : []",
        to: 'return drafts',
      },
    ],
    test: {
      file: 'test/simulation/growth.test.ts',
      name: 'a client that repeats what is refused, and the last of it is summed up',
    },
  },
  {
    without: 'comparing a log with its anchors',
    edits: [
      {
        file: 'src/daemon/anchors.ts',
        from: 'const broken = judged.filter((it) => it !== null)',
        to: 'const broken = judged.filter((it) => it !== null && it === undefined)',
      },
    ],
    test: { file: 'test/simulation/anchors.test.ts', name: 'when its end was cut off' },
  },
]
