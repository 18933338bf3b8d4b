import { createRequire } from 'node:module'
import { SigningKey } from 'ethers/crypto'
import { computeAddress } from 'ethers/transaction'
import { FlockError } from '../errors.js'
import { type Address, type Hex, bytesToHex, hexToBytes, isBytes32 } from '../hex.js'

/** Signs what receipts hash to. The key itself cannot be read from it, nor does it show when it is printed. */
export interface ReceiptKey {
  /** The account that it stands for. */
  readonly address: Address
  /** `wasm` takes a third of the time of `javascript`, which is used where WebAssembly cannot be loaded. */
  readonly engine: 'wasm' | 'javascript'
  /**
   * The 65 bytes r, s, v of a digest of 32 bytes; v is 27 or 28. The nonce is that of RFC 6979 and s the lower one, so
   * the same digest and key always give the same bytes, whatever the engine.
   */
  sign(digest: Hex | Uint8Array): Hex
}

/** What is used of tiny-secp256k1, which is Bitcoin's libsecp256k1 as WebAssembly. */
export interface Secp256k1 {
  signRecoverable(
    digest: Uint8Array,
    privateKey: Uint8Array,
  ): { readonly signature: Uint8Array; readonly recoveryId: number }
}

type Sign = ReceiptKey['sign']

/** Any digest will do to find out whether two engines sign alike. */
const TRIED_DIGEST: Hex = `0x${'5a'.repeat(32)}`

/**
 * Makes a key ready for signing.
 * @param load where the WebAssembly comes from; when it throws, or signs otherwise than ethers, ethers signs
 * @throws KEY_INVALID
 */
export function createReceiptKey(privateKey: Hex, load: () => Secp256k1 = loadSecp256k1): ReceiptKey {
  const key = parseKey(privateKey)
  const slow: Sign = (digest) => key.sign(digest).serialized as Hex
  const fast = fastSign(privateKey, load, slow(TRIED_DIGEST))
  return {
    address: computeAddress(key.publicKey) as Address,
    engine: fast === null ? 'javascript' : 'wasm',
    sign: fast ?? slow,
  }
}

function parseKey(privateKey: Hex): SigningKey {
  try {
    if (!isBytes32(privateKey)) throw new Error('not 32 bytes')
    const key = new SigningKey(privateKey)
    // Zero and numbers above the curve's order are found out here.
    key.sign(TRIED_DIGEST)
    return key
  } catch {
    // The cause would quote the key.
    throw new FlockError('KEY_INVALID', 'The key of the receipt signer is no private key of secp256k1.')
  }
}

/** @param expected what ethers gives for the digest that is tried */
function fastSign(privateKey: Hex, load: () => Secp256k1, expected: Hex): Sign | null {
  try {
    const secp256k1 = load()
    const secret = hexToBytes(privateKey)
    const sign: Sign = (digest) => {
      const bytes = typeof digest === 'string' ? hexToBytes(digest) : digest
      const { signature, recoveryId } = secp256k1.signRecoverable(bytes, secret)
      return `${bytesToHex(signature)}${recoveryId === 0 ? '1b' : '1c'}`
    }
    return sign(TRIED_DIGEST) === expected ? sign : null
  } catch {
    return null
  }
}

/** Loaded here and not by an import, which compiles it even where nothing is signed and cannot be caught. */
function loadSecp256k1(): Secp256k1 {
  return createRequire(import.meta.url)('tiny-secp256k1') as Secp256k1
}
