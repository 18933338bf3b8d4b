import { describe, expect, it } from '@jest/globals'
import { createRedactor, redactKeys } from '../../../src/lib/cli/redact.js'

const KEY = 'ab12'.repeat(16)
const HASH = `0x${'cd34'.repeat(16)}`

describe('createRedactor', () => {
  it('removes the secrets of the environment, however they are written', () => {
    const redactor = createRedactor({
      FLOCK_PRIVATE_KEY: `0x${KEY}`,
      FLOCK_API_KEY: 'sk-very-secret',
      HOME: '/home/me',
    })

    const text = redactor.text(`key ${KEY} or 0x${KEY.toUpperCase()}, token sk-very-secret, home /home/me`)

    expect(text).toBe('key [redacted] or [redacted], token [redacted], home /home/me')
  })

  it('removes secrets that were loaded later', () => {
    const redactor = createRedactor({})
    redactor.add(`0x${KEY}`)
    redactor.add('p@ss(word)*')

    expect(redactor.text(`0x${KEY} p@ss(word)*`)).toBe('[redacted] [redacted]')
  })

  it('leaves transaction hashes and addresses alone', () => {
    const redactor = createRedactor({ FLOCK_PRIVATE_KEY: KEY })
    const text = `sent ${HASH}, see https://basescan.org/tx/${HASH} and https://basescan.org/address/0x70997970C51812dc3A010C7d01b50e0d17dc79C8`

    expect(redactor.text(text)).toBe(text)
  })

  it.each([
    ['https://user:pass@rpc.example.org/v1 failed', 'https://[redacted]@rpc.example.org/v1 failed'],
    [
      'https://base.alchemy.example/v2/aB3dE6gH9jK2mN5pQ8sT1vW4',
      'https://base.alchemy.example/v2/[redacted]',
    ],
    ['"https://rpc.example.org/0a1b2c3d4e5f60718293a4b5c6d7e8f9".', '"https://rpc.example.org/[redacted]".'],
    ['wss://rpc.example.org/ws?apikey=abc&x=1', 'wss://rpc.example.org/ws?apikey=[redacted]&x=1'],
    ['http://127.0.0.1:8545/health', 'http://127.0.0.1:8545/health'],
    ['https://api.flock.io/v1/chat/completions', 'https://api.flock.io/v1/chat/completions'],
  ])('removes what opens an RPC endpoint: %s', (text, expected) => {
    expect(createRedactor({}).text(text)).toBe(expected)
  })

  it('removes seed phrases and leaves sentences', () => {
    const redactor = createRedactor({})

    expect(redactor.text('phrase: test test test test test test test test test test test junk!')).toBe(
      'phrase: [redacted]!',
    )
    expect(redactor.text('The service did not answer in time, so the node tried again.')).toBe(
      'The service did not answer in time, so the node tried again.',
    )
  })

  it('does not take short words of the environment for secrets', () => {
    expect(createRedactor({ SORT_KEY: 'name', EMPTY_TOKEN: '' }).text('name')).toBe('name')
  })

  it('works through JSON values', () => {
    const redactor = createRedactor({ FLOCK_NODE_KEY: KEY })

    expect(redactor.value({ a: [KEY, 1, null], b: { c: HASH } })).toEqual({
      a: ['[redacted]', 1, null],
      b: { c: HASH },
    })
  })
})

describe('redactKeys', () => {
  it('hides everything that could be a key where hashes have no business', () => {
    expect(redactKeys(`unexpected ${KEY} and 0x${KEY}`)).toBe('unexpected [redacted] and [redacted]')
  })
})
