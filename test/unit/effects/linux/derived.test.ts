import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerSpec } from '../../../../src/effects/host.ts'
import {
  type ConfigContext,
  logReasons,
  readConfig,
  renderConfig,
} from '../../../../src/effects/linux/lxc-config.ts'
import {
  assignUsers,
  editGroup,
  editPasswd,
  editSubids,
  subidLines,
} from '../../../../src/effects/linux/users.ts'

const spec: ContainerSpec = {
  pool: 'tank',
  id: '01JDTEST0000000000000000CT',
  ctid: 'web',
  user: 'web',
  group: '/default',
  map: { first: 1_000_000, count: 65_536 },
  dataset: 'tank/ct/web',
  hostname: 'web.example.org',
  distribution: 'debian',
  version: '13',
  arch: 'x86_64',
  initCmd: null,
}
const at: ConfigContext = {
  rootfs: '/run/osctl/pools/tank/containers/web/rootfs',
  run: 'run1',
  logFile: '/tank/log/ct/web.log',
  hooks: '/run/osctl/hooks',
  spool: '/run/osctl/spool',
  apparmor: 'osctl-ct',
  include: '/usr/share/lxc/config',
}

test('the configuration that LXC is started with', () => {
  assert.equal(
    renderConfig(spec, at),
    `# tank:web: written by osctld at each start, changes are lost
# osctl id=01JDTEST0000000000000000CT run=run1
lxc.include = /usr/share/lxc/config/common.conf
lxc.include = /usr/share/lxc/config/userns.conf
lxc.arch = x86_64
lxc.uts.name = web.example.org
lxc.rootfs.path = dir:/run/osctl/pools/tank/containers/web/rootfs
lxc.idmap = u 0 1000000 65536
lxc.idmap = g 0 1000000 65536
lxc.mount.auto =
lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed
lxc.apparmor.profile = osctl-ct
lxc.autodev = 1
lxc.net.0.type = empty
lxc.init.cmd = /sbin/init
lxc.cgroup.dir.monitor = osctl/pool.tank/group.default/user.web/ct.web/monitor
lxc.cgroup.dir.monitor.pivot = osctl/pool.tank/group.default/user.web/ct.web/pivot
lxc.cgroup.dir.container = osctl/pool.tank/group.default/user.web/ct.web/payload
lxc.cgroup.dir.container.inner = inner
lxc.log.file = /tank/log/ct/web.log
lxc.log.level = WARN
lxc.hook.version = 1
lxc.hook.start-host = /bin/sh /run/osctl/hooks/report started tank 01JDTEST0000000000000000CT run1 /run/osctl/spool
lxc.hook.post-stop = /bin/sh /run/osctl/hooks/report ended tank 01JDTEST0000000000000000CT run1 /run/osctl/spool
`,
  )
})

test('the configuration names the container for whoever looks for it later', () => {
  const seen = readConfig(renderConfig(spec, at))
  const cgroup = 'osctl/pool.tank/group.default/user.web/ct.web'
  assert.deepEqual(seen, { id: spec.id, run: 'run1', cgroup })
  assert.equal(readConfig('lxc.uts.name = other\n'), null)
})

test('an init command from an image cannot become a line of configuration', () => {
  const render = (initCmd: string[]): string => renderConfig({ ...spec, initCmd }, at)
  assert.throws(() => render(['/sbin/init\nlxc.hook.pre-start = /bin/evil']), /control character/)
  assert.throws(() => render(['/sbin/init', 'a "quoted" word']), /init command/)
  assert.match(render(['/bin/sh', '-c', 'sleep 1; exit']), /^lxc\.init\.cmd = \/bin\/sh -c "sleep 1; exit"$/m)
  assert.throws(() => renderConfig({ ...spec, hostname: 'a\nb' }, at), /control character/)
})

test('an unknown architecture is left to LXC, busybox gets the signals it knows', () => {
  assert.doesNotMatch(renderConfig({ ...spec, arch: 'riscv\nx' }, at), /lxc\.arch/)
  assert.match(renderConfig({ ...spec, distribution: 'busybox' }, at), /^lxc\.signal\.halt = SIGUSR2$/m)
})

test('the first errors of a log are the reason, echoes of them are not', () => {
  const log = [
    'lxc-start web 20261123003036.868 ERROR    start - ../src/lxc/start.c:start:2209 - No such file or directory - Failed to exec "/nope"',
    'lxc-start web 20261123003036.868 WARN     start - ../src/lxc/start.c:x:1 - a warning',
    'lxc-start web 20261123003036.870 ERROR    sync - ../src/lxc/sync.c:sync_wait:34 - An error occurred in another process (expected sequence number 7)',
    'lxc-start web 20261123003036.871 ERROR    lxc_start - ../src/lxc/tools/lxc_start.c:main:307 - The container failed to start',
    'lxc-start web 20261123003036.877 ERROR    start - ../src/lxc/start.c:__lxc_start:2119 - Failed to spawn container "web"',
  ].join('\n')
  const reasons = 'No such file or directory - Failed to exec "/nope"; Failed to spawn container "web"'
  assert.equal(logReasons(log), reasons)
  assert.equal(logReasons('nothing of the kind'), '')
})

const PASSWD = 'root:x:0:0:root:/root:/bin/bash\nadmin:x:100000:100000:osctld:/home/admin:/bin/sh\n'
const wanted = [
  { pool: 'tank', name: 'web', map: { first: 1_000_000, count: 65_536 } },
  { pool: 'tank', name: 'db', map: { first: 1_065_536, count: 65_536 } },
]

test('users get the lowest free uids, keep those they have, and leave when nobody wants them', () => {
  const first = assignUsers(PASSWD, wanted)
  assert.deepEqual(
    first.map(({ name, uid }) => [name, uid]),
    [
      ['tank-web', 100_001],
      ['tank-db', 100_002],
    ],
  )
  const passwd = editPasswd(PASSWD, first)
  assert.equal(
    passwd,
    `${PASSWD}tank-web:*:100001:100001:osctl:/nonexistent:/usr/sbin/nologin\n` +
      'tank-db:*:100002:100002:osctl:/nonexistent:/usr/sbin/nologin\n',
  )
  const second = assignUsers(passwd, [...wanted].reverse())
  assert.deepEqual(
    second.map(({ uid }) => uid),
    [100_002, 100_001],
  )
  assert.equal(editPasswd(passwd, []), PASSWD)
})

test('groups follow their users, and no other group in the range is touched', () => {
  const users = assignUsers(PASSWD, wanted)
  const group = 'root:x:0:\nsomebody:x:100007:\n'
  const edited = editGroup(group, PASSWD, users)
  assert.equal(edited, `${group}tank-web:*:100001:\ntank-db:*:100002:\n`)
  assert.equal(editGroup(edited, editPasswd(PASSWD, users), []), group)
})

test('subuid holds the ranges for the users and for root; lines of the admin stay', () => {
  const lines = subidLines(assignUsers(PASSWD, wanted))
  assert.deepEqual(lines, [
    '100001:1000000:65536',
    '100002:1065536:65536',
    'root:1000000:65536',
    'root:1065536:65536',
  ])
  const admin = 'root:500000:65536\nadmin:600000:65536\n'
  const once = editSubids(admin, [], lines)
  assert.equal(editSubids(once, lines, lines), once)
  assert.equal(editSubids(once, lines, []), admin)
})

test('a colon of a pool name does not break passwd', () => {
  assert.equal(assignUsers('', [{ pool: 'a:b', name: 'c', map: spec.map }])[0]?.name, 'a_b-c')
})
