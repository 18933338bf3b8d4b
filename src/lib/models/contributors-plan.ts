import type { SigningKey } from 'ethers/crypto'
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { planCall, type PlannedCall } from '../chain/calls.js'
import type { Chain } from '../chain/provider.js'
import type { Address, Hex } from '../hex.js'
import { attestContributors, attestationInvalid, verifyAttestation, type Attestation } from './attestation.js'
import { readContributors, sameContributors, type Contributors } from './contributors.js'

/** Where contributors shall come from: a signed attestation, or an attester's key for those of the project. */
export interface ContributorsWish {
  readonly modelId: Hex
  /** True when the model is registered by a call in front of this one. */
  readonly isNew: boolean
  readonly contributors: Contributors
  readonly attestation: Attestation | null
  readonly attesterKey: SigningKey | null
  readonly nowSec: number
}

/** How long an attestation that is sent at once stays valid; a stuck transaction may need hours. */
const DEFAULT_EXPIRY_SEC = 24 * 3600

/** Gas of a table, and of each of its members, which may have to be taken out of the table before. */
const TABLE_GAS = 250_000n
const MEMBER_GAS = 120_000n

/**
 * Plans what brings contributors in force: nothing when they are, or when there is neither an attestation nor a key.
 * @throws ATTESTATION_INVALID when the attestation is not for this model and place, or older than the table in force
 */
export async function planContributors(
  place: { readonly chain: Chain; readonly rewardDistributor: Address },
  wish: ContributorsWish,
): Promise<PlannedCall[]> {
  const { chain, rewardDistributor } = place
  const { modelId, contributors, nowSec } = wish
  const domain = { chainId: chain.chainId, rewardDistributor }
  const inForce = await readContributors(chain, rewardDistributor, modelId)
  if (wish.attestation !== null) {
    const { table } = wish.attestation
    // One that did its work may have expired since.
    if (table.modelId === modelId && sameContributors(inForce, table)) return []
    verifyAttestation(wish.attestation, { domain, modelId, nowSec })
    requireNewer(wish.attestation, inForce.nonce)
    return [planSetContributors(wish.attestation, wish.isNew)]
  }
  const isEmpty = contributors.training.length + contributors.validators.length === 0
  if (wish.attesterKey === null || isEmpty || sameContributors(inForce, contributors)) return []
  const attestation = attestContributors(wish.attesterKey, contributors, {
    domain,
    modelId,
    nonce: inForce.nonce + 1n,
    expiry: nowSec + DEFAULT_EXPIRY_SEC,
  })
  return [planSetContributors(attestation, wish.isNew)]
}

function requireNewer({ table }: Attestation, nonce: bigint): void {
  if (table.nonce > nonce) return
  throw attestationInvalid(`has nonce ${table.nonce}, the table in force has ${nonce}`)
}

function planSetContributors(attestation: Attestation, dependsOnOthers: boolean): PlannedCall {
  const { domain, table, attester, signature } = attestation
  const count = table.training.length + table.validators.length
  const label = `put ${count} contributor${count === 1 ? '' : 's'} in force`
  const gasBudget = TABLE_GAS + MEMBER_GAS * BigInt(count)
  return planCall(
    label,
    rewardDistributorArtifact,
    domain.rewardDistributor,
    'setContributors',
    [table, attester, signature],
    dependsOnOthers ? { gasBudget } : {},
  )
}
