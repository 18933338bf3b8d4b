import { FLOCK_DECIMALS, formatAmount } from '../../units.js'

/** Control characters, and those that turn the direction of writing. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

export function flockText(amount: bigint): string {
  return `${formatAmount(amount, FLOCK_DECIMALS)} FLOCK`
}

/** An instant in UTC, whole seconds. */
export function isoTime(unixSec: number): string {
  return new Date(unixSec * 1000).toISOString().replace('.000Z', 'Z')
}

/** Text of strangers without what could move a terminal's cursor or change what it shows; lines and tabs stay. */
export function printableText(text: string): string {
  return text.replace(UNPRINTABLE, '')
}

/** The same on one line. */
export function printableLine(text: string): string {
  return printableText(text).replace(/[\n\t]/g, ' ')
}
