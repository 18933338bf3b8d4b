/** Reads what an account earned and can claim, from the contracts' views at one block. */
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { readContract } from '../chain/contracts.js'
import type { Address, Hex } from '../hex.js'
import type { RewardsPlace } from './place.js'
import { addAmounts, afterClaimFee, type ClaimAmounts } from './split.js'
import { findOperators, readDelegation, readOperatorStake, type OperatorStakeStatus } from './stake.js'

/** Claim fee rates by role, in ppm. */
export interface ClaimFees {
  readonly hostPpm: bigint
  readonly operatorPpm: bigint
  readonly delegatorPpm: bigint
}

export interface HostedModelRewards {
  readonly modelId: Hex
  readonly claimable: ClaimAmounts
}

/** What an account earned as training node or validator. */
export interface OperatorRewards extends OperatorStakeStatus {
  /** How many contributor tables name the account. */
  readonly tables: number
  readonly claimable: ClaimAmounts
}

/** What an account earned by delegating to one operator. */
export interface DelegationRewards {
  readonly operator: Address
  readonly amount: bigint
  /** Of the operator; null when it takes no delegation. */
  readonly sigmaPpm: bigint | null
  readonly claimable: ClaimAmounts
}

/** All that an account can claim, in base units of the payment token; stake in base units of the stake token. */
export interface RewardsStatus {
  readonly account: Address
  readonly chainId: number
  readonly blockNumber: number
  readonly claimFees: ClaimFees
  readonly models: readonly HostedModelRewards[]
  /** Null when the account is in no table, has no stake and has nothing to claim as operator. */
  readonly operator: OperatorRewards | null
  readonly delegations: readonly DelegationRewards[]
  /** Unused escrow of requests; no claim fee is taken from it. */
  readonly balance: bigint
  /** Sum of all of the above. */
  readonly totals: ClaimAmounts
}

/**
 * Reads the rewards of an account.
 * @param modelIds models that the account hosts
 */
export async function readRewardsStatus(
  place: RewardsPlace,
  account: Address,
  modelIds: readonly Hex[],
): Promise<RewardsStatus> {
  const blockNumber = await place.chain.provider.getBlockNumber()
  const read = <T>(fn: string, ...args: unknown[]) =>
    readContract<T>(place.chain, rewardDistributorArtifact, place.rewardDistributor, fn, args, blockNumber)
  const [claimFees, balance, operators] = await Promise.all([
    read<ClaimFees>('claimFees'),
    read<bigint>('balanceOf', account),
    findOperators(place, account, blockNumber),
  ])
  const [models, delegations, stake, modelsOf, operatorGross] = await Promise.all([
    Promise.all(
      modelIds.map(async (modelId) => ({
        modelId,
        claimable: afterClaimFee(await read<bigint>('claimableHost', modelId), claimFees.hostPpm),
      })),
    ),
    Promise.all(
      operators.map(async (operator) => ({
        operator,
        amount: await readDelegation(place, account, operator, blockNumber),
        sigmaPpm: (await readOperatorStake(place, operator, blockNumber)).sigmaPpm,
        claimable: afterClaimFee(
          await read<bigint>('claimableDelegator', account, operator),
          claimFees.delegatorPpm,
        ),
      })),
    ),
    readOperatorStake(place, account, blockNumber),
    read<Hex[]>('modelsOf', account),
    read<bigint>('claimableOperator', account),
  ])
  const operator = {
    ...stake,
    tables: modelsOf.length,
    claimable: afterClaimFee(operatorGross, claimFees.operatorPpm),
  }
  return summarize({
    account,
    chainId: place.chain.chainId,
    blockNumber,
    claimFees,
    models,
    operator: isOperator(operator) ? operator : null,
    delegations: delegations.filter(({ amount, claimable }) => amount > 0n || claimable.gross > 0n),
    balance,
  })
}

function isOperator({ own, delegated, sigmaPpm, tables, claimable }: OperatorRewards): boolean {
  return own > 0n || delegated > 0n || sigmaPpm !== null || tables > 0 || claimable.gross > 0n
}

function summarize(status: Omit<RewardsStatus, 'totals'>): RewardsStatus {
  const parts = [
    ...status.models.map(({ claimable }) => claimable),
    ...(status.operator === null ? [] : [status.operator.claimable]),
    ...status.delegations.map(({ claimable }) => claimable),
    { gross: status.balance, fee: 0n, net: status.balance },
  ]
  return { ...status, totals: addAmounts(parts) }
}
