import { describe, expect, it } from '@jest/globals'
import { isLoopbackAddress, isLoopbackAuthority } from '../../../src/lib/service/loopback.js'

describe('an address that this machine alone reaches', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.1.2.3', '::1', '[::1]'])('is %s', (host) => {
    expect(isLoopbackAddress(host)).toBe(true)
  })

  it.each(['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', 'localhost.example', 'example', '', '127.0.0.1:80'])(
    'is not "%s"',
    (host) => {
      expect(isLoopbackAddress(host)).toBe(false)
    },
  )
})

describe('a name by which this machine calls itself', () => {
  it.each(['localhost', 'localhost.', 'a.b-c.localhost:80', '127.0.0.1:65535', '[::1]', '[::1]:1'])(
    'is %s',
    (header) => {
      expect(isLoopbackAuthority(header)).toBe(true)
    },
  )

  it.each([
    '',
    ':80',
    'localhost:',
    'localhost:123456',
    '::1',
    'notlocalhost',
    'localhost.example',
    '[::1',
    '1.127.0.0.1',
  ])('is not "%s"', (header) => {
    expect(isLoopbackAuthority(header)).toBe(false)
  })

  it('is looked up in time that follows its length', () => {
    expect(isLoopbackAuthority(`${'a.'.repeat(8_000)}localhos`)).toBe(false)
  })
})
