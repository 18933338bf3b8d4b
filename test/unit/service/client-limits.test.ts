import { describe, expect, it } from '@jest/globals'
import {
  type Admission,
  type ClientLimitSettings,
  type Permit,
  createClientLimits,
} from '../../../src/lib/service/client-limits.js'

function create(settings: Partial<ClientLimitSettings>) {
  const clock = { ms: 0 }
  const limits = createClientLimits(
    { requestsPerMinute: null, tokensPerMinute: null, maxConcurrent: null, ...settings },
    { nowMs: () => clock.ms },
  )
  return { limits, clock }
}

function permitOf({ permit }: Admission): Permit {
  if (permit === null) throw new Error('the request has to be let in')
  return permit
}

describe('a client without limits', () => {
  it('is let in at any time and told of no limit', () => {
    const { limits } = create({})

    const refusals = Array.from({ length: 1_000 }, () => limits.admit(1e9).refusal)

    expect(new Set(refusals)).toEqual(new Set([null]))
    expect(limits.headers()).toEqual({})
  })
})

describe('requests a minute', () => {
  it('are refused above the limit, in the words of OpenAI, with the time to wait', () => {
    const { limits, clock } = create({ requestsPerMinute: 2 })
    limits.admit(1)
    limits.admit(1)
    clock.ms += 500

    const { refusal } = limits.admit(1)

    expect(refusal).toEqual({
      reason: 'RATE_LIMITED',
      status: 429,
      headers: {
        'x-ratelimit-limit-requests': '2',
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '59.5s',
        'retry-after': '30',
        'retry-after-ms': '29500',
      },
      body: {
        error: {
          message: 'The limit of 2 requests a minute is reached. Try again in 29.5s.',
          type: 'requests',
          param: null,
          code: 'rate_limit_exceeded',
        },
      },
    })
  })

  it('are not used up by refused ones', () => {
    const { limits, clock } = create({ requestsPerMinute: 60, tokensPerMinute: 100 })
    for (let count = 0; count < 100; count += 1) limits.admit(101)

    clock.ms += 1

    expect(limits.headers()['x-ratelimit-remaining-requests']).toBe('60')
  })
})

describe('tokens a minute', () => {
  it('are reserved by the estimate and charged as used', () => {
    const { limits } = create({ tokensPerMinute: 1_000 })
    const permit = permitOf(limits.admit(799.5))
    expect(limits.headers()).toEqual({
      'x-ratelimit-limit-tokens': '1000',
      'x-ratelimit-remaining-tokens': '200',
      'x-ratelimit-reset-tokens': '48s',
    })

    limits.finish(permit, 100)

    expect(limits.headers()['x-ratelimit-remaining-tokens']).toBe('900')
  })

  it('stay charged by the estimate when nobody knows what was used', () => {
    const { limits } = create({ tokensPerMinute: 1_000 })

    limits.finish(permitOf(limits.admit(800)), null)

    expect(limits.headers()['x-ratelimit-remaining-tokens']).toBe('200')
  })

  it('are refused when too few are left', () => {
    const { limits } = create({ tokensPerMinute: 1_000 })
    limits.admit(800)

    const { refusal } = limits.admit(300)

    expect(refusal?.headers).toMatchObject({ 'retry-after': '6', 'retry-after-ms': '6000' })
    expect(refusal?.body.error).toMatchObject({
      message:
        'The limit of 1000 tokens a minute is reached: the request may use 300, 200 are left. Try again in 6s.',
      type: 'tokens',
    })
  })

  it('are refused for good above the limit, and SDKs are told not to try again', () => {
    const { limits } = create({ tokensPerMinute: 1_000 })

    const { refusal } = limits.admit(1_001)

    expect(refusal?.status).toBe(429)
    expect(refusal?.headers['x-should-retry']).toBe('false')
    expect(refusal?.headers).not.toHaveProperty('retry-after')
    expect(refusal?.body.error.message).toBe(
      'The request may use 1001 tokens, more than the 1000 a minute of this client. Lower max_tokens.',
    )
  })

  it('delay the next request by what was used above the estimate', () => {
    const { limits } = create({ tokensPerMinute: 1_000 })

    limits.finish(permitOf(limits.admit(1_000)), 2_000)

    expect(limits.admit(1).refusal?.headers['retry-after-ms']).toBe('60060')
  })
})

describe('requests at once', () => {
  it('are refused above the limit until one ends', () => {
    const { limits } = create({ maxConcurrent: 2 })
    const first = permitOf(limits.admit(1))
    permitOf(limits.admit(1))
    expect(limits.admit(1).refusal).toMatchObject({
      status: 429,
      headers: { 'retry-after': '1' },
      body: { error: { message: 'This client may have 2 requests under way at once.', type: 'requests' } },
    })

    limits.finish(first, null)

    expect(limits.admit(1).refusal).toBeNull()
  })

  it('are counted down once for each that ends', () => {
    const { limits } = create({ maxConcurrent: 2 })
    const first = permitOf(limits.admit(1))
    permitOf(limits.admit(1))

    limits.finish(first, 1)
    limits.finish(first, 1)

    expect(limits.admit(1).refusal).toBeNull()
    expect(limits.admit(1).refusal).not.toBeNull()
  })

  it('hold no place for requests that another limit refused', () => {
    const { limits, clock } = create({ maxConcurrent: 2, requestsPerMinute: 1, tokensPerMinute: 10 })
    limits.admit(11)
    permitOf(limits.admit(1))
    limits.admit(1)
    clock.ms += 60_000

    expect(limits.admit(1).refusal).toBeNull()
  })
})

describe('requests that no host works for', () => {
  it('count as requests', () => {
    const { limits } = create({ requestsPerMinute: 2 })
    expect(limits.admitIdle()).toBeNull()
    permitOf(limits.admit(1))

    const refusal = limits.admitIdle()

    expect(refusal).toMatchObject({
      status: 429,
      headers: { 'x-ratelimit-remaining-requests': '0', 'retry-after': '30' },
      body: { error: { code: 'rate_limit_exceeded' } },
    })
    expect(limits.admit(1).refusal).toEqual(refusal)
  })

  it('are let in whatever else is used up', () => {
    const { limits } = create({ tokensPerMinute: 10, maxConcurrent: 1 })
    limits.finish(permitOf(limits.admit(10)), 50)
    expect(limits.admit(1).refusal).not.toBeNull()
    expect([1, 2, 3].map(() => limits.admitIdle())).toEqual([null, null, null])
  })
})

describe('what would refuse any request', () => {
  it('is told without a cost, so that nothing has to be counted for it', () => {
    const { limits } = create({ requestsPerMinute: 1, tokensPerMinute: 10, maxConcurrent: 1 })
    for (let count = 0; count < 5; count += 1) expect(limits.refusal()).toBeNull()
    const permit = permitOf(limits.admit(1))
    expect(limits.refusal()?.body.error.message).toContain('at once')

    limits.finish(permit, 1)

    expect(limits.refusal()).toEqual(limits.admit(1).refusal)
    expect(limits.refusal()?.body.error.message).toContain('requests a minute')
  })
})

describe('the time until a limit is full again', () => {
  it.each([
    [1, '60ms'],
    [999, '59.94s'],
    [1_000, '1m0s'],
    [6_000, '6m0s'],
    [61_525, '1h1m31.5s'],
    [0, '0ms'],
  ])('is written as OpenAI does: %d of 1000 a minute', (used, text) => {
    const { limits } = create({ tokensPerMinute: 1_000 })

    limits.finish(permitOf(limits.admit(0)), used)

    expect(limits.headers()['x-ratelimit-reset-tokens']).toBe(text)
  })
})
