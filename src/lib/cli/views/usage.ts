import type { UsageRecord } from '../../rewards/usage-log.js'
import { FLOCK_DECIMALS, formatAmount } from '../../units.js'
import { tableLines } from './table.js'

/** One line per answer that was paid, newest first. */
export function usageTableLines(records: readonly UsageRecord[], width: number | null): string[] {
  const amount = (value: bigint) => formatAmount(value, FLOCK_DECIMALS)
  return tableLines(
    records,
    [
      { header: 'Block', value: ({ blockNumber }) => String(blockNumber), align: 'right' },
      { header: 'Request', value: ({ requestId }) => requestId, minWidth: 11 },
      { header: 'Model', value: ({ modelId }) => modelId, minWidth: 11 },
      { header: 'Node', value: ({ node }) => node, minWidth: 11 },
      { header: 'Interval', value: ({ interval }) => String(interval), align: 'right' },
      { header: 'Prompt', value: ({ promptTokens }) => String(promptTokens), align: 'right' },
      { header: 'Completion', value: ({ completionTokens }) => String(completionTokens), align: 'right' },
      { header: 'Fee', value: ({ fee }) => amount(fee), align: 'right' },
      { header: 'Host', value: ({ hostPart }) => amount(hostPart), align: 'right' },
      { header: 'Training', value: ({ trainingPart }) => amount(trainingPart), align: 'right' },
      { header: 'Validators', value: ({ validatorPart }) => amount(validatorPart), align: 'right' },
      { header: 'Transaction', value: ({ txHash }) => txHash, minWidth: 11 },
    ],
    width,
  )
}
