/**
 * Destroys a dataset or a snapshot by guid, in one txg, all or nothing: a channel program (zfs-program(8), OpenZFS 2.3).
 *
 * What a program has changed stays when it ends with an error, so this one asks of everything first whether it can go.
 * Nothing can begin to be used in between: the pool's configuration is locked while a program runs. To be destroyed a
 * dataset must have no holder (a mount, also one that was detached lazily or lies in another namespace; a send) and no
 * snapshot, and both are EBUSY; whether one with snapshots has a holder is told by the check of a rollback, which
 * ends at a bookmark that is newer than they are. That is an answer of its own. A pool without room for a rollback does
 * not answer, and is not kept from being freed.
 *
 * The destroying is one call of the interpreter, for between two instructions it looks whether the caller was killed,
 * and would leave a part.
 *
 * Guids are 64-bit and unsigned, Lua's integers signed: both sides are compared as signed decimal strings.
 */
import { constants } from 'node:os'
import { HostError } from '../host.ts'

export const DESTROY_PROGRAM = `
local argv = (...)['argv']
local name, guid = argv[1], argv[2]
local order = {}
local found = nil

if not zfs.exists(name) then return 'absent' end
local seen = 'guid ' .. tostring(zfs.get_prop(name, 'guid'))
if seen ~= guid then return seen end

local function refused(errno, what)
  found = found or ('errno ' .. errno .. ' on ' .. what)
end

local function look(snapshot)
  for clone in zfs.list.clones(snapshot) do found = 'clone ' .. clone .. ' of ' .. snapshot end
  for tag in zfs.list.holds(snapshot) do found = found or ('hold ' .. tag .. ' on ' .. snapshot) end
  local errno = zfs.check.destroy(snapshot)
  if errno ~= 0 then refused(errno, snapshot) end
  order[#order + 1] = snapshot
end

local function ask(dataset, has)
  if has.snapshots then
    local errno = zfs.check.rollback(dataset)
    if errno == EEXIST then found = found or ('bookmark ' .. dataset) end
    if errno == EBUSY or errno == EAGAIN then refused(errno, dataset) end
  else
    local errno = zfs.check.destroy(dataset)
    if errno ~= 0 and not (errno == EEXIST and has.children) then refused(errno, dataset) end
  end
end

local function walk(dataset)
  local has = {}
  for child in zfs.list.children(dataset) do
    has.children = true
    walk(child)
  end
  for snapshot in zfs.list.snapshots(dataset) do
    has.snapshots = true
    look(snapshot)
  end
  ask(dataset, has)
  order[#order + 1] = dataset
end

if string.find(name, '@', 1, true) then look(name) else walk(name) end
if found then return found end
local answers = string.gsub(table.concat(order, '\\n'), '[^\\n]+', zfs.sync.destroy)
local at = 0
for errno in string.gmatch(answers, '%d+') do
  at = at + 1
  if errno ~= '0' then return 'errno ' .. errno .. ' on ' .. order[at] end
end
return 'done'
`

/** A guid as the program compares it. The word in front keeps a negative number from being an option. @pure */
export const guidArgument = (guid: string): string => `guid ${BigInt.asIntN(64, BigInt(guid))}`

export type DestroyAnswer =
  | { is: 'done' | 'absent' }
  | { is: 'other'; guid: string }
  | { is: 'clone' | 'hold' | 'bookmark'; what: string }
  | { is: 'errno'; errno: number; what: string }

/**
 * Reads what `zfs program -j` printed.
 *
 * @throws Error when it is not an answer of our program
 * @pure
 */
export function parseDestroyAnswer(json: string): DestroyAnswer {
  const value: unknown = JSON.parse(json)
  const text =
    typeof value === 'object' && value !== null && 'return' in value
      ? String((value as { return: unknown }).return)
      : ''
  const [word = '', ...rest] = text.split(' ')
  const what = rest.join(' ')
  if (word === 'done' || word === 'absent') return { is: word }
  if (word === 'guid') return { is: 'other', guid: BigInt.asUintN(64, BigInt(what)).toString() }
  if (word === 'clone' || word === 'hold') return { is: word, what: text }
  if (word === 'bookmark') return { is: word, what }
  if (word === 'errno') return { is: 'errno', errno: Number(rest[0]), what: rest.slice(2).join(' ') }
  throw new Error(`not an answer of the destroy program: ${json.slice(0, 200)}`)
}

/** What the program's answer is to who asked for the destruction; null when it is done. @pure */
export function destroyRefusal(name: string, guid: string, answer: DestroyAnswer): HostError | null {
  const cannot = `cannot destroy ${name}`
  const refused = (why: string): HostError => new HostError('E_REFUSED', 'permanent', `${cannot}: ${why}`)
  const busy = (why: string): HostError => new HostError('E_BUSY', 'transient', `${cannot}: ${why}`)
  switch (answer.is) {
    case 'done':
    case 'absent':
      return null
    case 'other':
      return refused(`it has guid ${answer.guid}, not ${guid}: it is not ours`)
    case 'clone':
      return refused(answer.what)
    case 'hold':
      return busy(answer.what)
    case 'bookmark':
      return refused(
        `a bookmark of ${answer.what} is newer than its snapshots, so that ZFS does not tell whether it is in use: ` +
          `zfs list -t bookmark ${answer.what}, then zfs destroy`,
      )
    case 'errno': {
      const { EBUSY, EAGAIN } = constants.errno
      if (answer.errno === EBUSY || answer.errno === EAGAIN) return busy(`${answer.what} is in use`)
      return new HostError('E_FAILED', 'permanent', `${cannot}: ${answer.what}: errno ${answer.errno}`)
    }
  }
}
