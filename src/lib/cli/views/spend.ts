import type { CallEvent, CallsQuote } from '../../chain/calls.js'
import type { MinedTransaction } from '../../chain/wait.js'
import type { NetworkConfig } from '../../config/networks.js'
import { formatAmount } from '../../units.js'
import { pairLines } from './table.js'

/** Gas coins of the networks have 18 decimals. */
const NATIVE_DECIMALS = 18

/** What will be sent, from whom, where and for how much at most. */
export function spendPlanLines(
  network: Pick<NetworkConfig, 'name' | 'chainId'>,
  quote: CallsQuote,
): string[] {
  const native = (wei: bigint) => formatAmount(wei, NATIVE_DECIMALS)
  const calls = quote.calls.flatMap((call, index) => [
    `${index + 1}. ${call.label}`,
    `   ${call.contract}.${call.fn} at ${call.to}, ${call.isSimulated ? '' : 'up to '}${call.gasLimit} gas`,
  ])
  return [
    ...pairLines([
      ['Network', `${network.name} (chain ${network.chainId})`],
      ['From', quote.from],
    ]),
    ...calls,
    ...pairLines([
      ['Highest cost', `${native(quote.maxCostWei)} in native token`],
      ['Balance after', `${native(nonNegative(quote.balanceWei - quote.maxCostWei))} or more`],
    ]),
  ]
}

/** What the progress line says of a call. */
export function callEventText(event: CallEvent): string {
  const { label } = event.call
  if (event.type === 'callSent') return `${label}: sent as ${event.txHash}`
  return `${label}: mined in block ${event.transaction.blockNumber}, ${event.transaction.hash}`
}

/** What became of planned calls, as every command that sends reports it. */
export interface SpentJson {
  /** False when the wanted state was there already, and in a dry run. */
  readonly changed: boolean
  readonly dryRun: boolean
  /** Null when there was nothing to send. */
  readonly cost: CallsQuote | null
  readonly transactions: readonly TransactionJson[]
}

/** The part of an outcome that is reported. */
export function spentJson({ changed, dryRun, cost, transactions }: SpentJson): SpentJson {
  return { changed, dryRun, cost, transactions }
}

/** A mined transaction as it stands in results. */
export interface TransactionJson {
  readonly label: string
  readonly hash: string
  readonly blockNumber: number
  readonly gasUsed: bigint
  /** Wei of the native token that were paid for gas. */
  readonly gasCostWei: bigint
}

export function transactionJson(label: string, transaction: MinedTransaction): TransactionJson {
  const { hash, blockNumber, gasUsed, effectiveGasPrice } = transaction
  return { label, hash, blockNumber, gasUsed, gasCostWei: gasUsed * effectiveGasPrice }
}

function nonNegative(value: bigint): bigint {
  return value < 0n ? 0n : value
}
