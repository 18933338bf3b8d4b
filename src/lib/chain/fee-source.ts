/** Fee quotes that all transactions of a block share. */
import { quoteFees, readPriorityFee, toFeeQuote, type FeeQuote } from './fees.js'
import type { Chain } from './provider.js'

export interface FeeHead {
  readonly number: number
  readonly baseFeePerGas?: bigint
}

export interface FeeSource {
  /** Takes the latest block; quotes made at another one are void. */
  see(head: FeeHead): void
  /** Asks the endpoint at most once a block, and only for the tip where the block told its base fee. */
  quote(): Promise<FeeQuote>
}

/** Blocks for which a suggested tip is good: it is a percentile of the last blocks and moves slowly. */
const TIP_LIFE_BLOCKS = 20

export function createFeeSource(chain: Chain): FeeSource {
  let head: FeeHead | null = null
  let last: { readonly block: number | null; readonly quote: Promise<FeeQuote> } | null = null
  let tip: { readonly block: number; readonly value: Promise<bigint> } | null = null

  function readTip(block: number): Promise<bigint> {
    if (tip === null || Math.abs(block - tip.block) >= TIP_LIFE_BLOCKS)
      tip = { block, value: readPriorityFee(chain) }
    return tip.value
  }

  async function read(at: FeeHead | null): Promise<FeeQuote> {
    if (at?.baseFeePerGas === undefined) return quoteFees(chain)
    return toFeeQuote(at.baseFeePerGas, await readTip(at.number))
  }

  return {
    see(next) {
      head = next
    },
    async quote() {
      const block = head?.number ?? null
      if (last === null || last.block !== block) last = { block, quote: read(head) }
      const asked = last
      try {
        return await asked.quote
      } catch (error) {
        // A failure is not kept: the next one asks again.
        if (last === asked) last = null
        tip = null
        throw error
      }
    },
  }
}
