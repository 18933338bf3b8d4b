/** API keys of clients: how they are made, sent and compared. */
import { hash } from 'node:crypto'

/** A new key, for its client, and what stands for it in `flock.yaml`. */
export interface NewClientKey {
  /** `flock-sk-` and 64 hexadecimal digits. Shown once; it cannot be had back from the digest. */
  readonly key: string
  /** `sha256:` and 64 hexadecimal digits. */
  readonly keyHash: string
}

export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** Scanners for leaked secrets find keys by how they begin. */
const KEY_PREFIX = 'flock-sk-'
const KEY_BYTES = 32

/** Sixteen signs at random are more than anybody can try out over a network. */
const MIN_KEY_LENGTH = 16
/** Longer than the keys of all known services. A longer one is refused before it is hashed. */
const MAX_KEY_LENGTH = 512

const HASH_PREFIX = 'sha256:'
const KEY_HASH = /^sha256:[0-9a-f]{64}$/i
const VISIBLE_ASCII = /^[\x21-\x7e]+$/
const BEARER = /^bearer +/i

/** @param randomBytes a cryptographic source */
export function newClientKey(randomBytes: (size: number) => Uint8Array): NewClientKey {
  const key = KEY_PREFIX + Buffer.from(randomBytes(KEY_BYTES)).toString('hex')
  return { key, keyHash: HASH_PREFIX + digestOfKey(key) }
}

/** The digest in a `keyHash`, null when it is none. */
export function parseKeyHash(keyHash: string): string | null {
  return KEY_HASH.test(keyHash) ? keyHash.slice(HASH_PREFIX.length).toLowerCase() : null
}

/** Says why a text is no key that a client may have; null when it is one. The text is not repeated. */
export function faultOfKey(key: string): string | null {
  if (key.length < MIN_KEY_LENGTH) return `shorter than ${MIN_KEY_LENGTH} characters`
  if (key.length > MAX_KEY_LENGTH) return `longer than ${MAX_KEY_LENGTH} characters`
  return VISIBLE_ASCII.test(key) ? null : 'not of visible ASCII characters alone'
}

/** SHA-256 in lower-case hexadecimal digits. A slow hash would only help keys that can be guessed. */
export function digestOfKey(key: string): string {
  return hash('sha256', key)
}

/**
 * The digest of the key in `authorization: Bearer`, `api-key` (Azure's SDKs) or `x-api-key` (many gateways); the first
 * of these that is there counts. `missing` without any; `unusable` for one that cannot be a key.
 */
export function sentKey(headers: RequestHeaders): { readonly digest: string } | 'missing' | 'unusable' {
  const key = bearerOf(headers.authorization) ?? textOf(headers['api-key']) ?? textOf(headers['x-api-key'])
  if (key === null) return 'missing'
  return key.length > MAX_KEY_LENGTH ? 'unusable' : { digest: digestOfKey(key) }
}

function bearerOf(header: RequestHeaders[string]): string | null {
  return typeof header === 'string' && BEARER.test(header) ? textOf(header.replace(BEARER, '')) : null
}

/** A header without anything in it counts as missing: SDKs send one when their key is not set. */
function textOf(header: RequestHeaders[string]): string | null {
  const text = typeof header === 'string' ? header.trim() : ''
  return text === '' ? null : text
}
