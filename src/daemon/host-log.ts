/**
 * The host's own log: what concerns no imported pool (DESIGN D19). The same store in a volatile directory,
 * mirrored to the operator's log; what is in it is gone with the boot, and said so.
 */

import { HostError } from '../effects/host.ts'
import { LogError, type LogStore } from '../events/log/store.ts'
import { eventVersions, type Fact } from '../events/types/events.ts'
import { newest } from '../events/types/formats.ts'
import type { Asked } from '../machines/decide/decision.ts'
import { RpcError } from '../rpc/errors.ts'
import { type DaemonPorts, formatsOf } from './ports.ts'
import { sessionOpened } from './session.ts'

export class HostLog {
  readonly #ports: DaemonPorts
  #store: LogStore | null = null

  constructor(ports: DaemonPorts) {
    this.#ports = ports
  }

  /** Opens the log and begins a session in it. A log that cannot be opened costs its record, not the daemon. */
  async open(): Promise<void> {
    const { host, version, logger } = this.#ports
    try {
      const store = await this.#ports.openHostLog()
      const { readOnly } = await store.open()
      if (readOnly === null) this.#store = store
      // That of a newer osctld, which ran since the boot.
      else {
        await store.close()
        logger.warn({ why: readOnly }, 'the host log takes no events until the next boot; they are only here')
      }
    } catch (error) {
      logger.error({ error: String(error) }, 'the host log cannot be opened; what belongs there is only here')
    }
    await this.note(sessionOpened(host, version, null, newest(formatsOf(this.#ports)).number))
  }

  async note(fact: Fact): Promise<void> {
    const { type, ...data } = fact
    const { clock, ids, logger } = this.#ports
    const stream = type === 'SessionOpened' ? ('log' as const) : ('host' as const)
    const event = {
      stream,
      id: ids.ulid(),
      type,
      v: eventVersions[type],
      t: clock.wall(),
      m: clock.mono(),
      data,
    }
    logger.info({ event: type, data }, 'host log')
    await this.#store?.append({ events: [event], expected: {} })
  }

  /** Something that was asked of no imported pool, by default by the daemon itself, and could not be done. */
  async refused(
    command: string,
    args: Record<string, string>,
    error: unknown,
    { actor, cli }: Pick<Asked, 'actor' | 'cli'> = { actor: { system: 'boot' }, cli: null },
  ): Promise<void> {
    const message = error instanceof Error ? error.message : String(error)
    await this.note({ type: 'CommandRefused', command, args, actor, cli, code: codeOf(error), message })
  }

  async close(): Promise<void> {
    await this.#store?.close()
  }
}

function codeOf(error: unknown): string {
  if (error instanceof RpcError) return error.data.code
  if (error instanceof HostError || error instanceof LogError) return error.code
  return 'E_INTERNAL'
}
