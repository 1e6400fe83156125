import { HostError, type ImagePort, type ZfsPort } from '../host.ts'
import type { EffectRunner } from './exec.ts'
import type { Paths } from './paths.ts'

export type ImagesOptions = {
  readonly paths: Paths
  readonly run: EffectRunner
  readonly zfs: ZfsPort
  readonly helper: string
  readonly hooks: string
}

const later = (): never => {
  throw new HostError('E_FAILED', 'permanent', 'not there yet')
}

export function linuxImages(options: ImagesOptions): ImagePort {
  void options
  return { fetch: later, stat: later, inspect: later, unpack: later, receive: later, index: later }
}
