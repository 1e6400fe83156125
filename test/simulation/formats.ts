/** Tables of formats for those who rehearse an upgrade: what a release knew, and what the one after it knows. */
import { FORMATS, type Format, type Formats } from '../../src/events/types/formats.ts'

export const ONE: Formats = [FORMATS[0]]
/** An event that a log of format 1 cannot hold stands for all that a release may bring. */
const next: Format = {
  number: 2,
  since: '9.9.0',
  brings: 'repositories can be disabled',
  events: { RepositorySet: 1 },
}
export const TWO: Formats = [FORMATS[0], next]
