import { describe, expect, it } from '@jest/globals'
import type { HostSettings } from '../../../src/lib/router/hosts.js'
import { type HostState, POLICIES, type Policy, chooseHost } from '../../../src/lib/router/policy.js'
import { createDice } from '../../helpers/dice.js'
import { hostOf } from '../../helpers/hosts.js'

type Spec = Partial<Omit<HostState, 'host'>> & Partial<HostSettings> & { id: string }

function stateOf({ outstanding = 0, latencyMs = null, warmth = 1, trust = 1, ...settings }: Spec): HostState {
  return { host: hostOf(settings), outstanding, latencyMs, warmth, trust }
}

function choose(policy: Policy, specs: Spec[], key: string | null = null, random = 0): string {
  return chooseHost(specs.map(stateOf), { policy, key, random: () => random }).host.id
}

/** How often each host is chosen. */
function shares(draws: number, draw: (turn: number) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let turn = 0; turn < draws; turn += 1) {
    const id = draw(turn)
    counts[id] = (counts[id] ?? 0) + 1
  }
  return counts
}

describe('every policy', () => {
  it.each(POLICIES)('has no choice with one host: %s', (policy) => {
    expect(choose(policy, [{ id: 'a', outstanding: 9, warmth: 0.1 }], 'key', 0.99)).toBe('a')
  })

  it.each(POLICIES)('cannot choose among no hosts: %s', (policy) => {
    expect(() => choose(policy, [])).toThrow(RangeError)
  })
})

describe('the policy latency', () => {
  it.each<[string, Spec[], string]>([
    [
      'the faster host',
      [
        { id: 'a', latencyMs: 30 },
        { id: 'b', latencyMs: 20 },
      ],
      'b',
    ],
    [
      'the slower host when the faster has enough to do',
      [
        { id: 'a', latencyMs: 30 },
        { id: 'b', latencyMs: 20, outstanding: 1 },
      ],
      'a',
    ],
    [
      'the faster host when it is faster even so',
      [
        { id: 'a', latencyMs: 90 },
        { id: 'b', latencyMs: 20, outstanding: 3 },
      ],
      'b',
    ],
    ['a host that was never asked', [{ id: 'a', latencyMs: 1 }, { id: 'b' }], 'b'],
    [
      'a host that showed how long it takes before one that still has to',
      [
        { id: 'a', outstanding: 1 },
        { id: 'b', latencyMs: 5_000, outstanding: 60 },
      ],
      'b',
    ],
    [
      'the host with fewer requests while none is known',
      [
        { id: 'a', outstanding: 2 },
        { id: 'b', outstanding: 1 },
      ],
      'b',
    ],
    [
      'the heavier of two equal hosts',
      [
        { id: 'a', latencyMs: 10 },
        { id: 'b', latencyMs: 10, weight: 2 },
      ],
      'b',
    ],
    [
      'the host with fewer requests of two that answer at once',
      [
        { id: 'a', latencyMs: 0, outstanding: 2 },
        { id: 'b', latencyMs: 0.9 },
      ],
      'b',
    ],
    [
      'the host that does not fail of two that answer at once',
      [
        { id: 'a', latencyMs: 0, trust: 0.9 },
        { id: 'b', latencyMs: 0 },
      ],
      'b',
    ],
    [
      'a host that answers before one that fails and was never seen to answer',
      [
        { id: 'a', trust: 0.5 },
        { id: 'b', latencyMs: 5_000, outstanding: 60 },
      ],
      'b',
    ],
    [
      'the one that fails less while none was seen to answer',
      [
        { id: 'a', trust: 0.25 },
        { id: 'b', trust: 0.5, outstanding: 2 },
      ],
      'b',
    ],
    [
      'a slower host before one that fails every third time',
      [
        { id: 'a', latencyMs: 10, trust: 2 / 3 },
        { id: 'b', latencyMs: 20 },
      ],
      'b',
    ],
    [
      'the warm one of two equal hosts',
      [
        { id: 'a', latencyMs: 10, warmth: 0.1 },
        { id: 'b', latencyMs: 10, outstanding: 5 },
      ],
      'b',
    ],
    [
      'the first of equals',
      [
        { id: 'a', latencyMs: 10 },
        { id: 'b', latencyMs: 10 },
      ],
      'a',
    ],
  ])('chooses %s', (_what, specs, expected) => {
    expect(choose('latency', specs)).toBe(expected)
  })
})

describe('the policy least-outstanding', () => {
  it.each<[string, Spec[], string]>([
    ['the first of equals', [{ id: 'a' }, { id: 'b' }], 'a'],
    [
      'the host with the fewest requests, however slow',
      [
        { id: 'a', outstanding: 2, latencyMs: 1 },
        { id: 'b', outstanding: 1, latencyMs: 900 },
        { id: 'c', outstanding: 2, latencyMs: 1 },
      ],
      'b',
    ],
    [
      'the host with the fewest requests for its weight',
      [
        { id: 'a', outstanding: 2 },
        { id: 'b', outstanding: 4, weight: 2 },
      ],
      'b',
    ],
    [
      'the host with more requests when the other one has few because it fails',
      [
        { id: 'a', trust: 0.5 },
        { id: 'b', outstanding: 2 },
      ],
      'b',
    ],
    [
      'a host that came back only when others have ten times as much to do',
      [
        { id: 'a', warmth: 0.1 },
        { id: 'b', outstanding: 8 },
      ],
      'b',
    ],
    [
      'a host that came back once others have ten times as much to do',
      [
        { id: 'a', warmth: 0.1 },
        { id: 'b', outstanding: 10 },
      ],
      'a',
    ],
  ])('chooses %s', (_what, specs, expected) => {
    expect(choose('least-outstanding', specs)).toBe(expected)
  })
})

describe('the policy weighted', () => {
  it('gives each host its share of many requests', () => {
    const dice = createDice(7)
    const states = [stateOf({ id: 'a' }), stateOf({ id: 'b', weight: 3 }), stateOf({ id: 'c', weight: 6 })]
    const random = () => dice.between(0, 999_999) / 1_000_000

    const counts = shares(20_000, () => chooseHost(states, { policy: 'weighted', key: null, random }).host.id)

    expect(counts.a).toBeGreaterThan(1_850)
    expect(counts.a).toBeLessThan(2_150)
    expect(counts.b).toBeGreaterThan(5_750)
    expect(counts.b).toBeLessThan(6_250)
    expect(counts.c).toBeGreaterThan(11_700)
  })

  it.each([
    [0, 'a'],
    [0.249, 'a'],
    [0.25, 'b'],
    [0.999_999, 'b'],
  ])('draws %s as host %s of weights 1 and 3', (random, expected) => {
    expect(choose('weighted', [{ id: 'a' }, { id: 'b', weight: 3 }], null, random)).toBe(expected)
  })

  it('gives a host that came back a part of its share', () => {
    const specs = [{ id: 'a', warmth: 0.1 }, { id: 'b' }]

    expect(choose('weighted', specs, null, 0.09)).toBe('a')
    expect(choose('weighted', specs, null, 0.1)).toBe('b')
  })
})

describe('the policy priority', () => {
  it('chooses the lowest number, however much it has to do', () => {
    expect(
      choose('priority', [
        { id: 'a', priority: 2 },
        { id: 'b', priority: 1, outstanding: 60, latencyMs: 900 },
      ]),
    ).toBe('b')
  })

  it('spreads requests over hosts of one number', () => {
    expect(
      choose('priority', [
        { id: 'a', priority: 1, outstanding: 2 },
        { id: 'b', priority: 1, outstanding: 1 },
        { id: 'c', priority: 2 },
      ]),
    ).toBe('b')
  })
})

describe('the policy sticky', () => {
  const KEYS = Array.from({ length: 3_000 }, (_, index) => `0x${index.toString(16).padStart(40, '0')}`)
  const placesOf = (specs: Spec[]) => {
    const states = specs.map(stateOf)
    return KEYS.map((key) => chooseHost(states, { policy: 'sticky', key, random: () => 0 }).host.id)
  }
  const four = ['a', 'b', 'c', 'd'].map((id) => ({ id }))

  it('sends a requester to the same host, whatever the hosts have to do', () => {
    const before = placesOf(four)

    const after = placesOf(four.map(({ id }, index) => ({ id, outstanding: index, latencyMs: 9 - index })))

    expect(after).toEqual(before)
  })

  it('does not mind in which order hosts are named', () => {
    expect(placesOf([...four].reverse())).toEqual(placesOf(four))
  })

  it('spreads requesters evenly', () => {
    const places = placesOf(four)

    const counts = shares(KEYS.length, (turn) => places[turn] as string)

    for (const { id } of four) {
      expect(counts[id]).toBeGreaterThan(660)
      expect(counts[id]).toBeLessThan(840)
    }
  })

  it('spreads requesters by weight', () => {
    const places = placesOf([{ id: 'a' }, { id: 'b', weight: 4 }])

    const counts = shares(KEYS.length, (turn) => places[turn] as string)

    expect(counts.a).toBeGreaterThan(510)
    expect(counts.a).toBeLessThan(690)
  })

  it('moves only the requesters of a host that goes', () => {
    const before = placesOf(four)

    const after = placesOf(four.filter(({ id }) => id !== 'b'))

    const moved = KEYS.filter((_, index) => before[index] !== after[index])
    expect(moved).toEqual(KEYS.filter((_, index) => before[index] === 'b'))
    expect(new Set(after.filter((_, index) => before[index] === 'b'))).toEqual(new Set(['a', 'c', 'd']))
  })

  it('moves only to a host that comes', () => {
    const before = placesOf(four)

    const after = placesOf([...four, { id: 'e' }])

    const moved = after.filter((id, index) => id !== before[index])
    expect(new Set(moved)).toEqual(new Set(['e']))
    expect(moved.length).toBeGreaterThan(500)
    expect(moved.length).toBeLessThan(700)
  })

  it('spreads requests of nobody in particular by what hosts have to do', () => {
    expect(choose('sticky', [{ id: 'a', outstanding: 1 }, { id: 'b' }])).toBe('b')
  })
})
