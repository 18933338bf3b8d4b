/** Makes keccak256 faster for the whole process: what a service does most, after waiting, is hashing. */
import { keccak256 } from 'ethers/crypto'

/** Hashes bytes to 32 bytes. */
export type Keccak256 = (bytes: Uint8Array) => Uint8Array

/** Lengths around the 136 bytes that one round takes, and one that takes many. */
const TRIED_LENGTHS = [0, 1, 32, 135, 136, 137, 272, 20_000]

/**
 * Puts WebAssembly behind keccak256 of ethers, and so behind every hash, checksum and digest of this process: about
 * twenty times the speed. Where WebAssembly cannot be loaded, or hashes otherwise, all stays as it was.
 * @param load where the faster hash comes from
 * @returns whether the faster hash is in use
 */
export async function speedUpKeccak(load: () => Promise<Keccak256> = loadKeccak): Promise<boolean> {
  try {
    const fast = await load()
    if (!TRIED_LENGTHS.every((length) => agrees(fast, new Uint8Array(length).fill(length)))) return false
    keccak256.register(fast)
    return true
  } catch {
    return false
  }
}

async function loadKeccak(): Promise<Keccak256> {
  const { createKeccak } = await import('hash-wasm')
  const hasher = await createKeccak(256)
  return (bytes) => hasher.init().update(bytes).digest('binary')
}

/** Compares with the hash of ethers itself, whichever is in use. */
function agrees(fast: Keccak256, bytes: Uint8Array): boolean {
  return Buffer.compare(fast(bytes), keccak256._(bytes)) === 0
}
