import { randomBytes } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import {
  digestOfKey,
  faultOfKey,
  newClientKey,
  parseKeyHash,
  sentKey,
} from '../../../src/lib/service/client-keys.js'

describe('a new key', () => {
  it('holds 32 bytes behind a prefix that scanners know', () => {
    const { key } = newClientKey((size) => new Uint8Array(size).fill(0xab))

    expect(key).toBe(`flock-sk-${'ab'.repeat(32)}`)
  })

  it('is named by its SHA-256 digest', () => {
    // printf flock-sk-%064d 0 | sha256sum
    const { keyHash } = newClientKey((size) => new Uint8Array(size))

    expect(keyHash).toBe('sha256:48f10e92582dc02f3d4fabad2d341cf7d000f332cfbd8db98bffaea40fefd750')
  })

  it('is one that clients may have, and its hash one that is read', () => {
    const { key, keyHash } = newClientKey(randomBytes)

    expect(faultOfKey(key)).toBeNull()
    expect(parseKeyHash(keyHash)).toBe(digestOfKey(key))
  })
})

describe('a key hash', () => {
  it('is read in any casing', () => {
    expect(parseKeyHash(`sha256:${'Ab'.repeat(32)}`)).toBe('ab'.repeat(32))
  })

  it.each([
    '',
    'sha256:',
    'ab'.repeat(32),
    `sha256:${'ab'.repeat(31)}`,
    `sha512:${'ab'.repeat(32)}`,
    'flock-sk-1',
  ])('is not %j', (text) => {
    expect(parseKeyHash(text)).toBeNull()
  })
})

describe('the key of an operator', () => {
  it.each([
    ['fifteen-signs..', 'shorter than 16 characters'],
    ['x'.repeat(513), 'longer than 512 characters'],
    ['sixteen signs ..', 'not of visible ASCII characters alone'],
    ['sixteen-signs-é.', 'not of visible ASCII characters alone'],
    ['sixteen-signs-..', null],
  ])('%j is judged: %s', (key, fault) => {
    expect(faultOfKey(key)).toBe(fault)
  })
})

describe('the key of a request', () => {
  const digest = digestOfKey('the-key-of-a-client')

  it.each([
    [{ authorization: 'Bearer the-key-of-a-client' }],
    [{ authorization: 'bearer   the-key-of-a-client ' }],
    [{ 'api-key': 'the-key-of-a-client' }],
    [{ 'x-api-key': ' the-key-of-a-client' }],
    [{ authorization: 'Basic dXNlcjpwYXNz', 'x-api-key': 'the-key-of-a-client' }],
    [{ authorization: 'Bearer ', 'api-key': 'the-key-of-a-client' }],
    [{ authorization: 'Bearer the-key-of-a-client', 'api-key': 'another', 'x-api-key': 'a third' }],
    [{ 'api-key': 'the-key-of-a-client', 'x-api-key': 'another' }],
  ])('is found in %j', (headers) => {
    expect(sentKey(headers)).toEqual({ digest })
  })

  it.each([
    [{}],
    [{ authorization: '' }],
    [{ authorization: 'Bearer' }],
    [{ authorization: 'the-key-of-a-client' }],
    [{ 'x-api-key': ['the-key-of-a-client'] }],
  ])('is missing in %j', (headers) => {
    expect(sentKey(headers)).toBe('missing')
  })

  it('is not even hashed when it is longer than any key', () => {
    expect(sentKey({ 'x-api-key': 'x'.repeat(513) })).toBe('unusable')
  })
})
