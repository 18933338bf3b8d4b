/** The contributor table of a model: who trained and validated it. Reads the one in force from the chain. */
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { readContract } from '../chain/contracts.js'
import type { Chain } from '../chain/provider.js'
import { FlockError } from '../errors.js'
import { ZERO_ADDRESS, sameAddress, type Address, type Hex } from '../hex.js'

/** Most contributors of one role: bounds the gas of putting a table in force. */
export const MAX_CONTRIBUTORS = 64

/** Most that the weights of one role may sum up to: the contracts keep 24 bits. */
export const MAX_WEIGHT_SUM = 2 ** 24 - 1

export interface Contributor {
  readonly account: Address
  readonly weight: number
}

export interface Contributors {
  readonly training: readonly Contributor[]
  readonly validators: readonly Contributor[]
}

/** What an attester signs. Both roles stand in rising address order; `expiry` is in unix seconds. */
export interface ContributorTable extends Contributors {
  readonly modelId: Hex
  readonly nonce: bigint
  readonly expiry: number
}

/** The table in force; `tableId` and `nonce` are 0n when there never was one. */
export interface TableInForce extends Contributors {
  readonly tableId: bigint
  readonly nonce: bigint
}

/**
 * Puts contributors into the order that the contract asks for.
 * @throws ATTESTATION_INVALID with all faults: too many, twice the same, weights that are no positive number or sum up to 2^24 or more
 */
export function orderContributors(contributors: Contributors): Contributors {
  const faults = [
    ...roleFaults('training', contributors.training),
    ...roleFaults('validators', contributors.validators),
  ]
  if (faults.length > 0) {
    throw new FlockError('ATTESTATION_INVALID', `The contributors are not valid:\n  ${faults.join('\n  ')}`, {
      details: { faults },
      hint: 'Mend the contributors of the model in flock.yaml.',
    })
  }
  const order = (members: readonly Contributor[]) =>
    [...members].sort((a, b) => (a.account.toLowerCase() < b.account.toLowerCase() ? -1 : 1))
  return { training: order(contributors.training), validators: order(contributors.validators) }
}

export function sameContributors(a: Contributors, b: Contributors): boolean {
  const key = ({ account, weight }: Contributor) => `${account.toLowerCase()}:${weight}`
  const role = (members: readonly Contributor[]) => members.map(key).sort().join()
  return role(a.training) === role(b.training) && role(a.validators) === role(b.validators)
}

/** The table in force for a model. */
export async function readContributors(
  chain: Chain,
  rewardDistributor: Address,
  modelId: Hex,
): Promise<TableInForce> {
  const [tableId, nonce, training, validators] = await readContract<
    [bigint, bigint, RawMember[], RawMember[]]
  >(chain, rewardDistributorArtifact, rewardDistributor, 'contributorsOf', [modelId])
  const members = (list: RawMember[]) =>
    list.map(({ account, weight }) => ({ account, weight: Number(weight) }))
  return { tableId, nonce, training: members(training), validators: members(validators) }
}

interface RawMember {
  readonly account: Address
  readonly weight: bigint
}

function roleFaults(role: string, members: readonly Contributor[]): string[] {
  const faults: string[] = []
  if (members.length > MAX_CONTRIBUTORS) {
    faults.push(`${role}: found ${members.length} entries, at most ${MAX_CONTRIBUTORS} are allowed`)
  }
  for (const [index, { account, weight }] of members.entries()) {
    if (sameAddress(account, ZERO_ADDRESS)) faults.push(`${role}[${index}]: found the zero address`)
    if (members.findIndex((other) => sameAddress(other.account, account)) !== index) {
      faults.push(`${role}[${index}]: found ${account} twice, each account stands once in a role`)
    }
    if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT_SUM) {
      faults.push(`${role}[${index}]: found weight ${weight}, 1 to ${MAX_WEIGHT_SUM} is allowed`)
    }
  }
  const sum = members.reduce((total, { weight }) => total + weight, 0)
  if (faults.length === 0 && sum > MAX_WEIGHT_SUM) {
    faults.push(`${role}: found weights that sum up to ${sum}, at most ${MAX_WEIGHT_SUM} is allowed`)
  }
  return faults
}
