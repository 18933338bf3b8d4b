import { describe, expect, it } from '@jest/globals'
import { joinPairs } from '../../../src/lib/service/byte-pairs.js'
import { type Dice, createDice } from '../../helpers/dice.js'

type Ranks = ReadonlyMap<string, number>

/** Merges by the two joined texts: `a b` is another pair than `ab` followed by nothing. */
function join(text: string, ranks: Ranks): string[] {
  const starts = Int32Array.from({ length: text.length + 1 }, (_, position) => position)
  const joined = joinPairs(
    starts,
    (start, middle, end) => ranks.get(`${text.slice(start, middle)} ${text.slice(middle, end)}`) ?? -1,
  )
  return joined.slice(1).map((end, at) => text.slice(joined[at], end))
}

/** One scan of all pairs for each that is joined. */
function joinByScan(text: string, ranks: Ranks): string[] {
  const parts = [...text]
  for (;;) {
    const found = parts.slice(1).map((part, at) => ranks.get(`${parts[at]} ${part}`) ?? Infinity)
    const lowest = Math.min(...found, Infinity)
    if (lowest === Infinity) return parts
    const at = found.indexOf(lowest)
    parts.splice(at, 2, `${parts[at]}${parts[at + 1]}`)
  }
}

/** Merges of a few letters and of what they make, so that pairs overlap wherever they can. */
function randomRanks(dice: Dice): Ranks {
  const tokens = ['a', 'b', 'c']
  const ranks = new Map<string, number>()
  for (let rank = 0; rank < 25; rank++) {
    const [left, right] = [dice.pick(tokens), dice.pick(tokens)]
    if (!ranks.has(`${left} ${right}`)) ranks.set(`${left} ${right}`, rank)
    tokens.push(left + right)
  }
  return ranks
}

describe('joining pairs', () => {
  it.each([
    ['', []],
    ['a', ['a']],
    ['x', ['x']],
    ['aa', ['aa']],
    ['aaa', ['aa', 'a']],
    ['aaaaa', ['aaaa', 'a']],
    ['abab', ['ab', 'ab']],
    ['aab', ['aa', 'b']],
    ['xaax', ['x', 'aa', 'x']],
  ])('takes the lowest rank first and the leftmost of several: %j', (text, parts) => {
    const ranks = new Map([
      ['a a', 0],
      ['aa aa', 1],
      ['a b', 2],
    ])

    expect(join(text, ranks)).toEqual(parts)
  })

  it('joins what a scan for each pair joins', () => {
    const dice = createDice(3)
    const cases = Array.from({ length: 2_000 }, () => ({
      ranks: randomRanks(dice),
      text: Array.from({ length: dice.between(0, 60) }, () => dice.pick(['a', 'a', 'b', 'c'])).join(''),
    }))

    for (const { text, ranks } of cases) expect(join(text, ranks)).toEqual(joinByScan(text, ranks))
  })

  it('goes by the symbols that it is given, not by characters', () => {
    const asked: number[][] = []

    const joined = joinPairs(Int32Array.of(0, 2, 3, 7), (...pair) => {
      asked.push(pair)
      return pair[0] === 2 ? 5 : -1
    })

    expect(joined).toEqual([0, 2, 7])
    expect(asked).toEqual([
      [0, 2, 3],
      [2, 3, 7],
      [0, 2, 7],
    ])
  })

  it('joins a million symbols to one', () => {
    const size = 2 ** 20
    const starts = Int32Array.from({ length: size + 1 }, (_, position) => position)

    const joined = joinPairs(starts, (start, middle, end) =>
      middle - start === end - middle ? Math.log2(middle - start) : -1,
    )

    expect(joined).toEqual([0, size])
  })
})
