import { describe, expect, it } from '@jest/globals'
import { FlockError } from '../../../src/lib/errors.js'
import type { JsonValue } from '../../../src/lib/json.js'
import type { JsonObject } from '../../../src/lib/infernet/payload.js'
import { parseStockBody } from '../../../src/lib/infernet/stock-body.js'
import { MAX_STOCK_MESSAGES, renderStockAnswer } from '../../../src/lib/infernet/stock-task.js'
import { caught } from '../../helpers/caught.js'
import { type Dice, createDice } from '../../helpers/dice.js'

const chat = [{ role: 'user', content: 'hi' }]
const css = { provider: 'OPENAI', endpoint: 'completions', model: 'gpt-4o', params: { messages: chat } }
const hf = { task_id: 1, prompt: 'hi' }

describe('a body for a stock service', () => {
  it('is a text alone for the TGI client', () => {
    expect(parseStockBody({ text: 'hi' })).toEqual({
      kind: 'tgi',
      provider: null,
      model: null,
      messages: chat,
      options: {},
      rawInput: '0x',
    })
  })

  it('is a chat for a hosted model, its settings beside it', () => {
    const body = {
      ...css,
      params: { messages: [{ role: 'system', content: 'Be brief.' }, ...chat] },
      extra_args: { temperature: 0.5, max_tokens: 9 },
    }

    expect(parseStockBody(body)).toEqual({
      kind: 'css',
      provider: 'OPENAI',
      model: 'gpt-4o',
      messages: [{ role: 'system', content: 'Be brief.' }, ...chat],
      options: { temperature: 0.5, max_tokens: 9 },
      rawInput: '0x',
    })
  })

  it('is a task for the Hugging Face client, its parameters under the names of OpenAI', () => {
    const body = {
      ...hf,
      model: 'Qwen/Qwen3-8B',
      max_new_tokens: 40,
      do_sample: true,
      temperature: 0.7,
      stop_sequences: ['\n'],
      stream: false,
      seed: null,
      truncate: null,
    }

    expect(parseStockBody(body)).toEqual({
      kind: 'hf',
      provider: null,
      model: 'Qwen/Qwen3-8B',
      messages: chat,
      options: { max_tokens: 40, temperature: 0.7, stop: ['\n'] },
      rawInput: '0x',
    })
  })

  it('asks for a summary of a text, with parameters apart', () => {
    const task = parseStockBody({ task_id: 4, text: 'A text.', model: '', parameters: { max_length: 30 } })

    expect(task).toMatchObject({ kind: 'hf', model: null, options: { max_tokens: 30 } })
    expect(task?.messages[0]?.content).toMatch(/^Summarize .*\n\nA text\.$/s)
  })

  it('takes the likeliest token when it is told not to sample', () => {
    expect(parseStockBody({ ...hf, do_sample: false })?.options).toEqual({ temperature: 0 })
    expect(parseStockBody({ ...hf, do_sample: false, temperature: 0.1 })?.options).toEqual({
      temperature: 0.1,
    })
  })

  it('has no bytes that an answer for the chain could repeat', () => {
    const task = parseStockBody({ text: 'hi' })

    expect(task && renderStockAnswer(task, 'ho').raw_input).toBe('')
  })

  it.each<JsonObject>([
    {},
    { prompt: 'hi' },
    { messages: chat },
    { messages: chat, temperature: 0 },
    { text: 'hi', max_tokens: 5 },
    { text: 'hi', prompt: 'hi' },
    { text: 5 },
    { text: null },
    { input: 'hi' },
    { provider: 'OPENAI', messages: chat },
    { envelope: '0xab', text: 'hi' },
    { envelope: '0xab', ...hf },
    { envelope: 'ab', ...css },
  ])('is not %j', (body) => {
    expect(parseStockBody(body)).toBeNull()
  })

  it.each<[string, JsonObject, string]>([
    ['a blank text', { text: ' ' }, 'prompt of the task is empty'],
    ['a task by name', { ...hf, task_id: 'text_generation' }, '`data.task_id`'],
    ['a task that is no chat', { ...hf, task_id: 2 }, 'text classification'],
    ['a task that nobody knows', { ...hf, task_id: 1.5 }, 'task 1.5'],
    ['a task without a prompt', { task_id: 1 }, '`prompt` and `text`'],
    ['a prompt that is a number', { task_id: 1, prompt: 7 }, '`prompt` and `text`'],
    ['two prompts', { ...hf, text: 'ho' }, '`prompt` and `text`'],
    ['a model that is a number', { ...hf, model: 7 }, '`data.model`'],
    [
      'a parameter that cannot be kept',
      { ...hf, typical_p: 0.5 },
      '`typical_p` is not supported with the value 0.5',
    ],
    ['several answers', { ...hf, best_of: 2 }, '`best_of` is not supported with the value 2'],
    ['the prompt in the answer', { ...hf, return_full_text: true }, '`return_full_text`'],
    ['a parameter that nobody knows', { ...hf, constructor: 'secret' }, '`constructor` is not supported.'],
    ['a limit given twice', { ...hf, max_new_tokens: 5, max_length: 5 }, '`max_length` is given twice'],
    ['parameters that are a list', { ...hf, parameters: [] }, '`data.parameters`'],
    ['embeddings', { ...css, endpoint: 'embeddings', params: { input: 'hi' } }, 'embeddings'],
    ['an endpoint that nobody knows', { ...css, endpoint: 'images' }, '`data.endpoint`'],
    ['a provider that nobody knows', { ...css, provider: 'openai' }, '`data.provider`'],
    ['no provider', { endpoint: 'completions', params: { messages: chat } }, '`data.provider`'],
    ['params that are text', { ...css, params: 'hi' }, '`data.params`'],
    ['params without messages', { ...css, params: { input: 'hi' } }, '`data.params.messages`'],
    ['no messages', { ...css, params: { messages: [] } }, '0 messages'],
    ['a message that is text', { ...css, params: { messages: ['hi'] } }, '`data.params.messages[0]`'],
    ['a message without a role', { ...css, params: { messages: [{ content: 'hi' }] } }, 'messages[0].role'],
    ['an image', { ...css, params: { messages: [{ role: 'user', content: [] }] } }, 'messages[0].content'],
    [
      'a call of a tool',
      { ...css, params: { messages: [{ ...chat[0], tool_calls: [] }] } },
      'messages[0].tool_calls',
    ],
    ['a field that nobody knows', { ...css, messages: chat }, '`messages`'],
    ['messages among the settings', { ...css, extra_args: { messages: chat } }, '`extra_args.messages`'],
    ['a model among the settings', { ...css, extra_args: { model: 'x' } }, '`extra_args.model`'],
  ])('is refused with %s', async (_what, body, message) => {
    const error = await caught(() => parseStockBody(body))

    expect(error).toMatchObject({ code: 'TASK_INVALID', message: expect.stringContaining(message) })
    expect(error.message).not.toContain('secret')
  })

  it('is refused with more messages than are allowed', async () => {
    const messages = Array.from({ length: MAX_STOCK_MESSAGES + 1 }, () => ({ role: 'user', content: 'x' }))

    const error = await caught(() => parseStockBody({ ...css, params: { messages } }))

    expect(error.message).toContain(`${MAX_STOCK_MESSAGES + 1} messages`)
  })

  it('is read or refused, whatever it holds', () => {
    const dice = createDice(31)
    const bodies = Array.from({ length: 5_000 }, () => randomBody(dice))

    const outcomes = bodies.map((body) => {
      try {
        return parseStockBody(body)?.kind ?? 'none'
      } catch (error) {
        return error instanceof FlockError ? error.code : error
      }
    })

    expect(new Set(outcomes)).toEqual(new Set(['tgi', 'css', 'hf', 'none', 'TASK_INVALID']))
  })
})

/** Fields of the bodies with right and wrong values. */
function randomBody(dice: Dice): JsonObject {
  const values: Readonly<Record<string, readonly JsonValue[]>> = {
    text: ['hi', '', 5, null],
    prompt: ['hi', {}, null],
    task_id: [1, 4, 2, -1, 1e9, '1', null],
    model: ['m', '', null, 5],
    provider: ['OPENAI', 'GOOSEAI', 0, null],
    endpoint: ['completions', 'completions', 'embeddings', null],
    params: [{ messages: chat }, { messages: chat }, { input: 'hi' }, [], null],
    extra_args: [{}, { temperature: 1 }, 'x', null],
    envelope: ['0xab', null],
    max_new_tokens: [5, null],
    __proto__x: [1],
  }
  const names = dice.once(4) ? [dice.pick(Object.keys(values))] : dice.some(Object.keys(values))
  return Object.fromEntries(names.map((name) => [name, dice.pick(values[name] as JsonValue[])]))
}
