/** Plans how stake leaves the StakeVault: out of earning at once, paid out after the cooldown. */
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { stakeVaultArtifact } from '../abi/stake-vault.js'
import { planCall, type PlannedCall } from '../chain/calls.js'
import { erc20Artifact } from '../chain/erc20.js'
import { FlockError } from '../errors.js'
import type { Address } from '../hex.js'
import { FLOCK_DECIMALS, formatAmount } from '../units.js'
import type { RewardsPlace } from './place.js'
import { readDelegation, readOperatorStake, readStakeStatus } from './stake.js'

const text = (amount: bigint) => `${formatAmount(amount, FLOCK_DECIMALS)} FLOCK`

/**
 * Takes own stake, or a delegation, out of earning. A further call restarts the cooldown of what is waiting there.
 * @param operator null for own stake
 * @throws AMOUNT_INVALID for nothing, FUNDS_INSUFFICIENT when less is staked
 */
export async function planUnstake(
  place: RewardsPlace,
  account: Address,
  { operator, amount }: { readonly operator: Address | null; readonly amount: bigint },
): Promise<PlannedCall[]> {
  if (amount === 0n) throw new FlockError('AMOUNT_INVALID', 'The amount to take out has to be more than 0.')
  const staked =
    operator === null
      ? (await readOperatorStake(place, account)).own
      : await readDelegation(place, account, operator)
  if (staked < amount) throw stakeTooSmall(account, operator, { amount, staked })
  const extra = { alsoReverts: [rewardDistributorArtifact] }
  const call =
    operator === null
      ? planCall(
          `take out ${text(amount)} of own stake`,
          stakeVaultArtifact,
          place.stakeVault,
          'requestWithdrawal',
          [amount],
          extra,
        )
      : planCall(
          `take out ${text(amount)} from ${operator}`,
          stakeVaultArtifact,
          place.stakeVault,
          'undelegate',
          [operator, amount],
          extra,
        )
  return [call]
}

/** Pays out all that has waited long enough; no call when nothing has. */
export async function planPayout(place: RewardsPlace, account: Address): Promise<PlannedCall[]> {
  const [{ withdrawals }, block] = await Promise.all([
    readStakeStatus(place, account),
    place.chain.provider.getBlock('latest'),
  ])
  const nowSec = block?.timestamp ?? 0
  return withdrawals
    .filter(({ availableAt }) => availableAt <= nowSec)
    .map(({ operator, amount }) =>
      planCall(
        `pay out ${text(amount)}`,
        stakeVaultArtifact,
        place.stakeVault,
        'withdraw',
        [operator, account],
        {
          alsoReverts: [erc20Artifact],
        },
      ),
    )
}

function stakeTooSmall(
  account: Address,
  operator: Address | null,
  { amount, staked }: { readonly amount: bigint; readonly staked: bigint },
): FlockError {
  const where = operator === null ? 'of own stake' : `with ${operator}`
  return new FlockError(
    'FUNDS_INSUFFICIENT',
    `${account} has ${text(staked)} ${where}, ${text(amount)} were to be taken out.`,
    { details: { account, operator, amount, staked }, hint: 'flock stake status' },
  )
}
