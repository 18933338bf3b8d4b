import { describe, expect, it } from '@jest/globals'
import { sumByMonth } from '../../../src/lib/service/client-usage-months.js'
import { type UsageRow, sumOfUsage } from '../../../src/lib/service/client-usage-table.js'

const rowOf = (day: string, client: string, model: string, requests: number): UsageRow => ({
  day,
  client,
  model,
  requests,
  errors: requests - 1,
  promptTokens: 10 * requests,
  completionTokens: 100 * requests,
  cachedTokens: 2 * requests,
  reasoningTokens: 3 * requests,
  sources: { host: 1, tokenizer: 0, none: requests - 1 },
})

const ROWS = [
  rowOf('2025-12-01', 'b', 'small', 1),
  rowOf('2025-11-30', 'b', 'small', 2),
  rowOf('2025-11-01', 'b', 'large', 3),
  rowOf('2025-11-02', 'b', 'small', 4),
  rowOf('2025-11-02', 'a', 'small', 5),
]

describe('the use by month', () => {
  it('has an entry for each month and client, in order, and its models', () => {
    const months = sumByMonth(ROWS)

    expect(
      months.map(({ month, client, requests, models }) => [
        month,
        client,
        requests,
        models.map(({ model, requests: ofModel }) => [model, ofModel]),
      ]),
    ).toEqual([
      ['2025-11', 'a', 5, [['small', 5]]],
      [
        '2025-11',
        'b',
        9,
        [
          ['large', 3],
          ['small', 6],
        ],
      ],
      ['2025-12', 'b', 1, [['small', 1]]],
    ])
  })

  it('adds up to the same in all counts', () => {
    const months = sumByMonth(ROWS)

    expect(sumOfUsage(months)).toEqual(sumOfUsage(ROWS))
    expect(sumOfUsage(months.flatMap(({ models }) => models))).toEqual(sumOfUsage(ROWS))
  })

  it('has no entry where nothing was used', () => {
    expect(sumByMonth([])).toEqual([])
  })

  it('tells clients apart whose names run together', () => {
    expect(sumByMonth([rowOf('2025-11-01', 'a","b', 'c', 1), rowOf('2025-11-01', 'a', 'b', 1)])).toHaveLength(
      2,
    )
  })
})
