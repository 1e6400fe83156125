/** Witnesses as people write them: read, refused in one line, and never with a secret. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loggerArguments, sshArguments } from '../../../src/effects/linux/messages.ts'
import { parseWitness, type Witness, witnessText } from '../../../src/events/types/witness.ts'

const read = (text: string, files = {}): Witness => {
  const reading = parseWitness(text, files)
  assert.ok(reading.ok, reading.ok ? '' : reading.why)
  return reading.witness
}
const refused = (text: string, files = {}): string => {
  const reading = parseWitness(text, files)
  assert.ok(!reading.ok, `${text} was taken`)
  return reading.why
}
const files = { keyFile: null, knownHostsFile: null }

test('each kind is read, and printed as it was written', () => {
  assert.deepEqual(read('syslog'), { kind: 'syslog', host: null, port: null })
  assert.deepEqual(read('syslog:logs.example.org:1514'), {
    kind: 'syslog',
    host: 'logs.example.org',
    port: 1514,
  })
  assert.deepEqual(read('ssh:node2'), { kind: 'ssh', user: null, host: 'node2', port: null, ...files })
  assert.deepEqual(read('ssh:keep@[2001:db8::1]:22', { keyFile: '/tank/key' }), {
    kind: 'ssh',
    user: 'keep',
    host: '[2001:db8::1]',
    port: 22,
    keyFile: '/tank/key',
    knownHostsFile: null,
  })
  for (const text of ['syslog', 'syslog:a:1', 'ssh:node2', 'ssh:u@[::1]:7', 'https://a.example.org/x'])
    assert.equal(witnessText(read(text)), text)
})

test('what is no witness is refused, with what is legal', () => {
  for (const text of [
    '',
    'http://a/',
    'syslog:',
    'syslog:u@a',
    'ssh:',
    'ssh:a:b',
    'ssh:@a',
    'node2',
    'https://',
  ])
    assert.match(refused(text), /legal: syslog, /, text)
  assert.match(refused('syslog:a:99999'), /port/)
})

test('no secret is in an address, and no option of a program', () => {
  assert.match(refused('https://u:p@a/'), /must not carry a user name or password/)
  assert.match(refused('https://a/?token=x'), /no query/)
  assert.match(refused('https://a/#x'), /no query/)
  for (const text of ['ssh:-oProxyCommand=x', 'ssh:-l@a', 'syslog:-x']) refused(text)
})

test('files are absolute, and of the kind that uses them', () => {
  assert.match(refused('https://a/', { tokenFile: 'token' }), /tokenFile: an absolute path/)
  assert.match(refused('ssh:a', { tokenFile: '/t' }), /for https/)
  assert.match(refused('syslog', { keyFile: '/k' }), /for ssh/)
  assert.match(refused('https://a/', { knownHostsFile: '/k' }), /for ssh/)
})

test('programs are told where an argument begins, and ask nobody', () => {
  const ssh = sshArguments({ user: 'keep', host: '[::1]', port: 7, keyFile: '/k', knownHostsFile: '/h' })
  assert.deepEqual(ssh.slice(-3), ['--', 'keep@::1', 'osctl witness keep'])
  assert.ok(ssh.includes('BatchMode=yes') && ssh.includes('StrictHostKeyChecking=yes'))
  assert.deepEqual(loggerArguments('-x', null).slice(-2), ['--', '-x'])
  assert.ok(loggerArguments('x', { host: '[::1]', port: null }).join(' ').includes('--server ::1 --port 514'))
})
