import type { ClaimItem, ClaimPlan, ClaimedItem } from '../../rewards/claim.js'
import type { ClaimAmounts } from '../../rewards/split.js'
import type { RewardsStatus } from '../../rewards/status.js'
import { FLOCK_DECIMALS, formatAmount, formatPpm } from '../../units.js'
import { spentJson, type SpentJson } from './spend.js'
import { sigmaText } from './stake.js'
import { pairLines, tableLines, type Column } from './table.js'
import { flockText } from './text.js'

/** What came of claiming. */
export interface ClaimJson extends SpentJson {
  readonly account: string
  /** What could be claimed when the command looked. */
  readonly claimable: readonly ClaimItem[]
  /** What was paid, as the contract says. */
  readonly claimed: readonly ClaimedItem[]
  /** Sum of what was paid; in a dry run, of what could be. */
  readonly totals: ClaimAmounts
}

export function claimJson(
  claim: Pick<ClaimJson, 'account' | 'claimable' | 'claimed' | 'totals'>,
  spent: SpentJson,
): ClaimJson {
  return { ...claim, ...spentJson(spent) }
}

interface RewardRow extends ClaimAmounts {
  readonly role: string
  readonly source: string
  readonly terms: string
}

/** What an account can claim, one line per source, with a sum. */
export function rewardsStatusLines(status: RewardsStatus, width: number | null): string[] {
  const rows = rewardRows(status)
  const head = pairLines([
    ['Account', status.account],
    ['Block', `${status.blockNumber} of chain ${status.chainId}`],
  ])
  if (rows.length === 0)
    return [...head, 'Nothing earned: no model, no contribution, no delegation, no refund.']
  const { operator, totals } = status
  const stake =
    operator === null
      ? []
      : [
          ...pairLines([
            ['Own stake', flockText(operator.own)],
            ['Delegated to it', flockText(operator.delegated)],
            ['Sigma', sigmaText(operator.sigmaPpm)],
            ['Contributor tables', String(operator.tables)],
          ]),
          '',
        ]
  const total: RewardRow = { role: 'total', source: '', terms: '', ...totals }
  return [...head, '', ...stake, ...tableLines([...rows, total], REWARD_COLUMNS, width)]
}

/** What is about to be claimed, one line per source. */
export function claimLines(
  items: readonly ClaimItem[],
  totals: ClaimPlan['totals'],
  width: number | null,
): string[] {
  const rows: RewardRow[] = items.map(({ role, source, amounts }) => ({
    role: ROLE_NAMES[role],
    source: source ?? '',
    terms: '',
    ...amounts,
  }))
  const total: RewardRow = { role: 'total', source: '', terms: '', ...totals }
  return tableLines(
    [...rows, total],
    REWARD_COLUMNS.filter(({ header }) => header !== 'Terms'),
    width,
  )
}

const ROLE_NAMES: Readonly<Record<ClaimItem['role'], string>> = {
  host: 'model host',
  operator: 'training node / validator',
  delegator: 'delegator',
  balance: 'unused escrow',
}

const number = (amount: bigint) => formatAmount(amount, FLOCK_DECIMALS)

const REWARD_COLUMNS: readonly Column<RewardRow>[] = [
  { header: 'Role', value: ({ role }) => role },
  { header: 'Source', value: ({ source }) => source, minWidth: 11 },
  { header: 'Terms', value: ({ terms }) => terms },
  { header: 'Earned', value: ({ gross }) => number(gross), align: 'right' },
  { header: 'Claim fee', value: ({ fee }) => number(fee), align: 'right' },
  { header: 'Claimable', value: ({ net }) => number(net), align: 'right' },
]

function rewardRows(status: RewardsStatus): RewardRow[] {
  const { claimFees, models, operator, delegations, balance } = status
  const fee = (ppm: bigint) => `claim fee ${formatPpm(ppm)}`
  return [
    ...models.map(({ modelId, claimable }) => ({
      role: ROLE_NAMES.host,
      source: modelId,
      terms: fee(claimFees.hostPpm),
      ...claimable,
    })),
    ...(operator === null
      ? []
      : [
          { role: ROLE_NAMES.operator, source: '', terms: fee(claimFees.operatorPpm), ...operator.claimable },
        ]),
    ...delegations.map((delegation) => ({
      role: ROLE_NAMES.delegator,
      source: delegation.operator,
      terms: `${flockText(delegation.amount)} staked, ${fee(claimFees.delegatorPpm)}`,
      ...delegation.claimable,
    })),
    ...(balance === 0n
      ? []
      : [
          {
            role: ROLE_NAMES.balance,
            source: '',
            terms: 'no claim fee',
            gross: balance,
            fee: 0n,
            net: balance,
          },
        ]),
  ]
}
