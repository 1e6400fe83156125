/** The port to images on a simulated machine; the rules are in `images.ts`. */
import type { ImagePort } from '../host.ts'
import type { Calls } from './calls.ts'
import * as images from './images.ts'
import type { MachineState } from './state.ts'

export function simulatedImages(state: MachineState, calls: Calls): ImagePort {
  return {
    fetch(url, file, sha256, fence) {
      let total = 0
      return calls.run({
        op: 'images.fetch',
        subject: file,
        intent: fence.intent,
        signal: fence.signal,
        changes: true,
        begin: () => {
          total = images.beginFetch(state, url, file)
          fence.progress?.(Math.floor(total / 2), total, url)
        },
        apply: () => {
          const got = images.completeFetch(state, url, file, sha256)
          fence.progress?.(total, total, url)
          return got
        },
      })
    },
    stat: (file) =>
      calls.run({
        op: 'images.stat',
        subject: file,
        intent: null,
        changes: false,
        apply: () => images.statFile(state, file),
      }),
    inspect: (file) =>
      calls.run({
        op: 'images.inspect',
        subject: file,
        intent: null,
        changes: false,
        apply: () => images.inspectArchive(state, file),
      }),
    unpack: (file, dataset, _map, fence) =>
      calls.run({
        op: 'images.unpack',
        subject: dataset,
        intent: fence.intent,
        signal: fence.signal,
        changes: true,
        begin: () => images.beginUnpack(state, file, dataset),
        apply: () => images.completeUnpack(state, file, dataset),
      }),
    receive: (file, dataset, fence) =>
      calls.run({
        op: 'images.receive',
        subject: dataset,
        intent: fence.intent,
        signal: fence.signal,
        changes: true,
        begin: () => images.beginReceive(state, file, dataset),
        apply: () => images.completeReceive(state, file, dataset),
      }),
    index: (url, signal) =>
      calls.run({
        op: 'images.index',
        subject: url,
        intent: null,
        signal,
        changes: false,
        apply: () => images.readIndex(state, url),
      }),
  }
}
