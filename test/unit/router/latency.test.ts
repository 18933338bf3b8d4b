import { describe, expect, it } from '@jest/globals'
import { createPeakEwma, createSamples } from '../../../src/lib/router/latency.js'

describe('the latency of a host', () => {
  it('is unknown before the first sample', () => {
    const latency = createPeakEwma()

    expect(latency.valueMs(0)).toBeNull()
    expect(latency.heldMs()).toBeNull()
  })

  it('is the first sample, which may be nothing at all', () => {
    const latency = createPeakEwma()

    latency.record(0, 5)

    expect(latency.valueMs(5)).toBe(0)
  })

  it('jumps to a peak', () => {
    const latency = createPeakEwma()
    latency.record(10, 0)

    latency.record(500, 1)

    expect(latency.valueMs(1)).toBe(500)
  })

  it('comes down by the time that went by, not by the number of samples', () => {
    const [many, few] = [createPeakEwma(), createPeakEwma()]
    for (const latency of [many, few]) latency.record(1_000, 0)

    for (let ms = 1; ms <= 10_000; ms += 1) many.record(0, ms)
    few.record(0, 10_000)

    expect(many.heldMs()).toBeCloseTo(1_000 / Math.E, 6)
    expect(few.heldMs()).toBeCloseTo(1_000 / Math.E, 6)
  })

  it('ends at what is sampled', () => {
    const latency = createPeakEwma()
    latency.record(1_000, 0)

    latency.record(20, 200_000)

    expect(latency.heldMs()).toBeCloseTo(20, 3)
  })

  it('falls towards nothing while there are no samples, and can be read without that', () => {
    const latency = createPeakEwma()
    latency.record(1_000, 0)

    expect(latency.valueMs(10_000)).toBeCloseTo(1_000 / Math.E, 9)
    expect(latency.valueMs(300_000)).toBeLessThan(1e-9)
    expect(latency.heldMs()).toBe(1_000)
  })
})

describe('the samples of a model', () => {
  function samplesOf(values: Iterable<number>) {
    const samples = createSamples()
    for (const value of values) samples.record(value)
    return samples
  }
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

  it('tell nothing as long as there are fewer than twenty', () => {
    expect(samplesOf(upTo(19)).quantileMs(0.95)).toBeNull()
    expect(samplesOf(upTo(20)).quantileMs(0.95)).toBe(20)
  })

  it.each([
    [0, 1],
    [0.5, 51],
    [0.95, 96],
    [1, 100],
  ])('give the quantile %s, in whatever order they came', (share, expected) => {
    expect(samplesOf(upTo(100).reverse()).quantileMs(share)).toBe(expected)
  })

  it('are numbers, not texts, when they are sorted', () => {
    expect(samplesOf([...Array<number>(19).fill(9), 100]).quantileMs(0.5)).toBe(9)
  })

  it('leave after 256 others', () => {
    const samples = samplesOf([...Array<number>(100).fill(1_000_000), ...upTo(256)])

    expect(samples.quantileMs(1)).toBe(256)
  })

  it('are looked through again after sixteen new ones', () => {
    const samples = samplesOf(Array<number>(100).fill(1))
    expect(samples.quantileMs(1)).toBe(1)

    for (let turn = 0; turn < 15; turn += 1) samples.record(500)
    expect(samples.quantileMs(1)).toBe(1)
    samples.record(500)

    expect(samples.quantileMs(1)).toBe(500)
  })
})
