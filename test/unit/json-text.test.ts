import { describe, expect, it } from '@jest/globals'
import { jsonItems, jsonMembers } from '../../src/lib/json-text.js'

describe('jsonMembers', () => {
  it('gives each value as it is written', () => {
    const json =
      ' { "r" : 112093381178808550316484284171158646739120368854229973066181922825115248877033 , "f":1.0,' +
      '"o":{"a":[1, {"b":"}]"}]} , "l":[ ],"s":"\\"{,:","n":null,"t":true } '

    expect([...jsonMembers(json)]).toEqual([
      ['r', '112093381178808550316484284171158646739120368854229973066181922825115248877033'],
      ['f', '1.0'],
      ['o', '{"a":[1, {"b":"}]"}]}'],
      ['l', '[ ]'],
      ['s', '"\\"{,:"'],
      ['n', 'null'],
      ['t', 'true'],
    ])
  })

  it.each(['{}', ' { } ', '{\n}'])('finds no member in %j', (json) => {
    expect(jsonMembers(json).size).toBe(0)
  })

  it('reads keys that are escaped, empty or names of Object', () => {
    expect([...jsonMembers('{"\\u0061":1,"":2,"__proto__":{"x":1}}')]).toEqual([
      ['a', '1'],
      ['', '2'],
      ['__proto__', '{"x":1}'],
    ])
  })

  it('takes the last of a key that is there twice', () => {
    expect([...jsonMembers('{"a":1,"a":2}')]).toEqual([['a', '2']])
  })
})

describe('jsonItems', () => {
  it.each<[string, string[]]>([
    ['[]', []],
    [' [ ] ', []],
    ['[1]', ['1']],
    ['[ {"a":[1,2]} , [3,[4]], "x,y" ,null]', ['{"a":[1,2]}', '[3,[4]]', '"x,y"', 'null']],
  ])('takes %j apart', (json, items) => {
    expect(jsonItems(json)).toEqual(items)
  })
})

describe('both', () => {
  it('take texts with millions of escapes and levels', () => {
    const escapes = `"${'\\n'.repeat(3_000_000)}"`
    const levels = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`

    expect(jsonItems(`[${escapes},${levels}]`).map(({ length }) => length)).toEqual([6_000_002, 2_000_000])
    expect(jsonMembers(`{"a":${escapes}}`).get('a')).toHaveLength(6_000_002)
  })
})
