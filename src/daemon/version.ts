/** The version baked into a bundle; in development the one of package.json. */
import { readFileSync } from 'node:fs'

declare const __VERSION__: string | undefined
declare const __COMMIT__: string | undefined

export function version(): string {
  if (typeof __VERSION__ === 'string')
    return typeof __COMMIT__ === 'string' ? `${__VERSION__}+${__COMMIT__}` : __VERSION__
  const { version: own } = JSON.parse(readFileSync(`${import.meta.dirname}/../../package.json`, 'utf8')) as {
    version: string
  }
  return `${own}+development`
}
