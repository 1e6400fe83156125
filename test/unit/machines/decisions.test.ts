/**
 * What an admin is told: every command in every state of a container, as a committed table with the exact
 * texts. `UPDATE_MATRIX=1 node --test test/unit/machines/decisions.test.ts` writes it anew.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Fact } from '../../../src/events/types/events.ts'
import { phaseOf } from '../../../src/machines/life.ts'
import {
  type Command,
  create,
  exportPool,
  freeze,
  kill,
  remove,
  restart,
  set,
  sources,
  start,
  stop,
  undelete,
  unfreeze,
} from './commands.ts'
import { has, runs, type World, world } from './helpers.ts'

const COMMANDS: readonly [string, Command][] = [
  ['new', create('web', sources.empty)],
  ['start', start('web', 'other')],
  ['stop', stop('web')],
  ['stop --dont-kill', stop('web', 'shutdown')],
  ['stop --kill', kill('web')],
  ['restart', restart('web', 'other')],
  ['freeze', freeze('web')],
  ['unfreeze', unfreeze('web')],
  ['set (a change)', set('web', { hostname: 'changed' })],
  ['set (no change)', set('web', {})],
  ['del', remove('web')],
  ['del -f', remove('web', true)],
  ['undelete', undelete('web')],
  ['undelete --as-id', undelete('web', 'other')],
]

const frozen = (w: World): World => {
  runs(w, 'web').when(freeze('web'))
  w.settle()
  return w
}
const exited: Fact = { type: 'CtExited', run: 'web-run', target: 'reboot', how: 'hook' }

/** How to get there. */
const STATES: readonly [string, (w: World) => unknown][] = [
  ['(none)', () => {}],
  ['creating/cloning', (w) => w.when(create('web'))],
  ['stopped', (w) => has(w, 'web')],
  ['starting', (w) => has(w, 'web').when(start('web'))],
  [
    'starting, in doubt',
    (w) => {
      has(w, 'web').when(start('web'))
      w.tell(w.stream('web'), {
        type: 'EffectInDoubt',
        intent: w.next()?.wanted.intent ?? '',
        why: 'no answer',
      })
    },
  ],
  ['running', (w) => runs(w, 'web')],
  ['running, restart needed', (w) => runs(w, 'web').when(set('web', { hostname: 'new' }))],
  ['rebooting', (w) => runs(w, 'web').tell(w.stream('web'), exited)],
  ['freezing', (w) => runs(w, 'web').when(freeze('web'))],
  ['frozen', frozen],
  ['frozen, restart needed', (w) => frozen(w).when(set('web', { hostname: 'new' }))],
  ['thawing', (w) => frozen(w).when(unfreeze('web'))],
  ['stopping', (w) => runs(w, 'web').when(stop('web'))],
  ['restarting', (w) => runs(w, 'web').when(restart('web'))],
  ['deleting/stopping', (w) => runs(w, 'web').when(remove('web', true))],
  ['deleting/trashing', (w) => has(w, 'web').when(remove('web'))],
  [
    'gone',
    (w) => {
      has(w, 'web').when(remove('web'))
      w.settle()
    },
  ],
  [
    'undeleting',
    (w) => {
      has(w, 'web').when(remove('web'))
      w.settle()
      w.when(undelete('web'))
    },
  ],
  ['stopped, its pool exporting', (w) => has(w, 'web').when(exportPool())],
  ['stopped, its pool closed', (w) => has(w, 'web').tell('pool', { type: 'PoolClosed' })],
]

/** Deciding changes nothing: one world for each state is enough. */
const WORLDS: readonly [string, World][] = STATES.map(([state, given]) => {
  const w = world()
  given(w)
  return [state, w]
})

function told(w: World, command: Command): string {
  const decision = w.decide(command)
  switch (decision.is) {
    case 'accepted':
      return `accepted: ${decision.drafts.map(({ fact }) => fact.type).join(', ')}`
    case 'noop':
      return `nothing to do: ${decision.why}`
    case 'refused':
      return `${decision.refusal.code}: ${decision.refusal.message.replaceAll(/01HF[0-9A-Z]{22}/g, '<op>')}`
  }
}

function table(): string {
  const lines = [
    'What every command answers in every state. Written by decisions.test.ts; not edited by hand.',
  ]
  for (const [state, w] of WORLDS) {
    lines.push('', state)
    for (const [name, command] of COMMANDS) {
      const ct = w.byCtid('web')
      if (ct) assert.equal(phaseOf(ct), state.split(',')[0])
      lines.push(`  ${name.padEnd(18)}${told(w, command)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

test('every command answers in every state of a container what the committed table says', () => {
  const file = fileURLToPath(new URL('decisions.txt', import.meta.url))
  const now = table()
  if (process.env['UPDATE_MATRIX']) writeFileSync(file, now)
  assert.equal(now, readFileSync(file, 'utf8'), 'run with UPDATE_MATRIX=1 and review the difference')
})

test('an answer is one line, and a refusal of a container names its state and what is possible', () => {
  for (const [state, w] of WORLDS) {
    for (const [name, command] of COMMANDS) {
      const decision = w.decide(command)
      if (decision.is !== 'refused') continue
      assert.ok(!decision.refusal.message.includes('\n'))
      if (decision.refusal.state === undefined) continue
      assert.match(decision.refusal.message, /\(state: \S+; possible: [^)]+\)$/, `${name} in ${state}`)
      assert.ok(
        decision.refusal.text && decision.refusal.message.startsWith(`${decision.refusal.text} (state: `),
      )
    }
  }
})

test('what a refusal calls possible is not refused', () => {
  const byName = new Map(COMMANDS)
  for (const [state, w] of WORLDS) {
    for (const [, command] of COMMANDS) {
      const decision = w.decide(command)
      if (decision.is !== 'refused') continue
      for (const name of decision.refusal.possible ?? []) {
        if (name.startsWith('op ')) continue
        const tried = byName.get(name === 'set' ? 'set (a change)' : name)
        assert.ok(tried, name)
        assert.notEqual(w.decide(tried).is, 'refused', `${name} is called possible in ${state}`)
      }
    }
  }
})
