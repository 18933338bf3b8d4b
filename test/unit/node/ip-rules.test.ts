import { describe, expect, it } from '@jest/globals'
import { clientIp, createIpRule, networkOf, parseIpRanges, plainIp } from '../../../src/lib/node/ip-rules.js'

describe('createIpRule', () => {
  it.each<[string[], string, boolean]>([
    [['10.0.0.7'], '10.0.0.7', true],
    [['10.0.0.7'], '10.0.0.8', false],
    [['192.168.1.5/24'], '192.168.1.200', true],
    [['192.168.1.5/24'], '192.168.2.5', false],
    [['0.0.0.0/0'], '8.8.8.8', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['2001:db8::1'], '2001:0db8:0::1', true],
    [['2001:db8::5/32'], '2001:db8:ffff::1', true],
    [['2001:db8::5/32'], '2001:db9::1', false],
    [['10.0.0.7', '::1'], '::1', true],
    [[], '10.0.0.7', false],
    [['10.0.0.0/8'], 'no address', false],
    [['10.0.0.0/8'], '', false],
  ])('%j has %s: %s', (entries, ip, isListed) => {
    expect(createIpRule(entries)(ip)).toBe(isListed)
  })
})

describe('plainIp', () => {
  it.each([
    ['::ffff:10.0.0.7', '10.0.0.7'],
    ['::FFFF:10.0.0.7', '10.0.0.7'],
    ['10.0.0.7', '10.0.0.7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:DB8::1', '2001:db8::1'],
    [undefined, ''],
  ])('spells %s as %s', (address, plain) => {
    expect(plainIp(address)).toBe(plain)
  })
})

describe('networkOf', () => {
  it.each([
    ['10.0.0.7', '10.0.0.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
  ])('counts %s with %s', (ip, network) => {
    expect(networkOf(ip)).toBe(network)
  })
})

describe('clientIp', () => {
  const isTrusted = createIpRule(['10.0.0.0/8', '::1'])

  it.each<[string, string, string | undefined, string]>([
    ['the peer when no proxy is before it', '1.2.3.4', '9.9.9.9', '1.2.3.4'],
    ['the peer when the proxy tells nobody', '10.0.0.1', undefined, '10.0.0.1'],
    ['whom the proxy tells', '10.0.0.1', '5.6.7.8', '5.6.7.8'],
    ['whom the proxy tells, and not what the client wrote', '10.0.0.1', '9.9.9.9, 5.6.7.8', '5.6.7.8'],
    ['whom the first of several proxies tells', '10.0.0.1', '9.9.9.9, 5.6.7.8, 10.0.0.2', '5.6.7.8'],
    ['the proxy when it tells nonsense', '10.0.0.1', 'unknown', '10.0.0.1'],
    ['a client with an IPv6 address', '::ffff:10.0.0.1', '2001:DB8::1', '2001:db8::1'],
  ])('is %s', (_, peer, forwardedFor, client) => {
    expect(clientIp(peer, forwardedFor, isTrusted)).toBe(client)
  })

  it('is the peer, whatever it writes, when no proxy is trusted', () => {
    expect(clientIp('10.0.0.1', '5.6.7.8', null)).toBe('10.0.0.1')
  })
})

describe('parseIpRanges', () => {
  it('takes addresses and blocks', () => {
    expect(parseIpRanges(['10.0.0.7', '10.0.0.1/8', '::1/128'])).toEqual([
      '10.0.0.7',
      '10.0.0.1/8',
      '::1/128',
    ])
  })

  it.each(['', 'proxy', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::1/129', '10.0.0.0/-1'])(
    'refuses %j',
    (entry) => {
      expect(() => parseIpRanges([entry])).toThrow(expect.objectContaining({ code: 'USAGE_INVALID' }))
    },
  )
})
