import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from '@jest/globals'
import { keccak256 } from 'ethers/crypto'
import { speedUpKeccak, type Keccak256 } from '../../src/lib/keccak.js'

afterEach(() => keccak256.register(keccak256._))

const failing: Keccak256 = () => {
  throw new Error('trap')
}
const own = (bytes: Uint8Array) => `0x${Buffer.from(keccak256._(bytes)).toString('hex')}`

describe('speedUpKeccak', () => {
  it('gives the hashes of ethers for every length of three rounds, and for long ones', async () => {
    expect(await speedUpKeccak()).toBe(true)

    for (const length of [...Array(409).keys(), 16_384, 16_385, 120_000]) {
      const bytes = randomBytes(length)
      expect(keccak256(bytes)).toBe(own(bytes))
    }
  })

  it('hashes text of hexadecimal digits as ethers does', async () => {
    await speedUpKeccak()

    expect(keccak256('0x1337')).toBe(own(Uint8Array.of(0x13, 0x37)))
  })

  it.each<[string, () => Promise<Keccak256>]>([
    ['cannot be loaded', () => Promise.reject(new Error('no WebAssembly here'))],
    ['hashes otherwise', () => Promise.resolve(() => new Uint8Array(32))],
    ['fails when it hashes', () => Promise.resolve(failing)],
    [
      'goes wrong with long input',
      () => Promise.resolve((bytes) => keccak256._(bytes.length > 1000 ? bytes.subarray(1) : bytes)),
    ],
  ])('changes nothing when the faster hash %s', async (_what, load) => {
    const bytes = new Uint8Array(2_000)

    expect(await speedUpKeccak(load)).toBe(false)

    expect(keccak256(bytes)).toBe(own(bytes))
  })
})
