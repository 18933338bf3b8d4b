import { describe, expect, it } from '@jest/globals'
import { findOverrideFaults } from '../../src/lib/host-overrides.js'

describe('what a host lays over requests', () => {
  it('may be headers and fields that nobody else sets', () => {
    const headers = { 'X-Team': 'bees', 'x-tab': 'a\tb', 'x-empty': '' }

    expect(findOverrideFaults({ headers, body: { temperature: 0, stop: ['x'] } })).toEqual([])
  })

  it('has every fault named, in the order they are written', () => {
    const headers = { 'x y': '1', HOST: 'x', 'x-ok': '1', 'x-line': '1\r\ny: 2', 'x-é': '1' }

    expect(findOverrideFaults({ headers, body: { n: 2, seed: 1, model: 'other' } })).toEqual([
      { place: 'headers', name: 'x y', reason: 'unsendable' },
      { place: 'headers', name: 'HOST', reason: 'reserved' },
      { place: 'headers', name: 'x-line', reason: 'unsendable' },
      { place: 'headers', name: 'x-é', reason: 'unsendable' },
      { place: 'body', name: 'n', reason: 'reserved' },
      { place: 'body', name: 'model', reason: 'reserved' },
    ])
  })
})
