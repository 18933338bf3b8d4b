import { describe, expect, it } from '@jest/globals'
import { type HealthTracker, createHealthTracker } from '../../../src/lib/router/health.js'

/** A host after so many failures in a row, all at one time. */
function failed(count: number, nowMs = 0): HealthTracker {
  const health = createHealthTracker()
  for (let call = 0; call < count; call += 1) health.failed(nowMs)
  return health
}

describe('the circuit of a host', () => {
  it('is closed for a host that was never asked', () => {
    expect(createHealthTracker().circuit(0)).toBe('closed')
  })

  it('stays closed for two failures and opens with the third', () => {
    expect(failed(2, 100).circuit(100)).toBe('closed')
    expect(failed(3, 100).circuit(100)).toBe('open')
  })

  it('counts failures in a row: one success in between begins anew', () => {
    const health = failed(2)
    health.succeeded(0)
    health.failed(0)
    health.failed(0)

    expect(health.circuit(0)).toBe('closed')
  })

  it('allows a trial after the pause, and doubles the pause when the trial fails', () => {
    const health = failed(3)
    expect(health.circuit(1_999)).toBe('open')
    expect(health.circuit(2_000)).toBe('trial')

    health.failed(2_000)
    expect(health.circuit(5_999)).toBe('open')
    expect(health.circuit(6_000)).toBe('trial')
  })

  it('closes with a trial that succeeds', () => {
    const health = failed(3)

    health.succeeded(2_000)

    expect(health.circuit(2_000)).toBe('closed')
  })

  it('stays open when what was asked before comes back during the pause, good or bad', () => {
    const health = failed(3)

    health.succeeded(500)
    expect(health.circuit(1_999)).toBe('open')
    health.failed(1_000)
    expect(health.circuit(1_999)).toBe('open')
    expect(health.circuit(2_000)).toBe('trial')
  })

  it('never pauses for longer than a minute', () => {
    const health = failed(3)
    let nowMs = 0
    for (let trial = 0; trial < 20; trial += 1) {
      nowMs += 60_000
      health.failed(nowMs)
    }

    expect(health.circuit(nowMs + 59_999)).toBe('open')
    expect(health.circuit(nowMs + 60_000)).toBe('trial')
  })

  it('pauses for longer when a host fails again soon after it came back', () => {
    const health = failed(3)
    health.succeeded(2_000)
    for (let call = 0; call < 3; call += 1) health.failed(3_000)

    expect(health.circuit(6_999)).toBe('open')
    expect(health.circuit(7_000)).toBe('trial')
  })

  it('forgets former pauses after a good minute', () => {
    const health = failed(3)
    health.succeeded(2_000)
    health.succeeded(62_001)
    for (let call = 0; call < 3; call += 1) health.failed(62_001)

    expect(health.circuit(64_001)).toBe('trial')
  })
})

describe('a host that fails now and then', () => {
  /** Calls, one a millisecond, of which every `nth` fails. */
  function flapping(calls: number, nth: number, spacingMs = 1): HealthTracker {
    const health = createHealthTracker()
    for (let call = 1; call <= calls; call += 1) {
      if (call % nth === 0) health.failed(call * spacingMs)
      else health.succeeded(call * spacingMs)
    }
    return health
  }

  it('is put out when every second call fails', () => {
    expect(flapping(9, 2).circuit(9)).toBe('closed')
    expect(flapping(10, 2).circuit(10)).toBe('open')
  })

  it('is kept when every third call fails', () => {
    expect(flapping(300, 3).circuit(300)).toBe('closed')
  })

  it('is kept when its failures are so rare that they tell nothing', () => {
    expect(flapping(40, 2, 5_000).circuit(200_000)).toBe('closed')
  })

  it('is judged anew after it came back', () => {
    const health = flapping(10, 2)
    health.succeeded(2_010)
    health.failed(2_010)

    expect(health.circuit(2_010)).toBe('closed')
  })

  it('is judged by the last twenty seconds at most', () => {
    const health = createHealthTracker()
    for (let call = 0; call < 1_000; call += 1) health.succeeded(0)
    for (let call = 0; call < 10; call += 1) {
      health.failed(20_000)
      if (call < 9) health.succeeded(20_000)
    }

    expect(health.circuit(20_000)).toBe('open')
  })
})

describe('the trust in a host', () => {
  it('is whole as long as nothing speaks against it', () => {
    const health = createHealthTracker()
    expect(health.trust(0)).toBe(1)

    health.succeeded(0)

    expect(health.trust(0)).toBe(1)
  })

  it.each([
    [1, 1, 1 / 2],
    [1, 2, 2 / 3],
    [1, 9, 9 / 10],
    [2, 8, 7 / 9],
  ])('after %d failures in %d calls is %d', (failures, calls, expected) => {
    const health = createHealthTracker()
    for (let call = 0; call < failures; call += 1) health.failed(0)
    for (let call = failures; call < calls; call += 1) health.succeeded(0)

    expect(health.trust(0)).toBeCloseTo(expected, 9)
  })

  it('comes back within twenty seconds, though nobody asks', () => {
    const health = failed(1, 100_000)

    expect(health.trust(109_999)).toBe(0.5)
    expect(health.trust(119_999)).toBe(0.5)
    expect(health.trust(120_000)).toBe(1)
  })

  it('looks at two windows of ten seconds', () => {
    const health = failed(1, 100_000)
    health.succeeded(112_000)

    expect(health.trust(112_000)).toBeCloseTo(2 / 3, 9)
    expect(health.trust(122_000)).toBe(1)
  })

  it('does not stand in the way of a trial', () => {
    expect(failed(3).trust(2_000)).toBe(1)
  })

  it('is whole for a host that came back', () => {
    const health = failed(3)

    health.succeeded(2_000)

    expect(health.trust(2_000)).toBe(1)
  })
})

describe('a host that asks for time', () => {
  it('rests for as long as it said, and then is in use at once', () => {
    const health = createHealthTracker()

    health.rested(100, 5_000)

    expect(health.circuit(5_099)).toBe('open')
    expect(health.circuit(5_100)).toBe('closed')
    expect(health.warmth(5_100)).toBe(1)
  })

  it('is not taken for one that fails', () => {
    const health = failed(2)

    for (let call = 0; call < 5; call += 1) health.rested(0, 1)

    expect(health.circuit(1)).toBe('closed')
  })

  it('rests half a minute at most', () => {
    const health = createHealthTracker()

    health.rested(0, 86_400_000)

    expect(health.circuit(30_000)).toBe('closed')
  })

  it('does not rest shorter for a second word', () => {
    const health = createHealthTracker()

    health.rested(0, 5_000)
    health.rested(0, 1_000)

    expect(health.circuit(4_999)).toBe('open')
  })
})

describe('the pause of a host', () => {
  it('lasts as long as the host is avoided', () => {
    const health = failed(3)
    expect([0, 500, 2_000, 9_000].map((nowMs) => health.pauseMs(nowMs))).toEqual([2_000, 1_500, 0, 0])

    health.rested(1_000, 5_000)

    expect(health.pauseMs(1_000)).toBe(5_000)
    expect(createHealthTracker().pauseMs(0)).toBe(0)
  })

  it('is over when the host has answered, though it failed before', () => {
    const health = failed(3)

    health.succeeded(2_000)

    expect(health.pauseMs(2_000)).toBe(0)
  })

  it('is told when it begins and when it becomes longer', () => {
    const health = failed(2)
    let told = 0
    health.onPause(() => (told += 1))

    health.failed(0)
    expect(told).toBe(1)
    health.failed(0)
    health.rested(0, 5_000)
    expect(told).toBe(2)
    health.rested(0, 4_000)
    health.succeeded(6_000)

    expect(told).toBe(2)
  })
})

describe('the share of a host that was away', () => {
  it('grows from a tenth to the whole in half a minute', () => {
    const health = failed(3)
    health.succeeded(2_000)

    expect(health.warmth(2_000)).toBe(0.1)
    expect(health.warmth(5_000)).toBe(0.1)
    expect(health.warmth(17_000)).toBe(0.5)
    expect(health.warmth(32_000)).toBe(1)
    expect(health.warmth(1_000_000)).toBe(1)
  })

  it('is whole for a host that never was away', () => {
    const health = createHealthTracker()
    health.succeeded(0)

    expect(health.warmth(0)).toBe(1)
  })
})
