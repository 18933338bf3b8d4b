/** What transactions offer, first and when nobody mines them (EIP-1559). Pure. */
import type { FeeQuote } from './fees.js'

/** Per unit of gas, in wei. */
export interface Fees {
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** What an operator sets; null leaves it to the chain. */
export interface FeePolicy {
  /** No transaction offers more, in wei per gas, replacements included. */
  readonly maxFeePerGas: bigint | null
  /** The tip instead of the one that the endpoint suggests, in wei per gas. */
  readonly maxPriorityFeePerGas: bigint | null
}

export const OPEN_FEE_POLICY: FeePolicy = { maxFeePerGas: null, maxPriorityFeePerGas: null }

/**
 * Least raise of a replacement, in parts of eight: 12.5 %. Pools refuse less than 10 % (geth, reth, erigon, nethermind and
 * besu by default), the OpenEthereum line less than 12.5 %, in the fee as well as in the tip.
 */
const RAISE_EIGHTHS = 1n
/**
 * A replacement offers at most so many times of what is needed now: without an end, a transaction that is held up by
 * something else than its fee would bid against itself.
 */
const MAX_OVERBID = 10n

/** The fees of a first try; null when the policy does not even allow the base fee. */
export function chooseFees(quote: FeeQuote, policy: FeePolicy): Fees | null {
  const tip = policy.maxPriorityFeePerGas ?? quote.maxPriorityFeePerGas
  const wanted = quote.maxFeePerGas - quote.maxPriorityFeePerGas + tip
  const maxFeePerGas = min(wanted, policy.maxFeePerGas ?? wanted)
  if (maxFeePerGas < quote.baseFeePerGas) return null
  return { maxFeePerGas, maxPriorityFeePerGas: min(tip, maxFeePerGas) }
}

/** Fees that replace others; null when the policy or the bound on overbidding leaves no room for a raise that counts. */
export function raiseFees(before: Fees, quote: FeeQuote, policy: FeePolicy): Fees | null {
  const least = {
    maxFeePerGas: raise(before.maxFeePerGas),
    maxPriorityFeePerGas: raise(before.maxPriorityFeePerGas),
  }
  const bound = min(
    policy.maxFeePerGas ?? MAX_OVERBID * quote.maxFeePerGas,
    MAX_OVERBID * max(quote.maxFeePerGas, 1n),
  )
  if (least.maxFeePerGas > bound) return null
  const tip = policy.maxPriorityFeePerGas ?? quote.maxPriorityFeePerGas
  const maxFeePerGas = min(max(least.maxFeePerGas, quote.maxFeePerGas), bound)
  return {
    maxFeePerGas,
    maxPriorityFeePerGas: min(max(least.maxPriorityFeePerGas, tip), maxFeePerGas),
  }
}

/** What a unit of gas is likely to cost in the next block, in wei. */
export function expectedGasPrice(fees: Fees, quote: FeeQuote): bigint {
  return min(fees.maxFeePerGas, quote.baseFeePerGas + fees.maxPriorityFeePerGas)
}

/** Rounds up, so that the raise of a few wei counts as well. */
function raise(fee: bigint): bigint {
  return fee + (fee * RAISE_EIGHTHS + 7n) / 8n + (fee === 0n ? 1n : 0n)
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
