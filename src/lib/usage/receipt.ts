import { AbiCoder } from 'ethers/abi'
import { Signature, type SigningKey } from 'ethers/crypto'
import { TypedDataEncoder } from 'ethers/hash'
import { computeAddress, recoverAddress } from 'ethers/transaction'
import { FlockError } from '../errors.js'
import { type Address, type Hex, hexLength, isHex, parseAddress, sameAddress } from '../hex.js'

/** What a request used, signed by the model's receipt signer. Fields in the order of `Usage.sol`. */
export interface UsageReceipt {
  readonly requestId: Hex
  readonly modelId: Hex
  readonly requester: Address
  /** Infernet node that delivers; no other node can use the receipt. */
  readonly node: Address
  readonly interval: number
  /** EIP-712 struct hash of the task envelope that the node was given. */
  readonly inputHash: Hex
  /** keccak256 of the answer's bytes. */
  readonly outputHash: Hex
  readonly promptTokens: bigint
  readonly completionTokens: bigint
}

export interface ReceiptDomain {
  readonly chainId: number
  readonly usageMeter: Address
}

const RECEIPT_FIELDS = [
  { name: 'requestId', type: 'bytes32' },
  { name: 'modelId', type: 'bytes32' },
  { name: 'requester', type: 'address' },
  { name: 'node', type: 'address' },
  { name: 'interval', type: 'uint32' },
  { name: 'inputHash', type: 'bytes32' },
  { name: 'outputHash', type: 'bytes32' },
  { name: 'promptTokens', type: 'uint32' },
  { name: 'completionTokens', type: 'uint32' },
] as const

const RECEIPT_ABI_TYPES = RECEIPT_FIELDS.map(({ type }) => type)

/** `abi.encode(UsageReceipt)`: nine static words. */
export const RECEIPT_BYTES = 32 * RECEIPT_FIELDS.length

const SIGNATURE_BYTES = 65

/** What a receipt signer signs: the EIP-712 digest under the usage meter's domain. */
export function receiptDigest(receipt: UsageReceipt, domain: ReceiptDomain): Hex {
  const types = { UsageReceipt: [...RECEIPT_FIELDS] }
  return TypedDataEncoder.hash(domainOf(domain), types, receipt) as Hex
}

/** The 65-byte signature (r, s, v) over a receipt. The same receipt and key always give the same bytes. */
export function signReceipt(receipt: UsageReceipt, domain: ReceiptDomain, key: SigningKey): Hex {
  return key.sign(receiptDigest(receipt, domain)).serialized as Hex
}

/** The account that a signing key stands for. */
export function signerAddress(key: SigningKey): Address {
  return computeAddress(key.publicKey) as Address
}

/**
 * The account that signed a receipt.
 * @throws RECEIPT_INVALID when the bytes are no canonical 65-byte signature
 */
export function recoverReceiptSigner(receipt: UsageReceipt, domain: ReceiptDomain, signature: Hex): Address {
  if (!isHex(signature) || hexLength(signature) !== SIGNATURE_BYTES) {
    throw new FlockError('RECEIPT_INVALID', `A receipt's signature has to be ${SIGNATURE_BYTES} bytes.`)
  }
  try {
    const parsed = Signature.from(signature)
    const v = Number.parseInt(signature.slice(-2), 16)
    // The contracts refuse the second, malleated form of a signature and any v but 27 and 28.
    if (!parsed.isValid() || (v !== 27 && v !== 28)) throw new Error('not canonical')
    return recoverAddress(receiptDigest(receipt, domain), parsed) as Address
  } catch (error) {
    throw new FlockError('RECEIPT_INVALID', "A receipt's signature is malformed.", { cause: error })
  }
}

/**
 * Checks that `signer` signed the receipt. Contracts that sign by ERC-1271 can be asked on chain only.
 * @throws RECEIPT_INVALID
 */
export function verifyReceipt(
  receipt: UsageReceipt,
  proof: { readonly domain: ReceiptDomain; readonly signature: Hex; readonly signer: Address },
): void {
  const actual = recoverReceiptSigner(receipt, proof.domain, proof.signature)
  if (sameAddress(actual, proof.signer)) return
  throw new FlockError('RECEIPT_INVALID', `The receipt was signed by ${actual}, not by ${proof.signer}.`, {
    details: { requestId: receipt.requestId, expected: proof.signer, actual },
  })
}

/** `abi.encode(UsageReceipt)`, as the consumer decodes it. */
export function encodeReceipt(receipt: UsageReceipt): Hex {
  const values = RECEIPT_FIELDS.map(({ name }) => receipt[name])
  return AbiCoder.defaultAbiCoder().encode(RECEIPT_ABI_TYPES, values) as Hex
}

/**
 * `abi.encode(UsageReceipt, bytes signature)`: the proof for an Infernet verifier, which sees nothing but the proof.
 * @see contracts/src/FlockUsageVerifier.sol
 */
export function encodeReceiptProof(receipt: UsageReceipt, signature: Hex): Hex {
  const values = RECEIPT_FIELDS.map(({ name }) => receipt[name])
  return AbiCoder.defaultAbiCoder().encode([...RECEIPT_ABI_TYPES, 'bytes'], [...values, signature]) as Hex
}

/**
 * Reads a receipt from its ABI bytes, strictly: exact length, no dirty high bits.
 * @throws RECEIPT_INVALID
 */
export function decodeReceipt(bytes: Hex): UsageReceipt {
  const invalid = (cause?: unknown) =>
    new FlockError('RECEIPT_INVALID', `These bytes are not a usage receipt of ${RECEIPT_BYTES} bytes.`, {
      cause,
    })
  if (!isHex(bytes) || hexLength(bytes) !== RECEIPT_BYTES) throw invalid()
  const receipt = receiptOf(bytes, invalid)
  if (encodeReceipt(receipt) !== bytes.toLowerCase()) throw invalid()
  return receipt
}

function receiptOf(bytes: Hex, invalid: (cause: unknown) => FlockError): UsageReceipt {
  try {
    const words = AbiCoder.defaultAbiCoder().decode(RECEIPT_ABI_TYPES, bytes)
    return {
      requestId: words[0] as Hex,
      modelId: words[1] as Hex,
      requester: parseAddress(words[2], 'requester'),
      node: parseAddress(words[3], 'node'),
      interval: Number(words[4]),
      inputHash: words[5] as Hex,
      outputHash: words[6] as Hex,
      promptTokens: words[7] as bigint,
      completionTokens: words[8] as bigint,
    }
  } catch (error) {
    throw invalid(error)
  }
}

function domainOf({ chainId, usageMeter }: ReceiptDomain) {
  return { name: 'FLock UsageMeter', version: '1', chainId, verifyingContract: usageMeter }
}
