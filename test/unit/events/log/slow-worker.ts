/** A worker that opens at once and takes its time over appends: a disk that hangs. */
import { parentPort } from 'node:worker_threads'
import type { Call } from '../../../../src/events/log/protocol.ts'

const head = { seq: 1, hash: '0'.repeat(64) }

parentPort?.on('message', (calls: Call[]) => {
  for (const { n, call, args } of calls) {
    if (call === 'open') {
      const ok = {
        head,
        replayFrom: 1,
        streams: new Map(),
        readOnly: null,
        damage: [],
        notes: [],
        segmentEvents: 1,
      }
      parentPort?.postMessage([{ n, ok }])
    } else if (call === 'append') {
      if (args.events.length === 0) throw new Error('planted')
      setTimeout(() => parentPort?.postMessage([{ n, ok: { first: 2, head: { ...head, seq: 2 } } }]), 150)
    } else parentPort?.postMessage([{ n, ok: null }])
  }
})
