import { describe, expect, it } from '@jest/globals'
import { type HostHealth, UNTRIED, afterFailure } from '../../../src/lib/router/health.js'
import type { Host } from '../../../src/lib/router/hosts.js'
import { orderHosts } from '../../../src/lib/router/policy.js'

const host = (id: string): Host => ({
  id,
  origin: 'http://host',
  basePath: '',
  model: 'm',
  timeoutMs: 1,
  authHeaders: () => ({}),
})
const failures = (count: number, nowMs: number): HostHealth =>
  Array.from({ length: count }).reduce<HostHealth>((health) => afterFailure(health, nowMs), UNTRIED)
const order = (states: { id: string; health?: HostHealth; outstanding?: number }[], nowMs = 0) =>
  orderHosts(
    states.map(({ id, health = UNTRIED, outstanding = 0 }) => ({ host: host(id), health, outstanding })),
    nowMs,
  ).map(({ id }) => id)

describe('the order of hosts', () => {
  it('is that of the configuration when nothing is known', () => {
    expect(order([{ id: 'a' }, { id: 'b' }, { id: 'c' }])).toEqual(['a', 'b', 'c'])
  })

  it('prefers the host with the fewest requests under way', () => {
    expect(
      order([
        { id: 'a', outstanding: 2 },
        { id: 'b', outstanding: 1 },
        { id: 'c', outstanding: 2 },
      ]),
    ).toEqual(['b', 'a', 'c'])
  })

  it('keeps avoided hosts for the end, and does not lose them', () => {
    expect(
      order([
        { id: 'a', health: failures(3, 0) },
        { id: 'b', outstanding: 9 },
      ]),
    ).toEqual(['b', 'a'])
  })

  it('gives a host one request to find out whether it is back', () => {
    const back = failures(3, 0)

    expect(
      order(
        [
          { id: 'a', health: back },
          { id: 'b', outstanding: 1 },
        ],
        2_000,
      ),
    ).toEqual(['a', 'b'])
    expect(
      order(
        [
          { id: 'a', health: back, outstanding: 1 },
          { id: 'b', outstanding: 5 },
        ],
        2_000,
      ),
    ).toEqual(['b', 'a'])
  })

  it('is empty without hosts', () => {
    expect(order([])).toEqual([])
  })
})
