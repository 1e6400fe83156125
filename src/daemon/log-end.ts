/** Where a log ends, and while it is closed, or cannot be opened again, where it ended last. */
import { LogError, type LogStore } from '../events/log/store.ts'
import { EMPTY_HEAD, type Head } from '../events/types/envelope.ts'

export class LogEnd {
  readonly #store: Pick<LogStore, 'head' | 'close'>
  #last: Head = EMPTY_HEAD

  constructor(store: Pick<LogStore, 'head' | 'close'>) {
    this.#store = store
  }

  head(): Head {
    try {
      this.#last = this.#store.head()
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'E_LOG_CLOSED') throw error
    }
    return this.#last
  }

  /** Closes the log, and remembers the end that it had come to, whether or not anybody had asked for that. */
  async close(): Promise<void> {
    this.head()
    await this.#store.close()
  }
}
