import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cliText } from '../../../src/cli/cli-text.ts'
import { root } from '../../../src/cli/commands/index.ts'
import { parseCommand, parseGlobals } from '../../../src/cli/parse.ts'
import { commandsOf, namesOf, resolve } from '../../../src/cli/resolve.ts'
import { globalsBeside, isGroup, optionsOf } from '../../../src/cli/spec.ts'
import { runAlone } from './harness.ts'

/** Forms of vpsadminos §3.2 for the commands that there are, and ours: the line, and the command it means. */
const forms = `
pool ls | pool list | pool ls tank dozer | pool ls -o name,state -H | pool ls -L | pool ls -s name | --pool tank pool ls
witness ls | witness list tank | witness add w syslog | witness add w ssh:root@node2 --key-file /k --known-hosts-file /h | --pool tank witness add w https://a/ --token-file /t --ca-file /c | witness del tank:w | witness delete w | witness test w | witness keep | witness heads | witness heads tank
pool upgrade | pool upgrade tank dozer -y | pool upgrade --all --yes | pool upgrade tank --dry-run | pool upgrade -a -o pool,format
pool show tank | pool info tank | pool show -H -o state tank
pool import tank | pool import -a | pool import --all --no-autostart | pool import -s tank
pool export tank | pool export -f tank | pool export --force --no-stop-containers --no-unregister-users -m bye --if-imported tank
pool install tank | pool install --dataset tank/osctl tank | pool uninstall tank | pool uninstall --yes tank
pool set parallel-start tank 4 | pool set parallel-stop tank 4 | pool unset parallel-start tank | pool unset parallel-stop tank
boot ls | boot ls tank | boot report | boot report --boot -1 tank | boot report --boot=0badcafe -o id,result -H | boot report -L
pool autostart queue tank | pool autostart queue -H -o id tank | pool autostart queue -L | pool autostart trigger tank | pool autostart cancel tank
pool set attr tank org.x:y value | pool unset attr tank org.x:y
id-range ls | id-ranges ls | id-range list default -o all
user ls | user ls 101 -H | user ls --pool tank,dozer --registered | user list --unregistered -s name
ct new --distribution debian 101 | ct create --pool tank --distribution debian --version 13 --arch x86_64 --vendor v --variant w --repository r 101
ct new --user u --skip-image --distribution debian --version 13 --arch x86_64 101 | vps new --distribution alpine x
ct import /x.tar | ct import --as-id y --as-user u --pool tank /x.tar | ct import --missing-devices remove f
ct del 101 | ct delete -f tank:101 | ct del --force 101
ct ls | ct list 101 102 | ct ls --pool tank -u a,b -g /default -d debian -v 13 -S running,stopped -e -p -s id -o id -H
ct ls -o +memory.max | ct ls -o -memory,cpu_us | ct ls -o '' | ct show 101 | ct info -o all tank:101
ct start 101 | ct start -w infinity 101 | ct start --wait 0 -q -p 5 -D 101 | ct start -a -u 101
ct stop 101 | ct stop -m bye -t 10 101 | ct stop -k 101 | ct stop --dont-kill 101
ct restart 101 | ct restart -w 60 -m bye -t 10 -k -a 101
ct freeze 101 | ct unfreeze 101 | ct thaw 101
ct exec 101 ls | ct exec 101 sh -c 'exit 33' | ct exec 101 -- ls -l -o x | ct attach 101 | ct enter -u 101
ct set autostart 101 | ct set autostart -p 10 -d 1 101 | ct unset autostart 101 | ct set hostname 101 web.example.org | ct unset hostname 101
ct set attr 101 a.b:c value | ct unset attr 101 a.b:c | ct log cat 101 | ct log path 101
repo ls | repository list | repo add x https://images.example.org | repo del x | repo delete x | repo enable x | repo disable tank:x
repo images ls default | repo images ls --vendor v --variant w --arch a --distribution d --version 1 --tag stable --cached r -o all | repo images ls --uncached r
trash-bin ls | trash-bin prune | trash-bin prune tank --yes
history | history tank | history --ct 101 -n 5 | event ls | event ls --ct 101 -t CtLost -r -n 3 --from 1 --to 9 | event show tank:1 | event verify --full tank
op ls | op ls -a tank | op show X | op retry X | op resolve --as done X
monitor | -j monitor | healthcheck | healthcheck -a | healthcheck tank | ping | ping 10 | shutdown | shutdown -f --no-wall -m x
debug machine ct | debug machine pool | completion bash | gen-completion bash | help | help ct ls
-p -j --color --no-color -q ct ls | ct ls --json | ct ls -j | pool ls -p -q | ct start --no-wait --reason why --key 12345678 101
ct sh 101 | ct sta 101 | h | heal | trash ls | ct set auto 101
`

const AMBIGUOUS = new Set(['h'])

function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
}

test('every documented form parses', async () => {
  const lines = forms
    .trim()
    .split('\n')
    .flatMap((line) => line.split(' | '))
    .map((line) => line.trim())
  for (const line of lines) {
    const parse = async () => {
      const { rest } = await parseGlobals(words(line))
      const { node, rest: own } = resolve(root, rest)
      assert.ok(!isGroup(node), `${line} leads to a group`)
      await parseCommand(node, own)
    }
    if (AMBIGUOUS.has(line))
      await assert.rejects(parse, /ambiguous command 'h': it could be history, healthcheck, help/)
    else await assert.doesNotReject(parse, line)
  }
})

test('no two names of one level, and no two options of one command, are the same', () => {
  const walk = (node: typeof root): void => {
    const names = node.commands.flatMap(namesOf)
    assert.equal(new Set(names).size, names.length, `${node.name}: ${names}`)
    for (const child of node.commands) if (isGroup(child)) walk(child)
  }
  walk(root)
  for (const { path, command } of commandsOf(root, true)) {
    const options = [...optionsOf(command), ...globalsBeside(command)]
    const spelled = options.flatMap(({ long, short }) => (short ? [long, short] : [long]))
    assert.equal(new Set(spelled).size, spelled.length, path.map(({ name }) => name).join(' '))
    for (const { name } of command.table?.defaults.map((n) => ({ name: n })) ?? []) {
      assert.ok(
        command.table?.columns.some((column) => column.name === name),
        `${command.name}: ${name}`,
      )
    }
  }
})

test('every example in the help parses', async () => {
  for (const { command } of commandsOf(root)) {
    for (const { command: line } of command.examples ?? []) {
      if (!line.startsWith('osctl ')) continue
      const { rest } = await parseGlobals(words(line.replace(/ >.*/, '')).slice(1))
      const { node, rest: own } = resolve(root, rest)
      assert.equal(node, command, line)
      await assert.doesNotReject(parseCommand(command, own), line)
    }
  }
})

test('values: lists by comma, integers in their range, negatable switches', async () => {
  const parse = async (line: string) => {
    const { node, rest } = resolve(root, words(line))
    assert.ok(!isGroup(node))
    return parseCommand(node, rest)
  }
  assert.deepEqual((await parse('ct ls -S running,stopped -S frozen')).options.list('state'), [
    'running',
    'stopped',
    'frozen',
  ])
  assert.equal((await parse('ct stop -t 5 x')).options.integer('timeout'), 5)
  assert.equal((await parse('ct start -w infinity x')).options.text('wait'), 'infinity')
  assert.equal((await parse('pool import --no-autostart x')).options.flag('autostart', true), false)
  assert.equal((await parse('pool import x')).options.flag('autostart', true), true)
  assert.equal((await parse('ct ls --json')).globals.flag('json'), true)
  assert.equal((await parse('ct ls -p')).options.flag('persistent'), true)
  assert.deepEqual((await parse('ct exec 101 sh -c -j')).args, ['101', 'sh', '-c', '-j'])
  assert.equal((await parse('ct stop -kt5 x')).options.integer('timeout'), 5)
  assert.equal((await parse('ct stop -kt5 x')).options.flag('kill'), true)
  assert.equal((await parse('ct stop --timeout=5 x')).options.integer('timeout'), 5)
  assert.deepEqual((await parse('ct show -- -x')).args, ['-x'])
  assert.equal((await parse('ct ls -o -memory')).options.text('output'), '-memory')
})

const wrong: [string, RegExp][] = [
  ['nonsense', /^error: unknown command 'nonsense'\n/],
  ['ct lss', /unknown command 'lss' \(did you mean ls\?\)/],
  ['cc', /unknown command 'cc' \(did you mean ct\?\)/],
  ['ct', /command 'ct' requires a subcommand/],
  ['ct s', /ambiguous command 's': it could be show, start, stop, set/],
  ['ct show', /missing argument <id>/],
  ['ct show a b', /unknown argument: b/],
  ['ct show a -x', /unknown option '-x'/],
  ['ct del --forse a', /unknown option '--forse' \(did you mean --force\?\)/],
  ['--jsn ct ls', /unknown option '--jsn' \(did you mean --json\?\)/],
  ['ct ls -o nothing', /unknown output parameter "nothing"/],
  ['ct ls -s nothing', /unknown output parameter "nothing"/],
  ['ct stop -t soon a', /invalid value for --timeout: 'soon' \(legal: an integer from 0 to 86400\)/],
  ['ct start -w never a', /invalid value for --wait: 'never' \(legal: .*, or infinity\)/],
  ['ct stop -t', /missing value of option --timeout <seconds>/],
  ['ct del --force=yes x', /option --force takes no value/],
  ['ct new x', /provide distribution/],
  ['ct set attr x novendor y', /invalid attribute 'novendor'/],
  ['pool import', /missing argument <pool>/],
  ['pool set parallel-start tank many', /invalid <n>: 'many' \(legal: an integer from 1 to 1000\)/],
  ['op resolve X', /missing option --as/],
  ['op resolve --as maybe X', /'maybe' \(legal: done, failed, undone\)/],
  ['ping soon', /invalid <wait>/],
  ['repo add x https://a:b@c/', /would stand in the log/],
  ['--key short ct freeze x', /8 to 100 characters/],
  ['completion csh', /unknown shell 'csh'/],
]
for (const [line, text] of wrong) {
  test(`osctl ${line}: exit status 64 with help`, async () => {
    const { status, out, err } = await runAlone(words(line))
    assert.equal(status, 64)
    assert.equal(out, '')
    assert.match(err, text)
    assert.match(err, /\n\nNAME\n/)
    assert.match(err, /\nSYNOPSIS\n/)
  })
}

test('help is there at every level, by each way to ask', async () => {
  for (const { path, command } of commandsOf(root)) {
    const line = path.map(({ name }) => name)
    const byOption = await runAlone([...line, '--help'])
    assert.equal(byOption.status, 0)
    assert.match(byOption.out, new RegExp(`osctl ${line.join(' ')} - ${command.summary.slice(0, 10)}`))
    assert.equal((await runAlone(['help', ...line])).out, byOption.out)
    assert.equal((await runAlone(['--help', ...line])).out, byOption.out)
  }
  for (const argv of [[], ['--help'], ['help'], ['ct', '--help'], ['ct', 'set', '-h']]) {
    const { status, out } = await runAlone(argv)
    assert.equal(status, 0)
    assert.match(out, /COMMANDS/)
  }
})

test('-L lists the parameters, without a daemon and without arguments', async () => {
  const { status, out } = await runAlone(['ct', 'show', '-L'])
  assert.equal(status, 0)
  assert.deepEqual(out.split('\n').slice(0, 2), ['pool', 'id'])
})

test('the shortcut programs are the groups of that name', async () => {
  const { out } = await runAlone(['ls', '--help'], {}, 'ct')
  assert.match(out, /osctl ct ls - /)
})

test('the text for the history is as typed, without what may be secret', () => {
  assert.equal(cliText(['ct', 'exec', 'x', 'mysql', '-psecret'], 1), 'osctl ct exec x mysql')
  assert.equal(cliText(['ct', 'set', 'attr', 'x', 'a:b', "it's"], 0), "osctl ct set attr x a:b 'it'\\''s'")
  assert.equal(cliText(['repo', 'add', 'x', 'https://u:p@h/'], 0), "osctl repo add x 'https://***@h/'")
  assert.equal(cliText(['x'.repeat(5000)], 0).length, 1000)
})
