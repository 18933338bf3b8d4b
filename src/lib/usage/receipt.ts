import { Signature } from 'ethers/crypto'
import { id } from 'ethers/hash'
import { recoverAddress } from 'ethers/transaction'
import { FlockError } from '../errors.js'
import { type Address, type Hex, hexLength, isHex, sameAddress } from '../hex.js'
import {
  encodeAddressWord,
  encodeBytes32Word,
  encodeBytesWords,
  keccakOfDigits,
  decodeAddressWord,
  decodeUintWord,
  encodeUintWord,
  wordAt,
} from '../words.js'
import type { ReceiptKey } from './receipt-key.js'

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

/** Signs receipts for one meter. */
export interface ReceiptSigner {
  /** The account that signs. */
  readonly address: Address
  /** The 65-byte signature (r, s, v) over a receipt. The same receipt always gives the same bytes. */
  sign(receipt: UsageReceipt): Hex
}

const RECEIPT_TYPE_WORD = id(
  'UsageReceipt(bytes32 requestId,bytes32 modelId,address requester,address node,uint32 interval,' +
    'bytes32 inputHash,bytes32 outputHash,uint32 promptTokens,uint32 completionTokens)',
).slice(2)

/** Type, name and version of the domain, which are the same for every chain and meter. */
const DOMAIN_WORDS = [
  'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)',
  'FLock UsageMeter',
  '1',
]
  .map((text) => id(text).slice(2))
  .join('')

const RECEIPT_WORDS = 9

/** `abi.encode(UsageReceipt)`: nine static words. */
export const RECEIPT_BYTES = 32 * RECEIPT_WORDS

const SIGNATURE_BYTES = 65

/** What a receipt signer signs: the EIP-712 digest under the usage meter's domain. @throws HEX_INVALID */
export function receiptDigest(receipt: UsageReceipt, domain: ReceiptDomain): Hex {
  return digestOf(receipt, digestStart(domain))
}

/** Prepares the signing of many receipts: all of the digest that does not depend on them is made here. */
export function createReceiptSigner(domain: ReceiptDomain, key: ReceiptKey): ReceiptSigner {
  const start = digestStart(domain)
  return { address: key.address, sign: (receipt) => key.sign(digestOf(receipt, start)) }
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

/** `abi.encode(UsageReceipt)`, as the consumer decodes it. @throws HEX_INVALID */
export function encodeReceipt(receipt: UsageReceipt): Hex {
  return `0x${receiptWords(receipt)}`
}

/**
 * `abi.encode(UsageReceipt, bytes signature)`: the proof for an Infernet verifier, which sees nothing but the proof.
 * @see contracts/src/FlockUsageVerifier.sol
 */
export function encodeReceiptProof(receipt: UsageReceipt, signature: Hex): Hex {
  // The signature stands behind the nine words and the one that says where.
  const offset = encodeUintWord(RECEIPT_BYTES + 32, 32, 'offset')
  return `0x${receiptWords(receipt)}${offset}${encodeBytesWords(signature, 'signature')}`
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
  const digits = bytes.slice(2).toLowerCase()
  const word = (index: number) => wordAt(digits, index)
  try {
    return {
      requestId: `0x${word(0)}`,
      modelId: `0x${word(1)}`,
      requester: decodeAddressWord(word(2)),
      node: decodeAddressWord(word(3)),
      interval: Number(decodeUintWord(word(4), 32)),
      inputHash: `0x${word(5)}`,
      outputHash: `0x${word(6)}`,
      promptTokens: decodeUintWord(word(7), 32),
      completionTokens: decodeUintWord(word(8), 32),
    }
  } catch (error) {
    throw invalid(error)
  }
}

/** The fields in the order of `Usage.sol`, one word each. */
function receiptWords(receipt: UsageReceipt): string {
  return (
    encodeBytes32Word(receipt.requestId, 'requestId') +
    encodeBytes32Word(receipt.modelId, 'modelId') +
    encodeAddressWord(receipt.requester, 'requester') +
    encodeAddressWord(receipt.node, 'node') +
    encodeUintWord(receipt.interval, 32, 'interval') +
    encodeBytes32Word(receipt.inputHash, 'inputHash') +
    encodeBytes32Word(receipt.outputHash, 'outputHash') +
    encodeUintWord(receipt.promptTokens, 32, 'promptTokens') +
    encodeUintWord(receipt.completionTokens, 32, 'completionTokens')
  )
}

/** What stands in front of the struct hash: 0x1901 and the domain separator. */
function digestStart({ chainId, usageMeter }: ReceiptDomain): string {
  const words =
    DOMAIN_WORDS + encodeUintWord(chainId, 256, 'chainId') + encodeAddressWord(usageMeter, 'usageMeter')
  return `1901${keccakOfDigits(words).slice(2)}`
}

function digestOf(receipt: UsageReceipt, start: string): Hex {
  return keccakOfDigits(start + keccakOfDigits(RECEIPT_TYPE_WORD + receiptWords(receipt)).slice(2))
}
