/**
 * Reading old events with today's code. Events are never rewritten; an upcaster turns version n of a
 * type's data into version n+1, purely, when the event is read.
 */
import type { StoredEvent } from './envelope.ts'
import { type EventType, eventVersions, type Fact } from './events.ts'

type Upcaster = (data: unknown) => unknown

/** `upcasters[type][n]` turns version n into n+1. A release that changes a shape adds a row here. */
export const upcasters: Partial<Record<EventType, Record<number, Upcaster>>> = {}

export type FactReading = { ok: true; fact: Fact } | { ok: false; why: string }

/**
 * Turns a stored event into today's fact.
 *
 * @returns the fact, or why it cannot be read: unknown type, newer version, or a missing upcaster.
 *          The caller quarantines that stream (DESIGN D16); nothing is ever skipped.
 * @pure
 */
export function readFact(event: Pick<StoredEvent, 'type' | 'v' | 'data'>): FactReading {
  const current = eventVersions[event.type]
  if (current === undefined) return { ok: false, why: `unknown event type ${event.type}` }
  if (event.v > current) {
    return { ok: false, why: `${event.type} has version ${event.v}, this daemon reads up to ${current}` }
  }
  let data = event.data
  for (let v = event.v; v < current; v++) {
    const upcast = upcasters[event.type]?.[v]
    if (!upcast) return { ok: false, why: `${event.type} has version ${event.v}, no upcaster from ${v}` }
    data = upcast(data)
  }
  return { ok: true, fact: { type: event.type, ...(data as object) } as Fact }
}
