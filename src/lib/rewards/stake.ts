/** Reads stake from the StakeVault and plans what changes it. */
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { stakeVaultArtifact } from '../abi/stake-vault.js'
import { planCall, type PlannedCall } from '../chain/calls.js'
import { eventTopic, parseLogs, readContract, type BlockTag } from '../chain/contracts.js'
import { erc20Artifact, planApprove, readAllowance, readTokenBalance } from '../chain/erc20.js'
import { getLogsInRanges } from '../chain/logs.js'
import { FlockError } from '../errors.js'
import { ZERO_ADDRESS, addressWord, type Address } from '../hex.js'
import { FLOCK_DECIMALS, formatAmount, formatPpm } from '../units.js'
import { LOG_RANGE, type RewardsPlace } from './place.js'

/** An operator's stake; amounts in base units of the stake token. */
export interface OperatorStakeStatus {
  readonly own: bigint
  readonly delegated: bigint
  /** Part of the reward earned by delegated stake that the operator keeps; null until it was set once. */
  readonly sigmaPpm: bigint | null
}

export interface PendingSigma {
  readonly sigmaPpm: bigint
  /** Unix seconds from which it can be applied. */
  readonly availableAt: number
}

/** Stake on its way out; `operator` is the account itself for own stake. */
export interface PendingWithdrawal {
  readonly operator: Address
  readonly amount: bigint
  readonly availableAt: number
}

export interface StakeStatus extends OperatorStakeStatus {
  readonly account: Address
  readonly pendingSigma: PendingSigma | null
  readonly delegations: readonly { readonly operator: Address; readonly amount: bigint }[]
  readonly withdrawals: readonly PendingWithdrawal[]
  /** What the account holds of the stake token. */
  readonly balance: bigint
  readonly stakeToken: Address
}

/** Gas of a deposit or delegation that cannot be tried before its approval: settling an operator in many tables. */
const STAKE_GAS = 400_000n

export async function readOperatorStake(
  place: RewardsPlace,
  operator: Address,
  blockTag: BlockTag = 'latest',
): Promise<OperatorStakeStatus> {
  const { chain, stakeVault } = place
  const stake = await readContract<RawStake>(
    chain,
    stakeVaultArtifact,
    stakeVault,
    'stakeOf',
    [operator],
    blockTag,
  )
  return {
    own: stake.own,
    delegated: stake.delegated,
    sigmaPpm: stake.acceptsDelegation ? stake.sigmaPpm : null,
  }
}

export function readDelegation(
  place: RewardsPlace,
  delegator: Address,
  operator: Address,
  blockTag: BlockTag = 'latest',
): Promise<bigint> {
  const args = [delegator, operator]
  return readContract(place.chain, stakeVaultArtifact, place.stakeVault, 'delegationOf', args, blockTag)
}

/** Everybody that an account ever delegated to, in order of first delegation. */
export async function findOperators(
  place: RewardsPlace,
  delegator: Address,
  toBlock: number,
): Promise<Address[]> {
  const operators = new Set<Address>()
  const query = {
    address: place.stakeVault,
    topics: [eventTopic(stakeVaultArtifact, 'DelegationChanged'), addressWord(delegator)],
    fromBlock: place.fromBlock,
    toBlock,
    maxRange: LOG_RANGE,
  }
  for await (const logs of getLogsInRanges(place.chain, query)) {
    for (const event of parseLogs(stakeVaultArtifact, logs)) operators.add(event.args['operator'] as Address)
  }
  return [...operators]
}

export async function readStakeStatus(place: RewardsPlace, account: Address): Promise<StakeStatus> {
  const { chain, stakeVault } = place
  const read = <T>(fn: string, ...args: unknown[]) =>
    readContract<T>(chain, stakeVaultArtifact, stakeVault, fn, args)
  const [stake, [sigmaPpm, availableAt], stakeToken, operators] = await Promise.all([
    readOperatorStake(place, account),
    read<[bigint, bigint]>('pendingSigmaOf', account),
    read<Address>('STAKE_TOKEN'),
    chain.provider.getBlockNumber().then((toBlock) => findOperators(place, account, toBlock)),
  ])
  const delegations = await Promise.all(
    operators.map(async (operator) => ({ operator, amount: await readDelegation(place, account, operator) })),
  )
  const withdrawals = await Promise.all(
    [account, ...operators].map(async (operator) => {
      const raw = await read<{ amount: bigint; availableAt: bigint }>('withdrawalOf', account, operator)
      return { operator, amount: raw.amount, availableAt: Number(raw.availableAt) }
    }),
  )
  return {
    account,
    ...stake,
    pendingSigma: availableAt === 0n ? null : { sigmaPpm, availableAt: Number(availableAt) },
    delegations: delegations.filter(({ amount }) => amount > 0n),
    withdrawals: withdrawals.filter(({ amount }) => amount > 0n),
    balance: await readTokenBalance(chain, stakeToken, account),
    stakeToken,
  }
}

/**
 * Adds to an account's own stake, or to its delegation to an operator; an approval of the exact amount comes first when
 * the allowance is too small.
 * @param operator null for own stake
 * @throws AMOUNT_INVALID for nothing, FUNDS_INSUFFICIENT, STATE_CONFLICT when the operator takes no delegation
 */
export async function planStake(
  place: RewardsPlace,
  account: Address,
  stake: { readonly operator: Address | null; readonly amount: bigint },
): Promise<PlannedCall[]> {
  const { chain, stakeVault } = place
  const { operator, amount } = stake
  if (amount === 0n) throw new FlockError('AMOUNT_INVALID', 'The amount to stake has to be more than 0.')
  if (operator !== null) await requireAcceptsDelegation(place, account, operator)
  const stakeToken = await readContract<Address>(chain, stakeVaultArtifact, stakeVault, 'STAKE_TOKEN')
  const [balance, allowance] = await Promise.all([
    readTokenBalance(chain, stakeToken, account),
    readAllowance(chain, stakeToken, account, stakeVault),
  ])
  if (balance < amount) throw stakeMissing(account, amount, balance)
  const text = formatAmount(amount, FLOCK_DECIMALS)
  const needsApproval = allowance < amount
  const extra = {
    alsoReverts: [rewardDistributorArtifact, erc20Artifact],
    ...(needsApproval ? { gasBudget: STAKE_GAS } : {}),
  }
  const call =
    operator === null
      ? planCall(
          `deposit ${text} FLOCK of own stake`,
          stakeVaultArtifact,
          stakeVault,
          'deposit',
          [amount],
          extra,
        )
      : planCall(
          `delegate ${text} FLOCK to ${operator}`,
          stakeVaultArtifact,
          stakeVault,
          'delegate',
          [operator, amount],
          extra,
        )
  return needsApproval ? [planApprove(stakeToken, stakeVault, amount), call] : [call]
}

/**
 * Brings an operator's sigma to a value: set at once the first time, later announced and, after the cooldown, applied.
 * @returns no call when sigma has the value or its change is announced and not yet due
 */
export async function planSigma(
  place: RewardsPlace,
  operator: Address,
  sigmaPpm: bigint,
): Promise<PlannedCall[]> {
  const { chain, stakeVault } = place
  const [stake, [pendingPpm, availableAt], block] = await Promise.all([
    readOperatorStake(place, operator),
    readContract<[bigint, bigint]>(chain, stakeVaultArtifact, stakeVault, 'pendingSigmaOf', [operator]),
    chain.provider.getBlock('latest'),
  ])
  const isAnnounced = availableAt !== 0n && pendingPpm === sigmaPpm
  if (isAnnounced && BigInt(block?.timestamp ?? 0) < availableAt) return []
  if (isAnnounced) {
    return [planCall('apply the announced sigma', stakeVaultArtifact, stakeVault, 'applySigma', [operator])]
  }
  if (stake.sigmaPpm === sigmaPpm && availableAt === 0n) return []
  const label = `${stake.sigmaPpm === null ? 'set' : 'announce'} sigma ${formatPpm(sigmaPpm)}`
  return [planCall(label, stakeVaultArtifact, stakeVault, 'setSigma', [sigmaPpm])]
}

interface RawStake {
  readonly own: bigint
  readonly delegated: bigint
  readonly sigmaPpm: bigint
  readonly acceptsDelegation: boolean
}

async function requireAcceptsDelegation(
  place: RewardsPlace,
  account: Address,
  operator: Address,
): Promise<void> {
  if (operator === account || operator === ZERO_ADDRESS) {
    throw new FlockError(
      'USAGE_INVALID',
      'An account delegates to another account; own stake is deposited.',
      {
        details: { operator },
        hint: 'flock stake deposit <amount>',
      },
    )
  }
  const { sigmaPpm } = await readOperatorStake(place, operator)
  if (sigmaPpm !== null) return
  throw new FlockError(
    'STATE_CONFLICT',
    `The operator ${operator} takes no delegation: it never set sigma.`,
    {
      details: { operator },
      hint: 'The operator runs: flock stake set-sigma <percent>',
    },
  )
}

function stakeMissing(account: Address, needed: bigint, balance: bigint): FlockError {
  const amount = (value: bigint) => formatAmount(value, FLOCK_DECIMALS)
  return new FlockError(
    'FUNDS_INSUFFICIENT',
    `${account} holds ${amount(balance)} of the stake token and wants to stake ${amount(needed)}.`,
    { details: { account, needed, balance }, hint: `Stake at most ${amount(balance)}.` },
  )
}
