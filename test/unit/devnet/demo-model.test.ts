import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { type Sampling, trainDemoModel } from '../../../src/lib/devnet/demo-model.js'
import { tokenize } from '../../../src/lib/devnet/demo-tokens.js'

const corpus = readFileSync(new URL('../../../templates/demo-host/corpus.txt', import.meta.url), 'utf8')
const model = trainDemoModel(corpus)
const calm: Sampling = { maxTokens: 64, temperature: 0, stop: [], seed: 0 }
const say = (prompt: string, change: Partial<Sampling> = {}) =>
  model.complete(prompt, { ...calm, ...change }).pieces.join('')

describe('the demo model', () => {
  it('gives the same answer to the same question', () => {
    expect(say('Where do geese fly?', { temperature: 1 })).toBe(
      say('Where do geese fly?', { temperature: 1 }),
    )
  })

  it('answers from what it learned about the words of the question', () => {
    expect(say('What do bees do in winter?')).toMatch(/bees|hive|honey/)
    expect(say('Tell me about the owl.')).toMatch(/owl/)
    expect(say('How does a river begin?')).toMatch(/river/)
  })

  it('says other things to other questions and seeds', () => {
    const questions = ['Why do geese fly?', 'What is snow?', 'Who keeps the light?', 'Do ants walk?']
    const seeds = [1, 2, 3, 4, 5, 6]

    expect(new Set(questions.map((prompt) => say(prompt))).size).toBe(questions.length)
    expect(new Set(seeds.map((seed) => say('hello', { temperature: 1, seed }))).size).toBeGreaterThan(3)
  })

  it('does more than repeat its text', () => {
    const text = corpus.replace(/\s+/g, ' ')
    const answers = Array.from({ length: 20 }, (_, seed) =>
      say('Tell me of the sea.', { temperature: 1, seed }),
    )

    expect(answers.some((answer) => !text.includes(answer))).toBe(true)
  })

  it.each([1, 2, 3, 10, 64, 500])('says at most %d tokens, counted as they are told', (maxTokens) => {
    for (const temperature of [0, 0.7, 1, 2]) {
      for (const prompt of ['Why do the geese fly?', 'nothing of this is known: xyzzy', '']) {
        const { pieces, finishReason } = model.complete(prompt, { ...calm, maxTokens, temperature })

        expect(pieces.length).toBeLessThanOrEqual(maxTokens)
        expect(pieces.length).toBeGreaterThan(0)
        expect(tokenize(pieces.join(''))).toEqual(pieces)
        if (finishReason === 'length') expect(pieces).toHaveLength(maxTokens)
      }
    }
  })

  it('comes to an end by itself', () => {
    const { finishReason, pieces } = model.complete('What do bees do?', { ...calm, maxTokens: 4_096 })

    expect(finishReason).toBe('stop')
    expect(pieces.at(-1)).toBe('.')
  })

  it('stops before a mark, and at the first of several', () => {
    const whole = say('What do bees do in winter?')
    const at = whole.indexOf('.')

    const { pieces, finishReason } = model.complete('What do bees do in winter?', {
      ...calm,
      stop: ['!', '.', 'zzz'],
    })

    expect(pieces.join('')).toBe(whole.slice(0, at))
    expect(finishReason).toBe('stop')
  })

  it('counts what is left when a mark cuts a word', () => {
    const whole = say('What do bees do in winter?')
    const stop = whole.slice(2, 4)

    const { pieces } = model.complete('What do bees do in winter?', { ...calm, stop: [stop] })

    expect(pieces.join('')).toBe(whole.slice(0, 2))
    expect(pieces).toHaveLength(1)
  })

  it('says nothing when it has learned nothing', () => {
    expect(trainDemoModel('').complete('hello', calm)).toEqual({ pieces: [], finishReason: 'stop' })
  })
})
