import { describe, expect, it } from '@jest/globals'
import type { ReportedUsage } from '../../../src/lib/router/openai.js'
import { createMetering, renderUsage } from '../../../src/lib/service/metering.js'
import { tinyModel } from '../../helpers/service-world.js'

/** A word is a token. */
const words = { count: (text: string) => text.split(' ').filter((word) => word !== '').length }
const reported: ReportedUsage = { promptTokens: 9, completionTokens: 4, cachedTokens: 2, reasoningTokens: 1 }
const texts = { prompt: () => ['What do', 'bees do?'], completion: 'They sleep.' }
const model = tinyModel({})
const other = tinyModel({}, { name: 'other' })
const unreported = { usage: null, usageFault: 'prompt_tokens is not a count' }

describe('the usage of an answer', () => {
  const metering = createMetering(new Map([['tiny', words]]))

  it('is what the host reported, also where a tokenizer could count', () => {
    expect(metering.meter(model, { usage: reported, usageFault: null }, texts)).toEqual({
      usage: { ...reported, source: 'host' },
      fault: null,
    })
  })

  it('is counted by the tokenizer of the model when the host reported none', () => {
    expect(metering.meter(model, unreported, texts)).toEqual({
      usage: {
        promptTokens: 4,
        completionTokens: 2,
        cachedTokens: 0,
        reasoningTokens: 0,
        source: 'tokenizer',
      },
      fault: null,
    })
  })

  it('includes tokens that were given in the place of text', () => {
    const { usage } = metering.meter(model, unreported, { prompt: () => [], inputTokens: 7, completion: '' })

    expect(usage).toMatchObject({ promptTokens: 7, completionTokens: 0 })
  })

  it('is not made up: without a tokenizer the fault is told', () => {
    expect(metering.meter(other, unreported, texts)).toEqual({
      usage: null,
      fault: 'prompt_tokens is not a count',
    })
    expect(metering.meter(other, { usage: null, usageFault: null }, texts)).toEqual({
      usage: null,
      fault: 'no usage was reported',
    })
  })

  it('is estimated beforehand by the tokenizer, else by its length', () => {
    expect(metering.estimate(model, texts.prompt())).toBe(4)
    expect(metering.estimate(other, ['12345', '1234'])).toBe(3)
    expect(metering.estimate(other, [])).toBe(0)
  })

  it('is rendered as OpenAI does', () => {
    expect(renderUsage(reported)).toEqual({
      prompt_tokens: 9,
      completion_tokens: 4,
      total_tokens: 13,
      prompt_tokens_details: { cached_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 1 },
    })
  })
})
