import { describe, expect, it } from '@jest/globals'
import { createRestRateLimit } from '../../../src/lib/node/rest-rate-limit.js'

function limitAt(numRequests: number, periodSec: number, maxKeys?: number) {
  const clock = { nowMs: 1_000_000 }
  const limit = createRestRateLimit(
    { numRequests, periodSec, ...(maxKeys === undefined ? {} : { maxKeys }) },
    { now: () => clock.nowMs },
  )
  return { clock, limit }
}

describe('createRestRateLimit', () => {
  it('lets the whole number pass at once and tells what is left', () => {
    const { limit } = limitAt(3, 60)

    const states = [1, 2, 3, 4].map(() => limit.take('a'))

    expect(states).toEqual([
      { ok: true, remaining: 2, resetSec: 20, retryAfterSec: 0 },
      { ok: true, remaining: 1, resetSec: 40, retryAfterSec: 0 },
      { ok: true, remaining: 0, resetSec: 60, retryAfterSec: 0 },
      { ok: false, remaining: 0, resetSec: 60, retryAfterSec: 20 },
    ])
  })

  it('lets one more pass after the time it told, and not before', () => {
    const { clock, limit } = limitAt(3, 60)
    for (let count = 0; count < 3; count += 1) limit.take('a')

    clock.nowMs += 19_900
    const early = limit.take('a').ok
    clock.nowMs += 100

    expect([early, limit.take('a').ok, limit.take('a').ok]).toEqual([false, true, false])
  })

  it.each([
    [60, 60],
    [7, 3],
    [1, 1],
    [999, 10],
  ])('lets %i per %i s pass and no more, over ten periods', (numRequests, periodSec) => {
    const { clock, limit } = limitAt(numRequests, periodSec)
    let passed = 0

    const steps = 10 * periodSec * 20
    for (let step = 0; step < steps; step += 1) {
      while (limit.take('a').ok) passed += 1
      clock.nowMs += 50
    }

    // A whole burst, then one for each interval, less what the last step may hold.
    expect(passed).toBeGreaterThanOrEqual(11 * numRequests - 1 - Math.ceil(numRequests / (periodSec * 20)))
    expect(passed).toBeLessThanOrEqual(11 * numRequests)
  })

  it('counts keys apart', () => {
    const { limit } = limitAt(1, 60)
    limit.take('a')

    expect([limit.take('a').ok, limit.take('b').ok]).toEqual([false, true])
  })

  it('forgets whoever was quiet for longest when there are too many', () => {
    const { limit } = limitAt(2, 60, 2)
    for (const key of ['a', 'a', 'b', 'b', 'c']) limit.take(key)

    expect([limit.take('b').ok, limit.take('a').ok]).toEqual([false, true])
  })
})
