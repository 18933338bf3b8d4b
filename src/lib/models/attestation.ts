/** Attestations: contributor tables signed by an attester, and the files that carry them. */
import { Signature, type SigningKey } from 'ethers/crypto'
import { TypedDataEncoder } from 'ethers/hash'
import { computeAddress, recoverAddress } from 'ethers/transaction'
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { planCall, type PlannedCall } from '../chain/calls.js'
import { FlockError } from '../errors.js'
import { isBytes32, isHex, parseAddress, sameAddress, type Address, type Hex } from '../hex.js'
import { orderContributors, type Contributor, type ContributorTable } from './contributors.js'

export interface AttestationDomain {
  readonly chainId: number
  readonly rewardDistributor: Address
}

/** A signed table, as it is passed on in a file. */
export interface Attestation {
  readonly domain: AttestationDomain
  readonly attester: Address
  readonly table: ContributorTable
  readonly signature: Hex
}

const ATTESTATION_TYPES = {
  Contributor: [
    { name: 'account', type: 'address' },
    { name: 'weight', type: 'uint32' },
  ],
  ContributorTable: [
    { name: 'modelId', type: 'bytes32' },
    { name: 'training', type: 'Contributor[]' },
    { name: 'validators', type: 'Contributor[]' },
    { name: 'nonce', type: 'uint64' },
    { name: 'expiry', type: 'uint40' },
  ],
}

/** The EIP-712 digest of a table under the distributor's domain. */
export function tableDigest(table: ContributorTable, domain: AttestationDomain): Hex {
  const { chainId, rewardDistributor } = domain
  return TypedDataEncoder.hash(
    { name: 'FLock RewardDistributor', version: '1', chainId, verifyingContract: rewardDistributor },
    ATTESTATION_TYPES,
    table,
  ) as Hex
}

/** Signs a table whose roles are in order. */
export function signAttestation(
  table: ContributorTable,
  domain: AttestationDomain,
  key: SigningKey,
): Attestation {
  const signature = key.sign(tableDigest(table, domain)).serialized as Hex
  return { domain, attester: computeAddress(key.publicKey) as Address, table, signature }
}

/**
 * Checks that an attestation is meant for this model and place, has not expired and carries its attester's signature.
 * Whether the attester is allowed is the contract's to say.
 * @throws ATTESTATION_INVALID
 */
export function verifyAttestation(
  attestation: Attestation,
  expected: { readonly domain: AttestationDomain; readonly modelId: Hex; readonly nowSec: number },
): void {
  const { domain, table } = attestation
  if (domain.chainId !== expected.domain.chainId) {
    throw invalid(`is for chain ${domain.chainId}, not ${expected.domain.chainId}`)
  }
  if (!sameAddress(domain.rewardDistributor, expected.domain.rewardDistributor)) {
    throw invalid(
      `is for the distributor ${domain.rewardDistributor}, not ${expected.domain.rewardDistributor}`,
    )
  }
  if (table.modelId !== expected.modelId)
    throw invalid(`is for model ${table.modelId}, not ${expected.modelId}`)
  if (table.expiry <= expected.nowSec) {
    throw invalid(`expired at ${new Date(table.expiry * 1000).toISOString()}`)
  }
  const signer = recoverSigner(attestation)
  if (signer === null || !sameAddress(signer, attestation.attester)) {
    throw invalid(`is not signed by its attester ${attestation.attester}`)
  }
}

/** JSON text of an attestation, for a file. */
export function renderAttestation({ domain, attester, table, signature }: Attestation): string {
  const plain = {
    schemaVersion: 1,
    domain,
    attester,
    table: { ...table, nonce: table.nonce.toString() },
    signature,
  }
  return `${JSON.stringify(plain, null, 2)}\n`
}

/**
 * Reads an attestation as `renderAttestation` writes it.
 * @throws ATTESTATION_INVALID, ADDRESS_INVALID
 */
export function parseAttestation(value: unknown): Attestation {
  const root = objectOf(value, 'the file')
  if (root['schemaVersion'] !== 1) throw invalid('has no schemaVersion 1')
  const domain = objectOf(root['domain'], 'domain')
  const table = objectOf(root['table'], 'table')
  const { signature } = root
  const { modelId, nonce, expiry } = table
  if (!isHex(signature)) throw invalid('has no signature in hexadecimal')
  if (!isBytes32(modelId)) throw invalid('has no modelId of 32 bytes')
  if (typeof nonce !== 'string' || !/^\d+$/.test(nonce)) throw invalid('has no decimal nonce')
  const contributors = orderContributors({
    training: membersOf(table['training'], 'training'),
    validators: membersOf(table['validators'], 'validators'),
  })
  return {
    domain: {
      chainId: wholeNumber(domain['chainId'], 'domain.chainId'),
      rewardDistributor: parseAddress(domain['rewardDistributor'], 'domain.rewardDistributor'),
    },
    attester: parseAddress(root['attester'], 'attester'),
    table: {
      modelId: modelId.toLowerCase() as Hex,
      ...contributors,
      nonce: BigInt(nonce),
      expiry: wholeNumber(expiry, 'table.expiry'),
    },
    signature,
  }
}

/** Puts an attested table in force. Anyone may send it. */
export function planSetContributors(attestation: Attestation): PlannedCall {
  const { domain, table, attester, signature } = attestation
  const count = table.training.length + table.validators.length
  const label = `put ${count} contributor${count === 1 ? '' : 's'} in force`
  return planCall(label, rewardDistributorArtifact, domain.rewardDistributor, 'setContributors', [
    table,
    attester,
    signature,
  ])
}

function recoverSigner({ table, domain, signature }: Attestation): Address | null {
  try {
    return recoverAddress(tableDigest(table, domain), Signature.from(signature)) as Address
  } catch {
    return null
  }
}

function membersOf(value: unknown, role: string): Contributor[] {
  if (!Array.isArray(value)) throw invalid(`has no list table.${role}`)
  return value.map((item: unknown, index) => {
    const member = objectOf(item, `${role}[${index}]`)
    return {
      account: parseAddress(member['account'], `${role}[${index}].account`),
      weight: typeof member['weight'] === 'number' ? member['weight'] : Number.NaN,
    }
  })
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw invalid(`holds no object where ${what} should be`)
}

function wholeNumber(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw invalid(`has no whole number ${what}`)
}

function invalid(fault: string): FlockError {
  return new FlockError('ATTESTATION_INVALID', `The contributor attestation ${fault}.`, {
    hint: 'Make a new one with: flock models attest <model>',
  })
}
