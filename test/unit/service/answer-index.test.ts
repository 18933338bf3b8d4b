import { createHash } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import type { Hex } from '../../../src/lib/hex.js'
import { createAnswerIndex } from '../../../src/lib/service/answer-index.js'

const keyOf = (number: number): Hex => `0x${createHash('sha256').update(number.toString()).digest('hex')}`

describe('an index of answers', () => {
  it('finds each of many keys, and no other', () => {
    const index = createAnswerIndex()
    const many = 20_000

    for (let number = 1; number <= many; number += 1) index.add(keyOf(number), number)

    expect(index.size).toBe(many)
    for (let number = 1; number <= many; number += 1) expect(index.find(keyOf(number))).toEqual([number])
    for (let number = 1; number <= many; number += 1) expect(index.find(keyOf(-number))).toEqual([])
  })

  it('gives all places of keys that begin alike', () => {
    const index = createAnswerIndex()
    const alike = (end: string): Hex => `0x${'7'.repeat(32)}${end.repeat(32)}`

    for (let offset = 1; offset <= 200; offset += 1) index.add(alike((offset % 10).toString()), offset)
    index.add(keyOf(1), 201)

    expect(index.find(alike('0'))).toHaveLength(200)
    expect(index.find(keyOf(1))).toEqual([201])
  })

  it('takes keys of zeros and ones, and the largest offset', () => {
    const index = createAnswerIndex()

    index.add(`0x${'00'.repeat(32)}`, 0xffff_ffff)
    index.add(`0x${'ff'.repeat(32)}`, 1)

    expect(index.find(`0x${'00'.repeat(32)}`)).toEqual([0xffff_ffff])
    expect(index.find(`0x${'ff'.repeat(32)}`)).toEqual([1])
  })
})
