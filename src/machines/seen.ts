/** What a machine is shown, and what it asks for. */
import type { Fact } from '../events/types/events.ts'
import type { IntentRequest } from '../events/types/intents.ts'

/** What the envelope adds to a fact: when it was, and for which operation. */
export type FactMeta = { readonly id: string; readonly t: number; readonly op: string | null }
export type Seen = Fact & { readonly meta: FactMeta }

/** An intent as a transition asks for it; its id is `<operation>.<n>`. */
export type Wanted = IntentRequest & { readonly intent: string }
