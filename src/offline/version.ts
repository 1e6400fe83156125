/** The version baked into the bundle. */
declare const __VERSION__: string | undefined
declare const __COMMIT__: string | undefined

export function version(): string {
  if (typeof __VERSION__ !== 'string') return 'development'
  return typeof __COMMIT__ === 'string' ? `${__VERSION__}+${__COMMIT__}` : __VERSION__
}
