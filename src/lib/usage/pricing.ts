import { TOKENS_PER_PRICE_UNIT, mulDivUp } from '../units.js'

/** What a request used, in the model's own tokens. */
export interface Usage {
  readonly promptTokens: bigint
  readonly completionTokens: bigint
}

/** What one answer may be charged for at most. */
export interface UsageBounds {
  readonly maxPromptTokens: bigint
  readonly maxCompletionTokens: bigint
  /** Length of the request's payload. */
  readonly payloadBytes: bigint
  /** Length of the answer. */
  readonly outputBytes: bigint
}

/** Prices in base units of the payment token: per answer, and per million tokens. */
export interface Price {
  readonly requestPrice: bigint
  readonly promptPrice: bigint
  readonly completionPrice: bigint
}

/** Prompt tokens that a chat template may add to the payload's own: most known templates add 10 to 60. */
export const PROMPT_OVERHEAD_TOKENS = 128n

/**
 * The part of a host's count that may be charged. No text has more tokens than UTF-8 bytes, so a count beyond that
 * is cut, as is one beyond the request's caps.
 * @see UsageMeter.sol, which refuses receipts above the same bounds
 */
export function boundUsage(reported: Usage, bounds: UsageBounds): Usage {
  return {
    promptTokens: least(
      reported.promptTokens,
      bounds.maxPromptTokens,
      bounds.payloadBytes + PROMPT_OVERHEAD_TOKENS,
    ),
    completionTokens: least(reported.completionTokens, bounds.maxCompletionTokens, bounds.outputBytes),
  }
}

/** The fee of one answer in base units: the token part is rounded up, in favour of those who serve. */
export function feeOf(usage: Usage, price: Price): bigint {
  const cost = usage.promptTokens * price.promptPrice + usage.completionTokens * price.completionPrice
  return price.requestPrice + mulDivUp(cost, 1n, TOKENS_PER_PRICE_UNIT)
}

/** The highest fee of one answer: what a request puts in escrow per interval and node. */
export function maxFeeOf(
  price: Price,
  caps: Pick<UsageBounds, 'maxPromptTokens' | 'maxCompletionTokens'>,
): bigint {
  return feeOf({ promptTokens: caps.maxPromptTokens, completionTokens: caps.maxCompletionTokens }, price)
}

function least(first: bigint, ...others: readonly bigint[]): bigint {
  return others.reduce((smallest, value) => (value < smallest ? value : smallest), first)
}
