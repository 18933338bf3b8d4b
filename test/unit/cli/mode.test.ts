import { describe, expect, it } from '@jest/globals'
import { isTruthy, modeOf } from '../../../src/lib/cli/mode.js'

describe('modeOf', () => {
  it.each([
    [['--json'], {}, true],
    [['deploy', '--json', 'x'], {}, true],
    [['request', '--', '--json'], {}, false],
    [['deploy'], { FLOCK_JSON: '1' }, true],
    [['deploy'], { FLOCK_JSON: '0' }, false],
    [['deploy', '--jsonx'], {}, false],
  ])('sees JSON mode in %j with %j', (argv, env, json) => {
    expect(modeOf(argv, env).json).toBe(json)
  })

  it.each([
    [['-vv'], {}, true],
    [['-v', 'x', '--verbose'], {}, true],
    [['-v'], {}, false],
    [['--debug'], {}, true],
    [[], { DEBUG: 'flock' }, true],
    [[], { DEBUG: 'express:*' }, false],
    [[], { FLOCK_DEBUG: 'true' }, true],
  ])('sees whether stack traces are wanted in %j with %j', (argv, env, debug) => {
    expect(modeOf(argv, env).debug).toBe(debug)
  })
})

describe('isTruthy', () => {
  it.each([
    ['1', true],
    ['yes', true],
    ['0', false],
    ['False', false],
    ['', false],
    [undefined, false],
  ])('reads %j', (value, expected) => {
    expect(isTruthy(value)).toBe(expected)
  })
})
