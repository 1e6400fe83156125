/**
 * Destroys a dataset or a snapshot by guid, in one txg: a channel program (zfs-program(8), OpenZFS 2.3).
 *
 * It looks first and changes nothing until it knows that everything can go: a clone or a hold is an answer,
 * not an error in the middle. Guids are 64-bit and unsigned, Lua's integers signed: both sides are compared
 * as signed decimal strings. A mounted file system cannot be told apart from one with snapshots in a program
 * (both are EBUSY), so the caller looks at the mounts.
 */
export const DESTROY_PROGRAM = `
local argv = (...)['argv']
local name, guid = argv[1], argv[2]
local order = {}
local found = nil

if not zfs.exists(name) then return 'absent' end
local seen = 'guid ' .. tostring(zfs.get_prop(name, 'guid'))
if seen ~= guid then return seen end

local function look(snapshot)
  for clone in zfs.list.clones(snapshot) do found = 'clone ' .. clone .. ' of ' .. snapshot end
  for tag in zfs.list.holds(snapshot) do found = found or ('hold ' .. tag .. ' on ' .. snapshot) end
  order[#order + 1] = snapshot
end

local function walk(dataset)
  for child in zfs.list.children(dataset) do walk(child) end
  for snapshot in zfs.list.snapshots(dataset) do look(snapshot) end
  order[#order + 1] = dataset
end

if string.find(name, '@', 1, true) then look(name) else walk(name) end
if found then return found end
for _, dataset in ipairs(order) do
  local errno = zfs.sync.destroy(dataset)
  if errno ~= 0 then return 'errno ' .. errno .. ' on ' .. dataset end
end
return 'done'
`

/** A guid as the program compares it. The word in front keeps a negative number from being an option. @pure */
export const guidArgument = (guid: string): string => `guid ${BigInt.asIntN(64, BigInt(guid))}`

export type DestroyAnswer =
  | { is: 'done' | 'absent' }
  | { is: 'other'; guid: string }
  | { is: 'clone' | 'hold'; what: string }
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
  if (word === 'errno') return { is: 'errno', errno: Number(rest[0]), what: rest.slice(2).join(' ') }
  throw new Error(`not an answer of the destroy program: ${json.slice(0, 200)}`)
}
