import { describe, expect, it } from '@jest/globals'
import { rememberWords } from '../../../src/lib/service/remember.js'

/** Lengths of words, and the words that they were worked out for. */
function noting() {
  const computed: string[] = []
  const lengthOf = rememberWords((word) => (computed.push(word), word.length))
  return { computed, lengthOf }
}

describe('remembering words', () => {
  it('computes a short word once', () => {
    const { computed, lengthOf } = noting()

    expect([lengthOf('bee'), lengthOf('bee'), lengthOf('')]).toEqual([3, 3, 0])
    expect(lengthOf('')).toBe(0)
    expect(computed).toEqual(['bee', ''])
  })

  it('does not keep long words', () => {
    const { computed, lengthOf } = noting()
    const [short, long] = ['b'.repeat(64), 'b'.repeat(65)]

    for (const word of [short, long, short, long]) expect(lengthOf(word)).toBe(word.length)

    expect(computed).toEqual([short, long, long])
  })

  it('keeps a bounded number', () => {
    const { computed, lengthOf } = noting()
    const words = Array.from({ length: 8_193 }, (_, number) => `w${number}`)

    for (const word of words) lengthOf(word)
    lengthOf('w0')
    lengthOf('w8192')

    expect(computed).toHaveLength(8_194)
  })
})
