import { describe, expect, it } from '@jest/globals'
import {
  type HostHealth,
  UNTRIED,
  afterFailure,
  afterSuccess,
  circuitOf,
} from '../../../src/lib/router/health.js'

const failures = (count: number, nowMs: number): HostHealth =>
  Array.from({ length: count }).reduce<HostHealth>((health) => afterFailure(health, nowMs), UNTRIED)

describe('the circuit of a host', () => {
  it('stays closed for two failures and opens with the third', () => {
    expect(circuitOf(failures(2, 100), 100)).toBe('closed')
    expect(circuitOf(failures(3, 100), 100)).toBe('open')
  })

  it('closes with one success', () => {
    expect(circuitOf(afterSuccess(), 100)).toBe('closed')
  })

  it('allows a trial after the pause, and doubles the pause when the trial fails', () => {
    const opened = failures(3, 0)
    expect(circuitOf(opened, 1_999)).toBe('open')
    expect(circuitOf(opened, 2_000)).toBe('trial')

    const again = afterFailure(opened, 2_000)
    expect(circuitOf(again, 5_999)).toBe('open')
    expect(circuitOf(again, 6_000)).toBe('trial')
  })

  it('never pauses for longer than a minute', () => {
    expect(circuitOf(failures(1_000, 0), 60_000)).toBe('trial')
  })
})
