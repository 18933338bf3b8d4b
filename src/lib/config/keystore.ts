import {
  createCipheriv,
  createDecipheriv,
  pbkdf2 as pbkdf2Callback,
  randomBytes,
  randomUUID,
  scrypt as scryptCallback,
  timingSafeEqual,
} from 'node:crypto'
import { promisify } from 'node:util'
import { computeAddress } from 'ethers/transaction'
import { keccak256 } from 'ethers/crypto'
import * as v from 'valibot'
import { FlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'

/** A private key under a password: Web3 Secret Storage, version 3, as Foundry and Geth write it. */
export type Keystore = v.InferOutput<typeof keystoreFile>

const scrypt = promisify<Buffer, Buffer, number, ScryptCost, Buffer>(scryptCallback)
const pbkdf2 = promisify(pbkdf2Callback)

interface ScryptCost {
  readonly N: number
  readonly r: number
  readonly p: number
  readonly maxmem: number
}

/** More memory than this for one password is an attack or a mistake; Geth's standard takes 256 MiB. */
const MAX_SCRYPT_BYTES = 1024 ** 3
const MAX_PBKDF2_ROUNDS = 10_000_000

/** Geth's standard cost: about half a second and 256 MiB. */
const STANDARD_COST = { n: 262_144, r: 8, p: 1 }
const KEY_BYTES = 32

const hexText = v.pipe(
  v.string(),
  v.regex(/^(?:0x)?(?:[0-9a-fA-F]{2})*$/),
  v.transform((text) => text.replace(/^0x/, '').toLowerCase()),
)
const count = v.pipe(v.number(), v.integer(), v.minValue(1))

const keystoreFile = v.object({
  version: v.literal(3),
  id: v.optional(v.string()),
  address: v.optional(hexText),
  crypto: v.object({
    cipher: v.literal('aes-128-ctr'),
    ciphertext: v.pipe(hexText, v.length(2 * KEY_BYTES)),
    cipherparams: v.object({ iv: v.pipe(hexText, v.length(32)) }),
    mac: v.pipe(hexText, v.length(64)),
    kdf: v.picklist(['scrypt', 'pbkdf2']),
    kdfparams: v.union([
      v.object({ dklen: count, salt: hexText, n: count, r: count, p: count }),
      v.object({ dklen: count, salt: hexText, c: count, prf: v.literal('hmac-sha256') }),
    ]),
  }),
})

/** @throws KEYSTORE_INVALID naming `what`, for instance the file */
export function parseKeystore(text: string, what: string): Keystore {
  const parsed = v.safeParse(keystoreFile, lowerCaseKeys(parseJsonOrNull(text)))
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  const place = issue.path?.map(({ key }) => String(key)).join('.') ?? ''
  throw new FlockError(
    'KEYSTORE_INVALID',
    `${what} is not a Web3 Secret Storage file of version 3${place === '' ? '' : ` (${place})`}.`,
    { details: { file: what, path: place } },
  )
}

/**
 * Opens a keystore. The message authentication code is checked before anything is decrypted.
 * @throws KEYSTORE_PASSWORD_WRONG, KEYSTORE_INVALID
 */
export async function decryptKeystore(keystore: Keystore, password: string, what: string): Promise<Hex> {
  const { crypto } = keystore
  const derived = await deriveKey(crypto.kdfparams, password, what)
  const ciphertext = Buffer.from(crypto.ciphertext, 'hex')
  if (!timingSafeEqual(macOf(derived, ciphertext), Buffer.from(crypto.mac, 'hex')))
    throw new FlockError('KEYSTORE_PASSWORD_WRONG', `The password does not open ${what}.`, {
      details: { file: what },
    })
  const iv = Buffer.from(crypto.cipherparams.iv, 'hex')
  const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const key: Hex = `0x${Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('hex')}`
  const { address } = keystore
  if (address !== undefined && address !== '' && addressOf(key).slice(2).toLowerCase() !== address)
    throw new FlockError(
      'KEYSTORE_INVALID',
      `The key in ${what} belongs to another address than the file says.`,
    )
  return key
}

/** Puts a private key under a password. `cost` is for tests; the default is Geth's standard. */
export async function encryptKeystore(
  privateKey: Hex,
  password: string,
  cost: { n: number; r: number; p: number } = STANDARD_COST,
): Promise<Keystore> {
  const salt = randomBytes(32).toString('hex')
  const iv = randomBytes(16)
  const kdfparams = { dklen: KEY_BYTES, salt, ...cost }
  const derived = await deriveKey(kdfparams, password, 'the new keystore')
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const ciphertext = Buffer.concat([cipher.update(Buffer.from(privateKey.slice(2), 'hex')), cipher.final()])
  return {
    version: 3,
    id: randomUUID(),
    address: addressOf(privateKey).slice(2).toLowerCase(),
    crypto: {
      cipher: 'aes-128-ctr',
      ciphertext: ciphertext.toString('hex'),
      cipherparams: { iv: iv.toString('hex') },
      kdf: 'scrypt',
      kdfparams,
      mac: macOf(derived, ciphertext).toString('hex'),
    },
  }
}

type KdfParams = Keystore['crypto']['kdfparams']

async function deriveKey(params: KdfParams, password: string, what: string): Promise<Buffer> {
  const secret = Buffer.from(password.normalize('NFKC'), 'utf8')
  const salt = Buffer.from(params.salt, 'hex')
  const tooCostly = () => new FlockError('KEYSTORE_INVALID', `${what} asks for more work than is allowed.`)
  if (params.dklen < KEY_BYTES || params.dklen > 1024) throw tooCostly()
  if ('c' in params) {
    if (params.c > MAX_PBKDF2_ROUNDS) throw tooCostly()
    return pbkdf2(secret, salt, params.c, params.dklen, 'sha256')
  }
  const { n, r, p, dklen } = params
  const memory = 128 * r * (n + p)
  // RFC 7914, section 2; OpenSSL keeps to it, some old wallets did not.
  if (n >= 2 ** (16 * r))
    throw new FlockError(
      'KEYSTORE_INVALID',
      `${what} uses scrypt with a cost that RFC 7914 does not allow.`,
      {
        details: { n, r },
        hint: 'Import the key into a new keystore with the program that made this one.',
      },
    )
  if (memory > MAX_SCRYPT_BYTES || p > 64 || !Number.isInteger(Math.log2(n))) throw tooCostly()
  return scrypt(secret, salt, dklen, { N: n, r, p, maxmem: memory + 1024 ** 2 })
}

function macOf(derived: Buffer, ciphertext: Buffer): Buffer {
  const mac = keccak256(Buffer.concat([derived.subarray(16, 32), ciphertext]))
  return Buffer.from(mac.slice(2), 'hex')
}

function addressOf(privateKey: Hex): Address {
  return computeAddress(privateKey) as Address
}

function parseJsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Old wallets write `Crypto` and `KDFParams`. */
function lowerCaseKeys(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key.toLowerCase(), lowerCaseKeys(item)]),
  )
}
