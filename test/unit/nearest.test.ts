import { describe, expect, it } from '@jest/globals'
import { editDistance, nearestName } from '../../src/lib/nearest.js'

describe('nearestName', () => {
  it.each([
    ['netwrok', ['network', 'networks', 'name'], 'network'],
    ['inti', ['init', 'deploy'], 'init'],
    ['DEPLOY', ['init', 'deploy'], 'deploy'],
    ['x', ['init', 'deploy'], null],
    ['rewards stauts', ['rewards status', 'rewards claim'], 'rewards status'],
    ['anything', [], null],
  ])('finds what was meant by %s', (name, candidates, expected) => {
    expect(nearestName(name, candidates)).toBe(expected)
  })
})

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['abc', '', 3],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
  ])('counts the edits between %s and %s', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance)
    expect(editDistance(b, a)).toBe(distance)
  })
})
