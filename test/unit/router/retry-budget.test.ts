import { describe, expect, it } from '@jest/globals'
import { type RetryBudget, createRetryBudget } from '../../../src/lib/router/retry-budget.js'

/** Takes out what there is. */
function empty(budget: RetryBudget, nowMs: number): number {
  let taken = 0
  while (budget.withdraw(nowMs)) taken += 1
  return taken
}

describe('the retry budget', () => {
  it('grants ten retries at the begin', () => {
    expect(empty(createRetryBudget(0, 500), 500)).toBe(10)
  })

  it('refuses when it is exhausted', () => {
    const budget = createRetryBudget(0, 0)
    empty(budget, 0)

    expect(budget.withdraw(0)).toBe(false)
    expect(budget.withdraw(99)).toBe(false)
  })

  it('grants ten more each second', () => {
    const budget = createRetryBudget(0, 0)
    empty(budget, 0)

    expect(empty(budget, 100)).toBe(1)
    expect(empty(budget, 1_100)).toBe(10)
  })

  it('grants a share of the requests', () => {
    const budget = createRetryBudget(0.2, 0)
    empty(budget, 0)

    for (let request = 0; request < 100; request += 1) budget.deposit(0)

    expect(empty(budget, 0)).toBeGreaterThanOrEqual(19)
    expect(empty(budget, 0)).toBe(0)
  })

  it('adds up shares of one request', () => {
    const budget = createRetryBudget(0.25, 0)
    empty(budget, 0)

    for (let request = 0; request < 3; request += 1) budget.deposit(0)
    expect(budget.withdraw(0)).toBe(false)
    budget.deposit(0)

    expect(budget.withdraw(0)).toBe(true)
  })

  it('saves up a hundred at most, over a night or from many requests', () => {
    const [quiet, busy] = [createRetryBudget(0, 0), createRetryBudget(10, 0)]
    for (let request = 0; request < 1_000; request += 1) busy.deposit(0)

    expect(empty(quiet, 36_000_000)).toBe(100)
    expect(empty(busy, 0)).toBe(100)
  })

  it('bounds retries of a fault of all hosts to a part of the load', () => {
    const budget = createRetryBudget(0.2, 0)
    let retries = 0

    for (let request = 0; request < 10_000; request += 1) {
      budget.deposit(request)
      if (budget.withdraw(request)) retries += 1
    }

    // 10 at the begin, 10 a second over ten seconds, one for every fifth request.
    expect(retries).toBeGreaterThan(2_100)
    expect(retries).toBeLessThanOrEqual(2_110)
  })
})
