/**
 * The simulated host behaves as the real one: every script of test/conformance, played here, ends as it ended on real
 * ZFS and LXC (`real.txt`). That it still ends so there is proved by test/conformance/real.test.ts.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Host } from '../../../src/effects/host.ts'
import { SCRIPTS } from '../../conformance/scripts.ts'
import { simulatedStage } from '../../conformance/simulated.ts'
import { fromText, play } from '../../conformance/transcript.ts'

const file = join(import.meta.dirname, '../../conformance/real.txt')
const real = fromText(readFileSync(file, 'utf8'))
/** Ports whose every method is played, but for what needs more than one host can give. */
const PORTS = ['zfs', 'lxc', 'images', 'materialise'] as const
const ELSEWHERE: Readonly<Record<string, string>> = {
  'images.index': 'an index is read over HTTP: test/vm/images.test.ts',
}
const stage = simulatedStage()
const called = new Set<string>()
const simulated = await play({ ...stage, host: watched(stage.host) }, SCRIPTS)

/** The host, with each method that is called remembered. */
function watched(host: Host): Host {
  const ports = PORTS.map((name) => {
    const get = (port: object, method: string, self: unknown) => {
      called.add(`${name}.${method}`)
      return Reflect.get(port, method, self)
    }
    return [name, new Proxy(host[name] as object, { get } as ProxyHandler<object>)]
  })
  return { ...host, ...Object.fromEntries(ports) }
}

describe('A simulated host does what the real one did:', () => {
  for (const { name } of SCRIPTS) it(name, () => assert.deepEqual(simulated[name], real[name]))

  it('and every method of its ports is called', () => {
    const methods = PORTS.flatMap((port) =>
      Object.keys(stage.host[port]).map((method) => `${port}.${method}`),
    )
    assert.ok(methods.length > 30)
    assert.deepEqual(
      methods.filter((method) => !called.has(method)),
      Object.keys(ELSEWHERE),
    )
  })

  it('and nothing that it did is left out', () => {
    assert.deepEqual(Object.keys(real).sort(), SCRIPTS.map(({ name }) => name).sort())
  })
})
