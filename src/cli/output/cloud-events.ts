/**
 * Events as CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec), for whatever collects events.
 *
 * `source` and `id` name an event for ever; `sequence` orders those of one source. Attributes that the
 * specification does not have are extensions: lower-case letters and digits alone, by its rule.
 */
import type { EventRow } from '../../rpc/results.ts'

export type CloudEvent = { readonly specversion: '1.0' } & Readonly<Record<string, unknown>>

export function cloudEvent(row: EventRow): CloudEvent {
  const { id, pool, type, time, stream, v, seq, ver, op, by, target, boot, data } = row
  return {
    specversion: '1.0',
    id,
    source: `osctl:pool:${pool}`,
    type: `org.vpsadminos.osctl.${type}`,
    time: new Date(time).toISOString(),
    subject: stream,
    datacontenttype: 'application/json',
    dataschema: `osctl:event:${type}:${v}`,
    sequence: String(seq),
    sequencetype: 'Integer',
    pool,
    streamversion: ver,
    ...(op === null ? {} : { correlationid: op }),
    ...(by === null ? {} : { causationid: by }),
    ...(target === null ? {} : { ctid: target }),
    ...(boot === null ? {} : { bootid: boot }),
    data,
  }
}
