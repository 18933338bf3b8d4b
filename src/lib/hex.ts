import { getAddress } from 'ethers/address'
import { FlockError } from './errors.js'

export type Hex = `0x${string}`
/** An EIP-55 checksummed address. */
export type Address = Hex

export const ZERO_ADDRESS: Address = '0x0000000000000000000000000000000000000000'
export const ZERO_BYTES32: Hex = `0x${'00'.repeat(32)}`

const HEX = /^0x(?:[0-9a-fA-F]{2})*$/
const BYTES32 = /^0x[0-9a-fA-F]{64}$/

export function isHex(value: unknown): value is Hex {
  return typeof value === 'string' && HEX.test(value)
}

export function isBytes32(value: unknown): value is Hex {
  return typeof value === 'string' && BYTES32.test(value)
}

export function isAddress(value: unknown): value is Address {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{40}$/.test(value)) return false
  try {
    getAddress(value)
    return true
  } catch {
    return false
  }
}

/**
 * Reads an address in any casing and returns it checksummed; a mixed-case text with a wrong checksum is refused.
 * @throws ADDRESS_INVALID
 */
export function parseAddress(value: unknown, what: string): Address {
  if (isAddress(value)) return getAddress(value) as Address
  throw new FlockError('ADDRESS_INVALID', `${what}: ${JSON.stringify(value)} is not an Ethereum address.`, {
    details: { what },
    hint: 'An address is 0x and 40 hexadecimal digits; in mixed case its checksum must be right.',
  })
}

/**
 * Reads hexadecimal bytes with `0x`, of exactly `length` bytes when that is given; the result is lower case.
 * @throws HEX_INVALID
 */
export function parseHex(value: unknown, what: string, length?: number): Hex {
  if (isHex(value) && (length === undefined || value.length === 2 + 2 * length))
    return value.toLowerCase() as Hex
  const size = length === undefined ? 'bytes' : `${length} bytes`
  throw new FlockError('HEX_INVALID', `${what}: expected ${size} of hexadecimal data that start with 0x.`, {
    details: { what },
  })
}

export function sameAddress(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

export function hexToBytes(hex: Hex): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))
}

export function bytesToHex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`
}

/** An address as a word of 32 bytes, which is how indexed event parameters hold it. */
export function addressWord(address: Address): Hex {
  return `0x${address.slice(2).toLowerCase().padStart(64, '0')}`
}

/** How many bytes a hex text stands for. */
export function hexLength(hex: Hex): number {
  return (hex.length - 2) / 2
}
