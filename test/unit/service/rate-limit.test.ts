import { describe, expect, it } from '@jest/globals'
import { type RateLimit, createRateLimit } from '../../../src/lib/service/rate-limit.js'
import { type Dice, createDice } from '../../helpers/dice.js'

const SEEDS = [...Array(60).keys()]

/** A limit with a clock that the test moves; it begins where clocks of 1970 do not. */
function createLimit(perMinute: number, burst = perMinute) {
  const clock = { ms: 1_700_000_000_000 }
  const limit = createRateLimit({ perMinute, burst }, { nowMs: () => clock.ms })
  return { limit, clock }
}

/** Takes cost by cost until nothing passes. */
function takeAll(limit: RateLimit): number {
  let taken = 0
  while (limit.take(1).ok) taken += 1
  return taken
}

describe('a rate limit', () => {
  it('lets the burst pass at once, and no more', () => {
    const { limit } = createLimit(60)

    expect(takeAll(limit)).toBe(60)
  })

  it('lets one more pass with every interval', () => {
    const { limit, clock } = createLimit(60)
    takeAll(limit)

    clock.ms += 999
    expect(limit.take(1).ok).toBe(false)

    clock.ms += 1
    expect(takeAll(limit)).toBe(1)
  })

  it('says what is left and until when, before and after', () => {
    const { limit, clock } = createLimit(600)

    expect(limit.check(0)).toEqual({ ok: true, retryAfterMs: 0, remaining: 600, resetMs: 0 })
    expect(limit.take(150)).toEqual({ ok: true, retryAfterMs: 0, remaining: 450, resetMs: 15_000 })
    clock.ms += 5_000
    expect(limit.check(501)).toEqual({ ok: false, retryAfterMs: 100, remaining: 500, resetMs: 10_000 })
  })

  it('charges nothing for what it refuses or only checks', () => {
    const { limit } = createLimit(10)
    limit.take(4)

    limit.take(7)
    limit.check(6)

    expect(limit.check(6).remaining).toBe(6)
  })

  it('names no time for what is above the burst', () => {
    const { limit, clock } = createLimit(10)

    expect(limit.take(11)).toMatchObject({ ok: false, retryAfterMs: null })
    clock.ms += 3_600_000
    expect(limit.take(11)).toMatchObject({ ok: false, retryAfterMs: null })
  })

  it('allows a burst apart from the rate', () => {
    const { limit, clock } = createLimit(60, 3)

    expect(takeAll(limit)).toBe(3)
    clock.ms += 60_000
    expect(takeAll(limit)).toBe(3)
  })

  it('passes after exactly the time that it named', () => {
    for (const seed of SEEDS) {
      const dice = createDice(seed)
      const burst = dice.between(1, 1_000)
      const { limit, clock } = createLimit(dice.between(1, 10_000), burst)
      limit.take(dice.between(1, burst))
      const cost = dice.between(1, burst)
      const { retryAfterMs } = limit.check(cost)
      if (retryAfterMs === null) throw new Error('a cost below the burst has to pass in the end')

      if (retryAfterMs > 0) {
        clock.ms += retryAfterMs - 1
        expect(limit.check(cost).ok).toBe(false)
        clock.ms += 1
      }

      expect(limit.take(cost).ok).toBe(true)
    }
  })

  it('stays exact at a thousand million a minute', () => {
    const perMinute = 1_000_000_000
    const { limit, clock } = createLimit(perMinute)
    limit.take(perMinute)

    for (let ms = 0; ms < 60; ms += 1) {
      clock.ms += 1
      limit.take(16_666)
    }

    // A million ran off in 60 ms, 60 * 16,666 were taken again.
    expect(limit.check(0).remaining).toBe(40)
  })
})

describe('the clock of a rate limit', () => {
  it('that stands still lets the burst pass once', () => {
    const { limit } = createLimit(5)
    takeAll(limit)

    expect(takeAll(limit)).toBe(0)
    expect(limit.check(1).retryAfterMs).toBe(12_000)
  })

  it('that jumps back gives nothing, and goes on from there', () => {
    const { limit, clock } = createLimit(60)
    takeAll(limit)

    clock.ms -= 86_400_000
    expect(takeAll(limit)).toBe(0)

    clock.ms += 2_000
    expect(takeAll(limit)).toBe(2)
  })

  it('that jumps ahead gives the burst at most', () => {
    const { limit, clock } = createLimit(60)
    takeAll(limit)

    clock.ms += 1_000 * 86_400_000

    expect(takeAll(limit)).toBe(60)
  })

  it('may tell fractions of milliseconds', () => {
    const { limit, clock } = createLimit(60_000)
    limit.take(60_000)

    for (let step = 0; step < 10; step += 1) clock.ms += 0.5

    expect(takeAll(limit)).toBe(5)
  })
})

describe('a reservation', () => {
  it('gives back what was not used', () => {
    const { limit } = createLimit(1_000)
    const reservation = limit.reserve(800)
    if (reservation === null) throw new Error('800 of 1000 have to pass')

    limit.settle(reservation, 300)

    expect(limit.check(0).remaining).toBe(700)
  })

  it('leaves a debt when more was used, which has to run off first', () => {
    const { limit, clock } = createLimit(600)
    const reservation = limit.reserve(600)
    if (reservation === null) throw new Error('the burst has to pass')

    limit.settle(reservation, 900)

    expect(limit.check(1)).toEqual({ ok: false, retryAfterMs: 30_100, remaining: 0, resetMs: 90_000 })
    clock.ms += 30_100
    expect(limit.take(1).ok).toBe(true)
  })

  it('that is not granted charges nothing', () => {
    const { limit } = createLimit(10)

    expect(limit.reserve(11)).toBeNull()
    expect(limit.check(0).remaining).toBe(10)
  })

  it('is settled once', () => {
    const { limit } = createLimit(100)
    limit.take(50)
    const reservation = limit.reserve(40)
    if (reservation === null) throw new Error('40 of the 50 left have to pass')

    limit.settle(reservation, 0)
    limit.settle(reservation, 0)
    limit.settle(reservation, 1_000)

    expect(limit.check(0).remaining).toBe(50)
  })

  it('gives nothing back that time gave back already', () => {
    const { limit, clock } = createLimit(100)
    const slow = limit.reserve(100)
    if (slow === null) throw new Error('the burst has to pass')
    clock.ms += 60_000
    limit.take(100)

    limit.settle(slow, 0)

    expect(limit.check(0).remaining).toBe(0)
  })
})

describe('reservations', () => {
  it('run off one after the other, the oldest first', () => {
    const { limit, clock } = createLimit(100)
    const [first, second, third] = [limit.reserve(30), limit.reserve(30), limit.reserve(30)]
    if (first === null || second === null || third === null) throw new Error('90 of 100 have to pass')
    clock.ms += 24_000

    limit.settle(third, 0)
    expect(limit.check(0).remaining).toBe(80)
    limit.settle(second, 0)
    expect(limit.check(0).remaining).toBe(100)
    limit.settle(first, 0)
    expect(limit.check(0).remaining).toBe(100)
  })

  it('that are settled take nothing from those that are open', () => {
    const { limit, clock } = createLimit(100)
    limit.take(50)
    const settled = limit.reserve(40)
    if (settled === null) throw new Error('40 of 50 have to pass')
    limit.settle(settled, 0)
    const open = limit.reserve(40)
    if (open === null) throw new Error('40 of 50 have to pass')

    clock.ms += 12_000
    limit.settle(open, 0)

    expect(limit.check(0).remaining).toBe(70)
  })
})

interface Passed {
  readonly atMs: number
  /** What it used at last, at most its estimate; the estimate while it is open. */
  counted: number
}

/** Random requests with random estimates and true costs, settled at random, under a clock that goes ahead. */
function play(dice: Dice): {
  readonly passed: readonly Passed[]
  readonly perMinute: number
  readonly burst: number
  readonly highest: number
} {
  const perMinute = dice.between(1, 5_000)
  const burst = dice.between(1, 2_000)
  const { limit, clock } = createLimit(perMinute, burst)
  const open: { settle: (used: number) => void; cost: number }[] = []
  const passed: Passed[] = []
  let highest = 0
  for (let step = 0; step < 150; step += 1) {
    if (dice.once(2)) clock.ms += dice.between(0, dice.once(4) ? 60_000 : 300)
    if (dice.once(3) && open.length > 0) {
      const [request] = open.splice(dice.between(0, open.length - 1), 1)
      request?.settle(dice.once(3) ? 0 : dice.between(0, request.cost + (dice.once(4) ? 50 : 0)))
    } else {
      const cost = dice.between(0, Math.ceil(burst / dice.between(1, 6)))
      const reservation = limit.reserve(cost)
      if (reservation !== null) {
        const entry: Passed = { atMs: clock.ms, counted: cost }
        passed.push(entry)
        open.push({
          cost,
          settle: (used) => {
            entry.counted = Math.min(used, cost)
            limit.settle(reservation, used)
          },
        })
      }
    }
    highest = Math.max(highest, limit.check(0).remaining)
  }
  return { passed, perMinute, burst, highest }
}

describe('any requests', () => {
  it('use at most the burst and the rate, in every stretch of time', () => {
    let tightest = Infinity
    for (const seed of SEEDS) {
      const { passed, perMinute, burst } = play(createDice(seed))
      for (let from = 0; from < passed.length; from += 1) {
        let used = 0
        for (const { atMs, counted } of passed.slice(from)) {
          used += counted
          const allowed = burst + (perMinute * (atMs - (passed[from]?.atMs ?? 0))) / 60_000
          tightest = Math.min(tightest, allowed - used)
        }
      }
    }

    expect(tightest).toBeGreaterThanOrEqual(0)
    // The bound is reached, so the requests do test it.
    expect(tightest).toBeLessThan(1)
  })

  it('never leave more than the burst', () => {
    for (const seed of SEEDS) {
      const { highest, burst } = play(createDice(seed))

      expect(highest).toBeLessThanOrEqual(burst)
    }
  })

  it('pass without estimates whenever they fit: nothing of the rate is lost', () => {
    for (const seed of SEEDS) {
      const dice = createDice(seed)
      const perMinute = dice.between(1, 100_000)
      const { limit, clock } = createLimit(perMinute)
      const begin = clock.ms
      let taken = 0
      const takeRest = () => {
        const rest = limit.check(0).remaining
        if (limit.take(rest).ok) taken += rest
      }
      takeRest()

      // Never idle for so long that the bucket runs empty.
      for (let step = 0; step < 40; step += 1) {
        clock.ms += dice.between(0, 59_000)
        takeRest()
      }

      expect(taken).toBe(perMinute + Math.floor((perMinute * (clock.ms - begin)) / 60_000))
    }
  })
})
