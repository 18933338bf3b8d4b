import { describe, expect, it } from '@jest/globals'
import { ZERO_ADDRESS, ZERO_BYTES32 } from '../../../src/lib/hex.js'
import {
  CANCELLED_ACTIVE_AT,
  type Subscription,
  intervalAt,
  intervalStartSec,
  lastInterval,
  subscriptionState,
} from '../../../src/lib/infernet/subscription.js'

const hourly: Subscription = {
  owner: '0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e',
  activeAt: 1_700_003_600,
  period: 3600,
  frequency: 3,
  redundancy: 2,
  containerId: ZERO_BYTES32,
  lazy: false,
  verifier: ZERO_ADDRESS,
  paymentAmount: 0n,
  paymentToken: ZERO_ADDRESS,
  wallet: ZERO_ADDRESS,
}

describe('intervals', () => {
  it.each([
    [1_700_003_600, 1],
    [1_700_007_199, 1],
    [1_700_007_200, 2],
    [1_700_010_800, 3],
    [1_700_014_399, 3],
    [1_700_014_400, 4],
  ])('counts at %d the interval %d', (nowSec, interval) => {
    expect(intervalAt(hourly, nowSec)).toBe(interval)
  })

  it('wraps around before activation, as the view of the Coordinator does', () => {
    expect(intervalAt(hourly, hourly.activeAt - 1)).toBe(1_193_047)
  })

  it('wraps to 0 at the very end of uint32 arithmetic', () => {
    expect(intervalAt({ activeAt: 1, period: 1 }, 0)).toBe(0)
  })

  it('takes the time modulo 2^32', () => {
    expect(intervalAt({ activeAt: 4_294_967_290, period: 10 }, 4_294_967_296 + 4)).toBe(2)
  })

  it('gives a one-off the interval 1 at any time', () => {
    expect(intervalAt({ activeAt: 5, period: 0 }, 4_000_000_000)).toBe(1)
  })

  it('knows when an interval starts', () => {
    expect(intervalStartSec(hourly, 1)).toBe(1_700_003_600)
    expect(intervalStartSec(hourly, 3)).toBe(1_700_010_800)
  })

  it.each([
    [{ period: 0, frequency: 5, redundancy: 1 }, 1],
    [{ period: 60, frequency: 5, redundancy: 1 }, 5],
    [{ period: 60, frequency: 0, redundancy: 1 }, 0],
    [{ period: 60, frequency: 5, redundancy: 0 }, 0],
  ])('finds the last interval of %j to be %d', (subscription, last) => {
    expect(lastInterval(subscription)).toBe(last)
  })
})

describe('the state of a subscription', () => {
  const at = (nowSec: number, responses = 0) => ({ nowSec, responses })

  it.each([
    ['missing without an owner', { ...hourly, owner: ZERO_ADDRESS }, at(1_700_003_600), 'missing'],
    ['cancelled', { ...hourly, activeAt: CANCELLED_ACTIVE_AT }, at(1_700_003_600), 'cancelled'],
    ['pending before it is active', hourly, at(1_700_003_599), 'pending'],
    ['active in its first second', hourly, at(1_700_003_600), 'active'],
    ['active between intervals that are full', hourly, at(1_700_007_200, 2), 'active'],
    ['active in the last interval while an answer is missing', hourly, at(1_700_014_399, 1), 'active'],
    ['completed when the last interval is full', hourly, at(1_700_014_399, 2), 'completed'],
    ['completed after the last interval', hourly, at(1_700_014_400), 'completed'],
    ['completed from the start without intervals', { ...hourly, frequency: 0 }, at(0), 'completed'],
    [
      'completed as an answered one-off of any frequency',
      { ...hourly, period: 0 },
      at(1_800_000_000, 2),
      'completed',
    ],
  ] as const)('is %s', (_what, subscription, moment, state) => {
    expect(subscriptionState(subscription, moment)).toBe(state)
  })
})
