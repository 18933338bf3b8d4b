import { describe, expect, it } from '@jest/globals'
import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import { TypedDataEncoder, id } from 'ethers/hash'
import { concat } from 'ethers/utils'
import type { Hex } from '../../../src/lib/hex.js'
import {
  type UsageReceipt,
  decodeReceipt,
  encodeReceipt,
  encodeReceiptProof,
  createReceiptSigner,
  receiptDigest,
  recoverReceiptSigner,
  verifyReceipt,
} from '../../../src/lib/usage/receipt.js'
import { createReceiptKey } from '../../../src/lib/usage/receipt-key.js'
import { createDice } from '../../helpers/dice.js'
import { randomAddress, randomHex, randomReceipt } from '../../helpers/random-tasks.js'
import { loadReceiptVectors } from '../../helpers/receipt-vectors.js'

const vectors = loadReceiptVectors()
const [plain] = vectors
if (plain === undefined) throw new Error('no vectors')
const domain = { chainId: plain.chainId, usageMeter: plain.usageMeter }

const FIELDS = [
  ['requestId', 'bytes32'],
  ['modelId', 'bytes32'],
  ['requester', 'address'],
  ['node', 'address'],
  ['interval', 'uint32'],
  ['inputHash', 'bytes32'],
  ['outputHash', 'bytes32'],
  ['promptTokens', 'uint32'],
  ['completionTokens', 'uint32'],
] as const

/** The digest as `contracts/src` builds it, without the EIP-712 encoder that is under test. */
function digestByHand(receipt: UsageReceipt, chainId: number, meter: Hex): string {
  const encode = (types: string, values: unknown[]) =>
    keccak256(AbiCoder.defaultAbiCoder().encode(types.split(','), values))
  const type =
    'UsageReceipt(bytes32 requestId,bytes32 modelId,address requester,address node,uint32 interval,bytes32 inputHash,bytes32 outputHash,uint32 promptTokens,uint32 completionTokens)'
  const separator = encode('bytes32,bytes32,bytes32,uint256,address', [
    id('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'),
    id('FLock UsageMeter'),
    id('1'),
    chainId,
    meter,
  ])
  const struct = encode('bytes32,bytes32,bytes32,address,address,uint32,bytes32,bytes32,uint32,uint32', [
    id(type),
    ...(Object.values(receipt) as unknown[]),
  ])
  return keccak256(concat(['0x1901', separator, struct]))
}

describe('usage receipts', () => {
  it.each(vectors)('are encoded, signed and recovered as in the vector: $name', (vector) => {
    const at = { chainId: vector.chainId, usageMeter: vector.usageMeter }
    const signer = createReceiptSigner(at, createReceiptKey(vector.signerKey))

    expect(encodeReceipt(vector.receipt)).toBe(vector.receiptBytes)
    expect(decodeReceipt(vector.receiptBytes)).toEqual(vector.receipt)
    expect(receiptDigest(vector.receipt, at)).toBe(vector.digest)
    expect(digestByHand(vector.receipt, vector.chainId, vector.usageMeter)).toBe(vector.digest)
    expect(signer.address).toBe(vector.signer)
    expect(signer.sign(vector.receipt)).toBe(vector.signature)
    expect(recoverReceiptSigner(vector.receipt, at, vector.signature)).toBe(vector.signer)
    expect(keccak256(vector.answer)).toBe(vector.receipt.outputHash)
  })

  it('have the bytes, digests and signatures of general encoders, whatever they hold', () => {
    const dice = createDice(4)
    const types = { UsageReceipt: FIELDS.map(([name, type]) => ({ name, type })) }
    const abiTypes = FIELDS.map(([, type]) => type)
    const key = createReceiptKey(plain.signerKey)

    for (let round = 0; round < 300; round += 1) {
      const receipt = randomReceipt(dice)
      const at = { chainId: Number(dice.amount(53)), usageMeter: randomAddress(dice) }
      const { chainId, usageMeter: verifyingContract } = at
      const typedDomain = { name: 'FLock UsageMeter', version: '1', chainId, verifyingContract }
      const values = FIELDS.map(([name]) => receipt[name])
      const signature = randomHex(dice, dice.once(2) ? 65 : dice.between(0, 100))

      const digest = TypedDataEncoder.hash(typedDomain, types, receipt)
      expect(receiptDigest(receipt, at)).toBe(digest)
      expect(createReceiptSigner(at, key).sign(receipt)).toBe(key.sign(digest as Hex))
      expect(encodeReceipt(receipt)).toBe(AbiCoder.defaultAbiCoder().encode(abiTypes, values))
      expect(decodeReceipt(encodeReceipt(receipt))).toEqual(receipt)
      expect(encodeReceiptProof(receipt, signature)).toBe(
        AbiCoder.defaultAbiCoder().encode([...abiTypes, 'bytes'], [...values, signature]),
      )
    }
  })

  it.each<[string, Partial<UsageReceipt>]>([
    ['a count above uint32', { promptTokens: 2n ** 32n }],
    ['a negative count', { completionTokens: -1n }],
    ['an interval above uint32', { interval: 2 ** 32 }],
    ['an id of 31 bytes', { requestId: `0x${'ab'.repeat(31)}` }],
    ['an address of 19 bytes', { node: `0x${'ab'.repeat(19)}` }],
  ])('are not signed with %s', (_what, change) => {
    const signer = createReceiptSigner(domain, createReceiptKey(plain.signerKey))

    expect(() => signer.sign({ ...plain.receipt, ...change })).toThrow(
      expect.objectContaining({ code: 'HEX_INVALID' }),
    )
  })

  it.each([
    ['requestId', `0x${'ab'.repeat(32)}`],
    ['modelId', `0x${'ab'.repeat(32)}`],
    ['requester', plain.usageMeter],
    ['node', plain.usageMeter],
    ['interval', 2],
    ['inputHash', `0x${'ab'.repeat(32)}`],
    ['outputHash', `0x${'ab'.repeat(32)}`],
    ['promptTokens', 15n],
    ['completionTokens', 7n],
  ])('do not verify any more when %s changes', (field, value) => {
    const forged = { ...plain.receipt, [field]: value }

    expect(() => verifyReceipt(forged, { domain, signature: plain.signature, signer: plain.signer })).toThrow(
      expect.objectContaining({ code: 'RECEIPT_INVALID' }),
    )
  })

  it.each([
    ['another chain', { ...domain, chainId: 1 }],
    ['another meter', { ...domain, usageMeter: plain.signer }],
  ])('do not verify on %s', (_what, other) => {
    const proof = { domain: other, signature: plain.signature, signer: plain.signer }

    expect(() => verifyReceipt(plain.receipt, proof)).toThrow(
      'not by 0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc',
    )
  })

  it('verify for their signer in any casing', () => {
    const signer = plain.signer.toLowerCase() as Hex

    expect(() => verifyReceipt(plain.receipt, { domain, signature: plain.signature, signer })).not.toThrow()
  })

  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const s = BigInt(`0x${plain.signature.slice(66, 130)}`)
  const malleated = `${plain.signature.slice(0, 66)}${(order - s).toString(16).padStart(64, '0')}1c`
  it.each([
    ['no bytes', '0x'],
    ['64 bytes, the compact form', plain.signature.slice(0, 130)],
    ['66 bytes', `${plain.signature}00`],
    ['no hexadecimal', plain.signature.replace('0x', '0y')],
    ['v of 0', `${plain.signature.slice(0, 130)}00`],
    ['v of 29', `${plain.signature.slice(0, 130)}1d`],
    ['the malleated form', malleated],
    ['zeros', `0x${'00'.repeat(65)}`],
  ])('refuse a signature of %s', (_what, signature) => {
    expect(() => recoverReceiptSigner(plain.receipt, domain, signature as Hex)).toThrow(
      expect.objectContaining({ code: 'RECEIPT_INVALID' }),
    )
  })

  it.each([
    ['no bytes', '0x'],
    ['a missing word', plain.receiptBytes.slice(0, -64)],
    ['a word too much', `${plain.receiptBytes}${'00'.repeat(32)}`],
    ['dirty bits above the requester', dirtyWord(plain.receiptBytes, 2)],
    ['dirty bits above the node', dirtyWord(plain.receiptBytes, 3)],
    ['an interval above uint32', dirtyWord(plain.receiptBytes, 4)],
    ['a count above uint32', dirtyWord(plain.receiptBytes, 8)],
    ['no hexadecimal', plain.receiptBytes.replace('0x', '0y')],
  ])('refuse to be read from %s', (_what, bytes) => {
    expect(() => decodeReceipt(bytes as Hex)).toThrow(expect.objectContaining({ code: 'RECEIPT_INVALID' }))
  })
})

function dirtyWord(bytes: Hex, word: number): string {
  const at = 2 + 64 * word
  return `${bytes.slice(0, at)}01${bytes.slice(at + 2)}`
}
