import { describe, expect, it } from '@jest/globals'
import { jsonItems, jsonMembers, sortJson } from '../../src/lib/json-text.js'

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

describe('sortJson', () => {
  it.each([
    ['{"b": 1, "a" : {"d":[ 3, {"z":1,"y":2} ],"c":null}}', '{"a":{"c":null,"d":[3,{"y":2,"z":1}]},"b":1}'],
    [
      ' [1.0 , 123456789012345678901234567890 , -1e400 , true , "a , \\" b" ] ',
      '[1.0,123456789012345678901234567890,-1e400,true,"a , \\" b"]',
    ],
    ['{"b":{},"a":[]}', '{"a":[],"b":{}}'],
    ['{"\\u0061":1,"A":2,"":3}', '{"":3,"A":2,"\\u0061":1}'],
    ['{"a":1,"a":2}', '{"a":2}'],
    [' "text" ', '"text"'],
    ['null', 'null'],
  ])('writes %s as %s', (json, sorted) => {
    expect(sortJson(json)).toBe(sorted)
  })

  it('takes a text with a million levels', () => {
    const levels = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`

    expect(sortJson(levels) === levels).toBe(true)
  })

  it('takes objects within objects without end', () => {
    const levels = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`

    expect(sortJson(levels) === levels).toBe(true)
  })
})

describe('jsonItems and jsonMembers', () => {
  it('take texts with millions of escapes and levels', () => {
    const escapes = `"${'\\n'.repeat(3_000_000)}"`
    const levels = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`

    expect(jsonItems(`[${escapes},${levels}]`).map(({ length }) => length)).toEqual([6_000_002, 2_000_000])
    expect(jsonMembers(`{"a":${escapes}}`).get('a')).toHaveLength(6_000_002)
  })
})
