import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { SigningKey } from 'ethers/crypto'
import { computeAddress } from 'ethers/transaction'
import { type Hex, hexToBytes } from '../../../src/lib/hex.js'
import { createReceiptKey, type Secp256k1 } from '../../../src/lib/usage/receipt-key.js'
import { RECEIPT_KEY, RECEIPT_SIGNER } from '../../helpers/tasks.js'

const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

const hashOf = (text: string): Hex => `0x${createHash('sha256').update(text).digest('hex')}`
const digests = Array.from({ length: 200 }, (_, index) => hashOf(`digest ${index}`))
const unloadable = () => {
  throw new Error('no WebAssembly here')
}
const engineOf = (sign: Secp256k1['signRecoverable']) => () => ({ signRecoverable: sign })

describe('a receipt key', () => {
  it('signs as ethers does, byte for byte', () => {
    const keys = Array.from({ length: 5 }, (_, index) => hashOf(`key ${index}`))

    for (const privateKey of keys) {
      const key = createReceiptKey(privateKey)
      const reference = new SigningKey(privateKey)
      expect(key.engine).toBe('wasm')
      expect(key.address).toBe(computeAddress(reference.publicKey))
      for (const digest of digests) expect(key.sign(digest)).toBe(reference.sign(digest).serialized)
    }
  })

  it('gives r, s and v in 65 bytes, with the lower s and a v of 27 or 28', () => {
    const key = createReceiptKey(RECEIPT_KEY)

    const signatures = digests.map((digest) => key.sign(digest))

    expect(signatures.every((signature) => signature.length === 2 + 2 * 65)).toBe(true)
    expect(signatures.every((signature) => BigInt(`0x${signature.slice(66, 130)}`) <= CURVE_ORDER / 2n)).toBe(
      true,
    )
    expect(new Set(signatures.map((signature) => signature.slice(130)))).toEqual(new Set(['1b', '1c']))
  })

  it('takes a digest as text or as bytes', () => {
    const key = createReceiptKey(RECEIPT_KEY)
    const [digest = '0x'] = digests

    expect(key.sign(hexToBytes(digest))).toBe(key.sign(digest))
  })

  it.each<[string, () => Secp256k1]>([
    ['cannot be loaded', unloadable],
    ['fails when it signs', engineOf(unloadable)],
    ['signs otherwise', engineOf(() => ({ signature: new Uint8Array(64).fill(1), recoveryId: 0 }))],
  ])('signs the same without WebAssembly, when that %s', (_what, load) => {
    const key = createReceiptKey(RECEIPT_KEY, load)

    expect(key.engine).toBe('javascript')
    expect(key.address).toBe(RECEIPT_SIGNER)
    const reference = createReceiptKey(RECEIPT_KEY)
    for (const digest of digests.slice(0, 10)) expect(key.sign(digest)).toBe(reference.sign(digest))
  })

  it.each([
    ['one', 1n],
    ['the highest there is', CURVE_ORDER - 1n],
  ])('may be %s', (_what, number) => {
    const privateKey: Hex = `0x${number.toString(16).padStart(64, '0')}`

    const key = createReceiptKey(privateKey)

    expect(key.engine).toBe('wasm')
    expect(key.sign(hashOf('it'))).toBe(new SigningKey(privateKey).sign(hashOf('it')).serialized)
  })

  it.each([
    ['zero', `0x${'00'.repeat(32)}`],
    ['the order of the curve', `0x${CURVE_ORDER.toString(16)}`],
    ['above the order of the curve', `0x${'ff'.repeat(32)}`],
    ['31 bytes', RECEIPT_KEY.slice(0, -2)],
    ['text', `0x${'secret words! '.repeat(5).slice(0, 64)}`],
  ])('is refused when it is %s, and is not quoted', (_what, privateKey) => {
    let error: unknown
    try {
      createReceiptKey(privateKey as Hex)
    } catch (thrown) {
      error = thrown
    }

    expect(error).toMatchObject({ code: 'KEY_INVALID' })
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(privateKey.slice(2))
  })

  it.each([
    ['WebAssembly', undefined],
    ['JavaScript', unloadable],
  ])('does not show itself in what is printed, with %s', (_engine, load) => {
    const key = createReceiptKey(RECEIPT_KEY, load)
    const bytes = [...hexToBytes(RECEIPT_KEY)]

    const printed = [
      inspect(key, { depth: null, showHidden: true }),
      JSON.stringify(key),
      key.sign.toString(),
    ].join()

    expect(printed).toContain(RECEIPT_SIGNER)
    expect(printed.toLowerCase()).not.toContain(RECEIPT_KEY.slice(2, 12))
    expect(printed).not.toContain(bytes.slice(0, 4).join(', '))
  })

  it.each([31, 33])('refuses a digest of %i bytes', (length) => {
    const key = createReceiptKey(RECEIPT_KEY)

    expect(() => key.sign(new Uint8Array(length))).toThrow()
  })
})
