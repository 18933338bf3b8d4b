import { describe, expect, it } from '@jest/globals'
import type { Hex } from '../../../src/lib/hex.js'
import type { JsonObject, ServiceInput } from '../../../src/lib/infernet/payload.js'
import { encodeTaskEnvelope } from '../../../src/lib/infernet/task-envelope.js'
import type { ServedModel } from '../../../src/lib/service/models.js'
import { planTask } from '../../../src/lib/service/task.js'
import { caught } from '../../helpers/caught.js'
import { routeOf } from '../../helpers/hosts.js'
import { encodeStock } from '../../helpers/random-stock.js'
import { CHAIN_ID, MODEL_ID, envelopeOf, onChainInput } from '../../helpers/tasks.js'

const tiny: ServedModel = {
  modelId: MODEL_ID,
  name: 'tiny',
  aliases: ['org/tiny'],
  route: routeOf([]),
  maxPromptTokens: 1000,
  maxCompletionTokens: 100,
}
const large: ServedModel = { ...tiny, modelId: `0x${'c3'.repeat(32)}`, name: 'large', aliases: [] }
const one = { chainId: CHAIN_ID, takesStockTasks: false, models: [tiny] }
const two = { ...one, models: [tiny, large] }
const withStock = { ...one, takesStockTasks: true }

const offChain = (data: JsonObject, rest: Partial<ServiceInput> = {}): ServiceInput =>
  ({ source: 1, destination: 1, requiresProof: false, data, ...rest }) as ServiceInput
const paid = (payload: string) => planTask(onChainInput(envelopeOf({ payload })), one)

describe('a task of the chain', () => {
  it('is a prompt of plain text, limited by the caps of the request', () => {
    const envelope = envelopeOf()

    expect(planTask(onChainInput(envelope), two)).toEqual({
      model: tiny,
      envelope,
      stock: null,
      request: {
        messages: [{ role: 'user', content: 'What do bees do in winter?' }],
        options: {},
        maxTokens: 64,
      },
    })
  })

  it('is a chat body when its payload is JSON with messages', () => {
    const { request } = paid(
      '\n{"messages":[{"role":"system","content":"Be brief."}],"temperature":0,"max_tokens":5,"model":"ignored"}',
    )

    expect(request).toEqual({
      messages: [{ role: 'system', content: 'Be brief.' }],
      options: { temperature: 0 },
      maxTokens: 5,
    })
  })

  it.each(['{"a": 1} what is this?', '{"question": 1}', '{ not json', '[1, 2]', '"text"', '{}'])(
    'takes %j for a prompt',
    (payload) => {
      expect(paid(payload).request.messages).toEqual([{ role: 'user', content: payload }])
    },
  )

  it.each([
    ['the request', { maxCompletionTokens: 8n }, undefined, 8],
    ['the service', { maxCompletionTokens: 5_000n }, undefined, 100],
    ['the payload', { maxCompletionTokens: 50n }, 20, 20],
    ['the request, against a payload that wants more', { maxCompletionTokens: 50n }, 90, 50],
  ])('is limited by %s', (_what, caps, wanted, maxTokens) => {
    const messages = [{ role: 'user', content: 'hi' }]
    const payload = JSON.stringify(wanted === undefined ? { messages } : { messages, max_tokens: wanted })

    expect(planTask(onChainInput(envelopeOf({ ...caps, payload })), one).request.maxTokens).toBe(maxTokens)
  })

  it('asks for a proof without being another task: the receipt is the proof', () => {
    const input = onChainInput()

    expect(planTask({ ...input, requiresProof: true }, one)).toEqual(planTask(input, one))
  })

  it.each([
    [
      'is for another chain',
      envelopeOf({ chainId: 1n }),
      'TASK_INVALID',
      'chain 1; this service signs for chain 31337',
    ],
    ['names an unknown model', envelopeOf({ modelId: `0x${'99'.repeat(32)}` }), 'TASK_NOT_FOUND', '0x9999'],
    ['allows no completion', envelopeOf({ maxCompletionTokens: 0n }), 'TASK_INVALID', 'no completion tokens'],
    ['has no payload', envelopeOf({ payload: '0x' }), 'TASK_INVALID', 'payload of the request is empty'],
    [
      'has a blank payload',
      envelopeOf({ payload: ' \n' }),
      'TASK_INVALID',
      'payload of the request is empty',
    ],
    ['is no UTF-8', envelopeOf({ payload: '0xff00' }), 'TASK_INVALID', 'not UTF-8'],
    [
      'has messages of the wrong kind',
      envelopeOf({ payload: '{"messages":"hi"}' }),
      'TASK_INVALID',
      '`messages`',
    ],
    [
      'wants two answers for one fee',
      envelopeOf({ payload: '{"messages":[{"role":"user","content":"hi"}],"n":2}' }),
      'TASK_INVALID',
      '`n`',
    ],
  ])('is refused when it %s', async (_what, envelope, code, message) => {
    const error = await caught(() => planTask(onChainInput(envelope), one))

    expect(error.code).toBe(code)
    expect(error.message).toContain(message)
  })

  it.each([
    ['no bytes', '0x', 'The task is empty'],
    ['bytes of another kind', '0x476f6f64', 'not a task envelope'],
  ] as const)('is refused when it is %s', async (_what, data, message) => {
    const error = await caught(() => planTask({ ...onChainInput(), source: 0, data }, one))

    expect(error).toMatchObject({ code: 'TASK_INVALID', message: expect.stringContaining(message) })
  })

  it('is not streamed', async () => {
    const error = await caught(() => planTask({ ...onChainInput(), destination: 2 }, one))

    expect(error.message).toContain('cannot be streamed')
  })
})

describe('a delegated or chained task', () => {
  const hex = encodeTaskEnvelope(envelopeOf())

  it.each([hex, hex.slice(2), hex.toUpperCase().replace('0X', '0x')])(
    'is that of the envelope in its data',
    (envelope) => {
      const input = offChain({ envelope, from: 'another container' }, { destination: 0, requiresProof: true })

      expect(planTask(input, one)).toEqual(planTask(onChainInput(), one))
    },
  )

  it.each([
    ['without an envelope', { prompt: 'hi' }, '`data.envelope`'],
    ['with an envelope that is null', { envelope: null }, '`data.envelope`'],
    ['with an envelope that is no hex', { envelope: 'zz' }, '`data.envelope`'],
    ['with an envelope that is a number', { envelope: 7 }, '`data.envelope`'],
    ['with an empty envelope', { envelope: '' }, 'The task is empty'],
    ['with bytes of another kind', { envelope: 'aabb' }, 'not a task envelope'],
  ])('is refused %s', async (_what, data, message) => {
    const error = await caught(() => planTask(offChain(data, { destination: 0 }), one))

    expect(error).toMatchObject({ code: 'TASK_INVALID', message: expect.stringContaining(message) })
  })
})

describe('an off-chain task', () => {
  it.each([
    [{ prompt: 'hi' }],
    [{ text: 'hi', messages: null }],
    [{ messages: [{ role: 'user', content: 'hi' }] }],
    [{ prompt: 'hi', messages: null }],
  ])('asks with %j', (data) => {
    expect(planTask(offChain(data), one)).toEqual({
      model: tiny,
      envelope: null,
      stock: null,
      request: { messages: [{ role: 'user', content: 'hi' }], options: {}, maxTokens: 100 },
    })
  })

  it.each(['large', large.modelId, large.modelId.toUpperCase().replace('0X', '0x')])(
    'names the model %s',
    (model) => {
      const task = planTask(
        offChain({ prompt: 'hi', model, max_tokens: 7, stop: '.' }, { destination: 2 }),
        two,
      )

      expect(task).toMatchObject({ model: large, request: { maxTokens: 7, options: { stop: '.' } } })
    },
  )

  it('gets no more than the model allows', () => {
    expect(planTask(offChain({ prompt: 'hi', max_tokens: 9_999 }), one).request.maxTokens).toBe(100)
  })

  it.each([
    ['asks nothing', {}, 'TASK_INVALID', 'exactly one of'],
    ['asks twice', { prompt: 'a', text: 'b' }, 'TASK_INVALID', 'exactly one of'],
    ['asks with a number', { prompt: 1 }, 'TASK_INVALID', '`data.prompt`'],
    ['asks with blanks', { text: ' ', max_tokens: 3 }, 'TASK_INVALID', '`data.text`'],
    ['sets what is unknown', { prompt: 'hi', tools: [] }, 'TASK_INVALID', '`tools`'],
    ['names no model of several', { prompt: 'hi' }, 'TASK_INVALID', 'one of tiny, large'],
    ['names a model that is not served', { prompt: 'hi', model: 'huge' }, 'TASK_NOT_FOUND', '"huge"'],
    ['names a model by a number', { prompt: 'hi', model: 5 }, 'TASK_INVALID', '`model`'],
  ])('is refused when it %s', async (_what, data, code, message) => {
    const error = await caught(() => planTask(offChain(data), two))

    expect(error).toMatchObject({ code, message: expect.stringContaining(message) })
  })

  it('is refused when it wants a proof, since no request of the chain stands behind it', async () => {
    const error = await caught(() => planTask(offChain({ prompt: 'hi' }, { requiresProof: true }), one))

    expect(error.code).toBe('PROOF_UNSUPPORTED')
  })

  it('is refused by a service without models', async () => {
    const error = await caught(() => planTask(offChain({ prompt: 'hi' }), { ...one, models: [] }))

    expect(error.code).toBe('TASK_INVALID')
  })
})

describe('a task in the encoding of a stock service', () => {
  const hi = [{ role: 'user', content: 'hi' }]
  const css = encodeStock('css', [0, 0, 'tiny', [['user', 'hi']]])
  const onChain = (data: Hex, rest: Partial<ServiceInput> = {}): ServiceInput =>
    ({ source: 0, destination: 0, requiresProof: false, data, ...rest }) as ServiceInput

  it.each([
    ['tgi', encodeStock('tgi', ['hi'])],
    ['css', css],
    ['hf', encodeStock('hf', [1, 'tiny', 'hi'])],
  ] as const)('of the kind %s asks the model, capped by the service', (kind, data) => {
    const task = planTask(onChain(data), withStock)

    expect(task).toMatchObject({
      model: tiny,
      envelope: null,
      stock: { kind, rawInput: data },
      request: { messages: hi, options: {}, maxTokens: 100 },
    })
  })

  it('may name the model by another of its names', () => {
    const data = encodeStock('hf', [1, 'org/tiny', 'hi'])

    expect(planTask(onChain(data), { ...withStock, models: [large, tiny] }).model).toBe(tiny)
  })

  it.each([
    [
      'of the Hugging Face client',
      { task_id: 1, prompt: 'hi', parameters: { max_new_tokens: 7, temperature: 0.5 } },
      'hf',
      { options: { temperature: 0.5 }, maxTokens: 7 },
    ],
    [
      'for a hosted model',
      {
        provider: 'OPENAI',
        endpoint: 'completions',
        model: 'tiny',
        params: { endpoint: 'completions', messages: hi },
        extra_args: { max_tokens: 500 },
      },
      'css',
      { options: {}, maxTokens: 100 },
    ],
    ['of a bare text', { text: 'hi' }, 'tgi', { options: {}, maxTokens: 100 }],
  ])('may stand in a body %s', (_what, data, kind, request) => {
    for (const destination of [0, 1] as const) {
      const task = planTask(offChain(data, { destination }), withStock)

      expect(task).toMatchObject({ stock: { kind }, request: { messages: hi, ...request } })
    }
  })

  it.each([
    ['comes from the chain', onChain(css), 'not a task envelope'],
    ['goes to the chain', offChain({ text: 'hi' }, { destination: 0 }), '`data.envelope`'],
  ])('is refused by a service that takes none when it %s', async (_what, input, message) => {
    const error = await caught(() => planTask(input, one))

    expect(error).toMatchObject({ code: 'TASK_INVALID', message: expect.stringContaining(message) })
  })

  it('is done for a caller off the chain by a service that takes none from the chain', () => {
    expect(planTask(offChain({ text: 'hi' }), one).request.messages).toEqual(hi)
  })

  it.each([
    ['from the chain', onChain(css, { requiresProof: true })],
    ['in a body', offChain({ text: 'hi' }, { destination: 0, requiresProof: true })],
  ])('has no proof: it is refused %s when it wants one', async (_what, input) => {
    expect((await caught(() => planTask(input, withStock))).code).toBe('PROOF_UNSUPPORTED')
  })

  it.each([
    [
      'names a model that is not served',
      encodeStock('css', [0, 0, 'gpt-4o', [['user', 'hi']]]),
      'TASK_NOT_FOUND',
    ],
    ['has a role that chats do not know', encodeStock('css', [0, 0, '', [['bot', 'hi']]]), 'TASK_INVALID'],
    ['asks for embeddings', encodeStock('css', [0, 1, '', [['user', 'hi']]]), 'TASK_INVALID'],
    ['asks for a picture', encodeStock('hf', [5, '', 'hi']), 'TASK_INVALID'],
    ['is empty', '0x', 'TASK_INVALID'],
    ['is in no known encoding', '0x476f6f64', 'TASK_INVALID'],
  ] as const)('is refused when it %s', async (_what, data, code) => {
    expect((await caught(() => planTask(onChain(data), withStock))).code).toBe(code)
  })

  it('does not change how paid tasks are read', () => {
    const paidInput = onChainInput()

    expect(planTask(paidInput, withStock)).toEqual(planTask(paidInput, one))
  })
})
