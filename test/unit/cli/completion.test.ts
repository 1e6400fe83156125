import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../../src/cli/commands/index.ts'
import { scriptFor } from '../../../src/cli/complete/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'osctl-completion-'))
const script = (shell: 'bash' | 'zsh' | 'fish') => {
  const file = join(directory, `osctl.${shell}`)
  writeFileSync(file, scriptFor(shell, root))
  return file
}
writeFileSync(join(directory, 'ct'), '101\n102\nweb\n$(touch pwned)\n')
writeFileSync(join(directory, 'pool'), 'tank\ndozer\n')
writeFileSync(join(directory, 'repo'), 'default\n')

const has = (shell: string) => spawnSync(shell, ['--version']).error === undefined

/** What bash offers for a line, by its own completion function. */
function bash(lines: readonly string[]): string[][] {
  const program = lines
    .map(
      (line) =>
        `COMP_LINE=${JSON.stringify(line)} COMP_POINT=${line.length}; _osctl; echo "\${COMPREPLY[*]}"`,
    )
    .join('\n')
  const argv = ['--norc', '--noprofile', '-c', `source ${script('bash')}\n${program}`]
  const env = { PATH: '', OSCTL_COMPLETION: directory }
  const { stdout, stderr, status } = spawnSync('/bin/bash', argv, { encoding: 'utf8', env, cwd: directory })
  assert.deepEqual([status, stderr], [0, ''])
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' ').filter((word) => word !== ''))
}

const offers: [string, string[]][] = [
  ['osctl tr', ['trash-bin']],
  ['osctl ct st', ['start', 'stop']],
  ['osctl vps set ', ['autostart', 'hostname', 'attr']],
  ['osctl ct start 1', ['101', '102']],
  ['osctl ct start -w 5 w', ['web']],
  ['osctl ct start -w ', ['infinity']],
  ['osctl ct start --att', ['--attach']],
  ['osctl --pool t', ['tank']],
  ['osctl --pool=d', ['dozer']],
  ['osctl -j --pool tank ct show we', ['web']],
  ['osctl pool ls tank do', ['dozer']],
  ['osctl ct ls -S run', ['running']],
  ['osctl ct ls -S stopped,fro', ['stopped,frozen']],
  ['osctl ct ls -o +memory_', ['+memory_pct']],
  ['osctl ct ls -o id,memo', ['id,memory', 'id,memory_pct']],
  ['osctl repo images ls d', ['default']],
  ['osctl op resolve --as un', ['undone']],
  ['osctl completion z', ['zsh']],
  ['osctl ct exec 101 ', []],
  ['osctl ct exec 101 ls --f', []],
  ['osctl ct show 101 ', []],
  ['osctl nonsense ', []],
  ['osctl gen', []],
]

test('bash completes commands, options, values and ids, without starting a process', () => {
  const got = bash(offers.map(([line]) => line))
  for (const [i, [line, words]] of offers.entries()) assert.deepEqual(got[i], words, line)
})

test('a name in a list is data: it is offered, never run', () => {
  const [ids] = bash(['osctl ct start $'])
  assert.deepEqual(ids, ['$(touch', 'pwned)'])
  assert.equal(spawnSync('ls', [directory], { encoding: 'utf8' }).stdout.includes('pwned'), false)
})

test('bash knows the completion by itself once the script is read', () => {
  const { stdout } = spawnSync('bash', ['--norc', '-c', `source ${script('bash')}; complete -p osctl`], {
    encoding: 'utf8',
  })
  assert.equal(stdout, 'complete -F _osctl osctl\n')
})

for (const shell of ['zsh', 'fish'] as const) {
  test(`${shell} accepts its script`, { skip: has(shell) ? false : `${shell} is not installed` }, () => {
    const { status, stderr } = spawnSync(shell, ['-n', script(shell)], { encoding: 'utf8' })
    assert.deepEqual([status, stderr], [0, ''])
  })
}

/** Lines whose last word is plain: fish and zsh complete commas and `=` in their own ways. */
const plain = offers.filter(([line]) => !/[,=+]\S*$/.test(line))

test('fish completes', { skip: has('fish') ? false : 'fish is not installed' }, () => {
  const env = { ...process.env, OSCTL_COMPLETION: directory }
  const program = plain.map(([line]) => `complete -C '${line}'; echo .`).join('\n')
  const argv = ['--no-config', '-c', `source ${script('fish')}\n${program}`]
  const { stdout } = spawnSync('fish', argv, { encoding: 'utf8', env, cwd: directory })
  const got = stdout.split('.\n').map((text) => text.split('\n').map((line) => line.split('\t')[0] ?? ''))
  for (const [i, [line, words]] of plain.entries()) {
    const offered = (got[i] ?? []).filter((word) => word !== '')
    assert.deepEqual(offered.sort(), [...words].sort(), line)
  }
})

/** zsh's own functions record what they are asked to offer; the shell's matching is not ours to test. */
const ZSH = `
compdef() { : }
compset() { return 1 }
compadd() { print -rl -- "\${(@P)2}" }
_describe() { print -rl -- "\${(@)\${(P)2}%%:*}" }
_files() { : }
_normal() { : }
`

test('zsh completes', { skip: has('zsh') ? false : 'zsh is not installed' }, () => {
  const env = { ...process.env, OSCTL_COMPLETION: directory }
  const calls = plain
    .map(([line]) => `words=("\${(@s: :)\${:-${line}}}"); CURRENT=$#words; _osctl; print .`)
    .join('\n')
  const argv = ['-f', '-c', `${ZSH}\nsource ${script('zsh')}\n${calls}`]
  const { stdout, stderr } = spawnSync('zsh', argv, { encoding: 'utf8', env, cwd: directory })
  assert.equal(stderr, '')
  const got = stdout.split('.\n').map((text) => text.split('\n'))
  for (const [i, [line, words]] of plain.entries()) {
    const typed = line.split(' ').at(-1) ?? ''
    const offered = (got[i] ?? []).filter((word) => word !== '' && word.startsWith(typed))
    assert.deepEqual(offered, words, line)
  }
})
