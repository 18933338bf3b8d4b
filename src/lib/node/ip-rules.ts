/** Addresses of clients, and lists of addresses and CIDR blocks that they are compared with. */
import { BlockList, isIP } from 'node:net'
import { FlockError } from '../errors.js'

/** Whether an address is on a list. */
export type IpRule = (ip: string) => boolean

/**
 * A rule from IPv4 and IPv6 addresses and CIDR blocks. Bits of the host may be set in a block.
 * @param entries checked before: what is no address is left out
 */
export function createIpRule(entries: readonly string[]): IpRule {
  const list = new BlockList()
  for (const entry of entries) {
    const [ip = '', prefix] = entry.split('/')
    const family = familyOf(ip)
    if (family === null) continue
    if (prefix === undefined) list.addAddress(ip, family)
    else list.addSubnet(ip, Number(prefix), family)
  }
  return (ip) => {
    const family = familyOf(ip)
    return family !== null && list.check(ip, family)
  }
}

/**
 * Checks addresses and CIDR blocks as they are typed.
 * @throws USAGE_INVALID
 */
export function parseIpRanges(given: readonly string[]): readonly string[] {
  for (const entry of given) {
    const [ip = '', prefix, ...rest] = entry.split('/')
    const maxBits = isIP(ip) === 6 ? 128 : 32
    const isBlock = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= maxBits)
    if (isIP(ip) === 0 || !isBlock || rest.length > 0)
      throw new FlockError('USAGE_INVALID', `"${entry}" is no IPv4 or IPv6 address or CIDR block.`, {
        hint: 'For instance 10.0.0.7 or 10.0.0.0/8.',
      })
  }
  return given
}

/** One spelling for each address: IPv4 without its IPv6 form, no zone. Empty when there is none. */
export function plainIp(address: string | undefined): string {
  const ip = (address ?? '').replace(/%.*$/, '').toLowerCase()
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(ip) ?? []
  return mapped ?? ip
}

/**
 * Who shares a limit: an IPv4 address, or the 64 bits of an IPv6 address that name a network, of which every host has as
 * many addresses as it wants.
 */
export function networkOf(ip: string): string {
  if (isIP(ip) !== 6) return ip
  const [head = '', tail] = ip.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
  return `${groups.slice(0, 4).join(':')}::/64`
}

/**
 * The client behind a connection. What `X-Forwarded-For` says counts only as far as trusted proxies wrote it: the last
 * address of it that is no trusted proxy itself.
 */
export function clientIp(
  peer: string | undefined,
  forwardedFor: string | undefined,
  isTrusted: IpRule | null,
): string {
  let ip = plainIp(peer)
  if (isTrusted === null || forwardedFor === undefined) return ip
  const hops = forwardedFor.split(',').map((hop) => plainIp(hop.trim()))
  for (let hop = hops.pop(); hop !== undefined && isTrusted(ip) && isIP(hop) !== 0; hop = hops.pop()) ip = hop
  return ip
}

function familyOf(ip: string): 'ipv4' | 'ipv6' | null {
  const version = isIP(ip)
  if (version === 0) return null
  return version === 4 ? 'ipv4' : 'ipv6'
}
