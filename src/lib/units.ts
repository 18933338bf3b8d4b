import { FlockError } from './errors.js'

/** Parts per million: 1,000,000 ppm is the whole. The base of every rate in FLock's contracts. */
export const PPM = 1_000_000n

/** Model prices are quoted per this many tokens. */
export const TOKENS_PER_PRICE_UNIT = 1_000_000n

/** Decimals of FLOCK, the token of fees and stake, and of the test token that stands for it on local chains. */
export const FLOCK_DECIMALS = 18

const DECIMAL = /^(\d+)(?:\.(\d+))?$/

/**
 * Reads a decimal amount such as `12.5` as base units, exactly.
 *
 * @param what named in the error, for instance `--max-cost`
 * @throws AMOUNT_INVALID for signs, exponents, thousands marks or more decimals than the token has
 */
export function parseAmount(text: string, decimals: number, what: string): bigint {
  const match = DECIMAL.exec(text.trim())
  const fraction = match?.[2] ?? ''
  if (!match || fraction.length > decimals) {
    throw new FlockError(
      'AMOUNT_INVALID',
      `${what}: "${text}" is not an amount with at most ${decimals} decimals.`,
      {
        details: { what, value: text, decimals },
        hint: 'Write digits with an optional point, for instance 12.5.',
      },
    )
  }
  return BigInt(match[1] + fraction.padEnd(decimals, '0'))
}

/** Writes base units as a decimal without trailing zeros: `formatAmount(1500000n, 6)` is `1.5`. */
export function formatAmount(amount: bigint, decimals: number): string {
  const sign = amount < 0n ? '-' : ''
  const digits = (amount < 0n ? -amount : amount).toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  return fraction === '' ? `${sign}${whole}` : `${sign}${whole}.${fraction}`
}

/** `a * b / divisor`, rounded towards zero. */
export function mulDivDown(a: bigint, b: bigint, divisor: bigint): bigint {
  return (a * b) / divisor
}

/** `a * b / divisor`, rounded up. Operands are not negative. */
export function mulDivUp(a: bigint, b: bigint, divisor: bigint): bigint {
  return (a * b + divisor - 1n) / divisor
}

/**
 * Reads a rate as whole ppm: a percentage such as `14.5%`, or the ppm themselves such as `145000`.
 * @param what named in the error
 * @throws AMOUNT_INVALID for anything else, `0.145` included, and for more than the whole
 */
export function parsePpm(text: string, what: string): bigint {
  const match = /^(?:(\d+(?:\.\d+)?)%|(\d+))$/.exec(text.trim())
  const ppm = match?.[1] === undefined ? BigInt(match?.[2] ?? PPM + 1n) : parseAmount(match[1], 4, what)
  if (match !== null && ppm <= PPM) return ppm
  throw new FlockError('AMOUNT_INVALID', `${what}: "${text}" is not a rate between 0% and 100%.`, {
    details: { what, value: text },
    hint: 'Write a percentage such as 40%, or whole parts per million such as 400000.',
  })
}

/** Writes ppm as a percentage without trailing zeros: 145000 is `14.5%`. */
export function formatPpm(ppm: bigint | number): string {
  return `${formatAmount(BigInt(ppm), 4)}%`
}
