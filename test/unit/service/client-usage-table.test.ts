import { describe, expect, it } from '@jest/globals'
import { type UsageEntry, createUsageDay, sumOfUsage } from '../../../src/lib/service/client-usage-table.js'
import { createDice } from '../../helpers/dice.js'

const entry = (changes: Partial<UsageEntry> = {}): UsageEntry => ({
  client: 'one',
  model: 'small',
  isError: false,
  source: 'host',
  promptTokens: 100,
  completionTokens: 20,
  cachedTokens: 64,
  reasoningTokens: 5,
  ...changes,
})

describe('the use of a day', () => {
  it('is counted per client and model', () => {
    const day = createUsageDay('2025-11-22')

    day.count(entry())
    day.count(entry({ promptTokens: 1, source: 'tokenizer' }))
    day.count(
      entry({
        isError: true,
        source: 'none',
        promptTokens: 0,
        completionTokens: 0,
        cachedTokens: 0,
        reasoningTokens: 0,
      }),
    )
    day.count(entry({ model: 'large' }))

    expect(day.rows()).toEqual([
      {
        day: '2025-11-22',
        client: 'one',
        model: 'large',
        requests: 1,
        errors: 0,
        promptTokens: 100,
        completionTokens: 20,
        cachedTokens: 64,
        reasoningTokens: 5,
        sources: { host: 1, tokenizer: 0, none: 0 },
      },
      {
        day: '2025-11-22',
        client: 'one',
        model: 'small',
        requests: 3,
        errors: 1,
        promptTokens: 101,
        completionTokens: 40,
        cachedTokens: 128,
        reasoningTokens: 10,
        sources: { host: 1, tokenizer: 1, none: 1 },
      },
    ])
  })

  it('keeps clients and models apart whatever their names are', () => {
    const day = createUsageDay('2025-11-22')

    for (const [client, model] of [
      ['a', 'b/c'],
      ['a/b', 'c'],
      ['__proto__', 'constructor'],
      ['', ''],
    ])
      day.count(entry({ client, model }))

    expect(day.rows().map(({ client, model, requests }) => [client, model, requests])).toEqual([
      ['', '', 1],
      ['__proto__', 'constructor', 1],
      ['a', 'b/c', 1],
      ['a/b', 'c', 1],
    ])
  })

  it('takes in what was counted elsewhere, and gives copies', () => {
    const [here, elsewhere] = [createUsageDay('2025-11-22'), createUsageDay('2025-11-22')]
    here.count(entry())
    const before = here.rows()
    elsewhere.count(entry({ isError: true }))

    for (const row of elsewhere.rows()) here.add(row)

    expect(here.rows()[0]).toMatchObject({ requests: 2, errors: 1, promptTokens: 200, sources: { host: 2 } })
    expect(before[0]).toMatchObject({ requests: 1, errors: 0, promptTokens: 100, sources: { host: 1 } })
  })

  it('adds up to what was counted, however it is divided', () => {
    const dice = createDice(7)
    const entries = Array.from({ length: 500 }, () =>
      entry({
        client: dice.pick(['one', 'two', 'three']),
        model: dice.pick(['small', 'large']),
        source: dice.pick(['host', 'tokenizer', 'none']),
        isError: dice.once(5),
        promptTokens: dice.between(0, 9_999),
      }),
    )
    const whole = createUsageDay('2025-11-22')
    const parts = [createUsageDay('2025-11-22'), createUsageDay('2025-11-22')]

    for (const item of entries) {
      whole.count(item)
      dice.pick(parts).count(item)
    }

    const merged = createUsageDay('2025-11-22')
    for (const row of parts.flatMap((part) => part.rows())) merged.add(row)
    expect(merged.rows()).toEqual(whole.rows())
    const total = sumOfUsage(whole.rows())
    expect(total.requests).toBe(500)
    expect(total.sources.host + total.sources.tokenizer + total.sources.none).toBe(500)
    expect(total.promptTokens).toBe(entries.reduce((sum, { promptTokens }) => sum + promptTokens, 0))
  })
})

describe('the sum of nothing', () => {
  it('is nothing', () => {
    expect(sumOfUsage([])).toEqual({
      requests: 0,
      errors: 0,
      promptTokens: 0,
      completionTokens: 0,
      cachedTokens: 0,
      reasoningTokens: 0,
      sources: { host: 0, tokenizer: 0, none: 0 },
    })
  })
})
