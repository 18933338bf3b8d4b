import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { planCall, type PlannedCall } from '../chain/calls.js'
import { parseLogs } from '../chain/contracts.js'
import { erc20Artifact } from '../chain/erc20.js'
import type { ChainLog } from '../chain/logs.js'
import { ZERO_ADDRESS, type Address, type Hex } from '../hex.js'
import { addAmounts, type ClaimAmounts } from './split.js'
import type { RewardsStatus } from './status.js'

export type ClaimRole = 'host' | 'operator' | 'delegator' | 'balance'

/** One thing to be claimed. `source` is the model of a host, the operator of a delegation, otherwise null. */
export interface ClaimItem {
  readonly role: ClaimRole
  readonly account: Address
  readonly source: Hex | null
  readonly amounts: ClaimAmounts
}

export interface ClaimPlan {
  readonly items: readonly ClaimItem[]
  readonly calls: readonly PlannedCall[]
  readonly totals: ClaimAmounts
}

/** One thing that was claimed, as the contract says. */
export interface ClaimedItem extends ClaimItem {
  readonly to: Address
  readonly txHash: Hex
}

/** Models in one claim: about 40,000 gas each. */
const MODELS_PER_CALL = 50
/** Delegations in one claim: each may settle an operator in 128 tables, about 10,000 gas each. */
const DELEGATIONS_PER_CALL = 10

/**
 * Plans the claims of all that an account can claim now; nothing claimable, no call.
 * @param to where the tokens go; null pays the account itself, and then anybody may send the calls
 */
export function planClaims(rewardDistributor: Address, status: RewardsStatus, to: Address | null): ClaimPlan {
  const { account } = status
  const models = status.models.filter(({ claimable }) => claimable.gross > 0n)
  const delegations = status.delegations.filter(({ claimable }) => claimable.gross > 0n)
  const operator = status.operator?.claimable ?? { gross: 0n, fee: 0n, net: 0n }
  const receiver = to ?? ZERO_ADDRESS
  const call = (label: string, fn: string, ...args: unknown[]) =>
    planCall(label, rewardDistributorArtifact, rewardDistributor, fn, [...args, receiver], {
      alsoReverts: [erc20Artifact],
    })

  const items: ClaimItem[] = [
    ...models.map(({ modelId, claimable }) => item('host', account, modelId, claimable)),
    ...(operator.gross > 0n ? [item('operator', account, null, operator)] : []),
    ...delegations.map((delegation) => item('delegator', account, delegation.operator, delegation.claimable)),
    ...(status.balance > 0n
      ? [item('balance', account, null, { gross: status.balance, fee: 0n, net: status.balance })]
      : []),
  ]
  const calls = [
    ...chunks(models, MODELS_PER_CALL).map((chunk) =>
      call(
        `claim as host of ${count(chunk.length, 'model')}`,
        'claimHost',
        chunk.map(({ modelId }) => modelId),
      ),
    ),
    ...(operator.gross > 0n ? [call('claim as operator', 'claimOperator', [account])] : []),
    ...chunks(delegations, DELEGATIONS_PER_CALL).map((chunk) =>
      call(
        `claim as delegator of ${count(chunk.length, 'operator')}`,
        'claimDelegator',
        account,
        chunk.map(({ operator: to_ }) => to_),
      ),
    ),
    ...(status.balance > 0n ? [call('withdraw unused escrow', 'withdrawBalance', account)] : []),
  ]
  return { items, calls, totals: addAmounts(items.map(({ amounts }) => amounts)) }
}

/** What claims paid, from the logs of their transactions. */
export function claimedFromLogs(rewardDistributor: Address, logs: readonly ChainLog[]): ClaimedItem[] {
  const own = logs.filter((log) => log.address === rewardDistributor)
  return parseLogs(rewardDistributorArtifact, own).flatMap(({ name, args, log }) => {
    const event = args as unknown as ClaimEventArgs
    const claimed = (role: ClaimRole, account: Address, source: Hex | null): ClaimedItem[] => {
      const { to, amount: net, claimFee: fee = 0n } = event
      return [
        { ...item(role, account, source, { gross: net + fee, fee, net }), to, txHash: log.transactionHash },
      ]
    }
    switch (name) {
      case 'HostClaimed':
        return claimed('host', event.host, event.modelId)
      case 'OperatorClaimed':
        return claimed('operator', event.operator, null)
      case 'DelegatorClaimed':
        return claimed('delegator', event.delegator, event.operator)
      case 'BalanceWithdrawn':
        return claimed('balance', event.account, null)
      default:
        return []
    }
  })
}

interface ClaimEventArgs {
  readonly modelId: Hex
  readonly host: Address
  readonly operator: Address
  readonly delegator: Address
  readonly account: Address
  readonly to: Address
  readonly amount: bigint
  /** Missing where no claim fee is taken. */
  readonly claimFee?: bigint
}

function item(role: ClaimRole, account: Address, source: Hex | null, amounts: ClaimAmounts): ClaimItem {
  return { role, account, source, amounts }
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  )
}

function count(size: number, noun: string): string {
  return `${size} ${noun}${size === 1 ? '' : 's'}`
}
