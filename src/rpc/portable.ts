/**
 * A log as a file: what `event export` and `incident` write and `osctl replay` reads.
 *
 * JSON, one object a line. A file has a section for each pool; a section is a header and what follows it:
 *
 *   {"hash":"…","event":…}   an event. What stands between `"event":` and the last brace is its exact body, byte for
 *                            byte; the hash is SHA-256 of the hash before it and the body, so every line proves the
 *                            one before it, and the first that does not fit is named
 *   {"previous":"…"}         a gap: the hash before the next event. In the export of one container, events of others
 *                            are left out
 *   {"at":"start","stream":…,"state":…}   an incident's states before its first event; `"at":"end"`: those
 *                            that the daemon had after the last, which the reader holds against its own
 *
 * The header is written first and names the end, so a file that was cut is told from one that is whole.
 */
export const EXPORT_FORMAT = 1
/** In front of and behind an event's exact body in its line. */
export const EVENT_PREFIX_LENGTH = '{"hash":"'.length + 64 + '","event":'.length
export const eventLine = (hash: string, body: string): string => `{"hash":"${hash}","event":${body}}`

export const WHOLE_PROOF =
  'Each event is chained to the one before by SHA-256, from the first to the head. The file shows that nothing in it was changed, left out or put in, if its head is one that you know from elsewhere (osctl event verify, an anchor, a witness). By itself it shows that it is whole, not that nobody wrote another.'
export const PART_PROOF =
  'Each event of one container, of the pool and of the log itself stands with its hash, and those that follow each other directly are chained. Events of other containers are left out, so the chain has gaps: what stands at both sides of one is not proved to belong to one log. That its stream is whole is shown by its numbers (ver), which have no gap. Whoever has the pool can compare each hash (osctl event export of all).'
