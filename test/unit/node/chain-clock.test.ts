import { describe, expect, it } from '@jest/globals'
import { ZERO_ADDRESS, ZERO_BYTES32 } from '../../../src/lib/hex.js'
import { createChainClock, isPast } from '../../../src/lib/node/chain-clock.js'

describe('createChainClock', () => {
  it('goes on between blocks and follows the chain when a block comes', () => {
    let nowMs = 5_000
    const clock = createChainClock(() => nowMs)

    clock.set(1_700_000_000)
    nowMs += 2_900
    const between = clock.nowSec()
    clock.set(1_900_000_000)

    expect(between).toBe(1_700_000_002)
    expect(clock.nowSec()).toBe(1_900_000_000)
  })

  it('does not start anew when the same block is seen again', () => {
    let nowMs = 0
    const clock = createChainClock(() => nowMs)

    clock.set(100)
    nowMs += 3_000
    clock.set(100)

    expect(clock.nowSec()).toBe(103)
  })

  it('never goes back because this machine’s clock does', () => {
    let nowMs = 10_000
    const clock = createChainClock(() => nowMs)

    clock.set(100)
    nowMs = 0

    expect(clock.nowSec()).toBe(100)
  })
})

describe('isPast', () => {
  const subscription = {
    owner: ZERO_ADDRESS,
    activeAt: 1_000,
    period: 60,
    frequency: 9,
    redundancy: 1,
    containerId: ZERO_BYTES32,
    lazy: false,
    verifier: ZERO_ADDRESS,
    paymentAmount: 0n,
    paymentToken: ZERO_ADDRESS,
    wallet: ZERO_ADDRESS,
  }

  it.each([
    [999, false],
    [1_000, false],
    [1_119, false],
    [1_120, true],
  ])('says of interval 2 at second %i: %s', (nowSec, expected) => {
    expect(isPast(subscription, 2, nowSec)).toBe(expected)
  })

  it('never says it of a one-off', () => {
    expect(isPast({ ...subscription, period: 0 }, 1, 4_000_000_000)).toBe(false)
  })
})
