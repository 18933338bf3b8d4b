import type { StakeStatus } from '../../rewards/stake.js'
import { formatPpm } from '../../units.js'
import { spentJson, type SpentJson } from './spend.js'
import { pairLines, tableLines } from './table.js'
import { flockText, isoTime } from './text.js'

/** What became of an account's stake that was to be changed. */
export interface StakedJson extends SpentJson {
  readonly stake: StakeStatus
}

export function stakedJson(stake: StakeStatus, spent: SpentJson): StakedJson {
  return { stake, ...spentJson(spent) }
}

export function stakeStatusLines(status: StakeStatus, width: number | null): string[] {
  const { pendingSigma } = status
  const pairs: (readonly [string, string])[] = [
    ['Account', status.account],
    ['Own stake', flockText(status.own)],
    ['Delegated to it', flockText(status.delegated)],
    ['Sigma', sigmaText(status.sigmaPpm)],
  ]
  if (pendingSigma !== null) {
    pairs.push([
      'Announced sigma',
      `${sigmaText(pendingSigma.sigmaPpm)}, from ${isoTime(pendingSigma.availableAt)}`,
    ])
  }
  pairs.push(['In the account', flockText(status.balance)])
  const delegations = tableLines(
    status.delegations,
    [
      { header: 'Delegated to', value: ({ operator }) => operator, minWidth: 13 },
      { header: 'Amount', value: ({ amount }) => flockText(amount), align: 'right' },
    ],
    width,
  )
  const withdrawals = tableLines(
    status.withdrawals,
    [
      { header: 'Leaving', value: ({ operator }) => operator, minWidth: 13 },
      { header: 'Amount', value: ({ amount }) => flockText(amount), align: 'right' },
      { header: 'Available', value: ({ availableAt }) => isoTime(availableAt) },
    ],
    width,
  )
  return [...pairLines(pairs), ...apart(delegations), ...apart(withdrawals)]
}

/** Sigma and what it leaves to delegators: FLock's pages show the second, its contracts the first. */
export function sigmaText(sigmaPpm: bigint | null): string {
  if (sigmaPpm === null) return 'not set: takes no delegation'
  return `${formatPpm(sigmaPpm)} kept, ${formatPpm(1_000_000n - sigmaPpm)} shared with delegators`
}

function apart(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', ...lines]
}
