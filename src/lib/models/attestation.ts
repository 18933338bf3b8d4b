/** Attestations: contributor tables signed by an attester, and the files that carry them. */
import { Signature, type SigningKey } from 'ethers/crypto'
import { TypedDataEncoder } from 'ethers/hash'
import { computeAddress, recoverAddress } from 'ethers/transaction'
import { FlockError } from '../errors.js'
import { isBytes32, isHex, parseAddress, sameAddress, type Address, type Hex } from '../hex.js'
import {
  orderContributors,
  type Contributor,
  type ContributorTable,
  type Contributors,
} from './contributors.js'

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
    throw attestationInvalid(`is for chain ${domain.chainId}, not ${expected.domain.chainId}`)
  }
  if (!sameAddress(domain.rewardDistributor, expected.domain.rewardDistributor)) {
    throw attestationInvalid(
      `is for the distributor ${domain.rewardDistributor}, not ${expected.domain.rewardDistributor}`,
    )
  }
  if (table.modelId !== expected.modelId)
    throw attestationInvalid(`is for model ${table.modelId}, not ${expected.modelId}`)
  if (table.expiry <= expected.nowSec) {
    throw attestationInvalid(`expired at ${new Date(table.expiry * 1000).toISOString()}`)
  }
  const signer = recoverSigner(attestation)
  if (signer === null || !sameAddress(signer, attestation.attester)) {
    throw attestationInvalid(`is not signed by its attester ${attestation.attester}`)
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
  if (root['schemaVersion'] !== 1) throw attestationInvalid('has no schemaVersion 1')
  const domain = objectOf(root['domain'], 'domain')
  const table = objectOf(root['table'], 'table')
  const { signature } = root
  const { modelId, nonce, expiry } = table
  if (!isHex(signature)) throw attestationInvalid('has no signature in hexadecimal')
  if (!isBytes32(modelId)) throw attestationInvalid('has no modelId of 32 bytes')
  if (typeof nonce !== 'string' || !/^\d+$/.test(nonce)) throw attestationInvalid('has no decimal nonce')
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

/** Signs a project's contributors for a model. @throws ATTESTATION_INVALID when they are not valid */
export function attestContributors(
  key: SigningKey,
  contributors: Contributors,
  table: { readonly domain: AttestationDomain } & Pick<ContributorTable, 'modelId' | 'nonce' | 'expiry'>,
): Attestation {
  const { domain, modelId, nonce, expiry } = table
  return signAttestation({ modelId, ...orderContributors(contributors), nonce, expiry }, domain, key)
}

function recoverSigner({ table, domain, signature }: Attestation): Address | null {
  try {
    return recoverAddress(tableDigest(table, domain), Signature.from(signature)) as Address
  } catch {
    return null
  }
}

function membersOf(value: unknown, role: string): Contributor[] {
  if (!Array.isArray(value)) throw attestationInvalid(`has no list table.${role}`)
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
  throw attestationInvalid(`holds no object where ${what} should be`)
}

function wholeNumber(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw attestationInvalid(`has no whole number ${what}`)
}

/** The error of every fault of an attestation; `fault` goes on after "The contributor attestation". */
export function attestationInvalid(fault: string): FlockError {
  return new FlockError('ATTESTATION_INVALID', `The contributor attestation ${fault}.`, {
    hint: 'Make a new one with: flock models attest <model>',
  })
}
