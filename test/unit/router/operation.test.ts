import { describe, expect, it } from '@jest/globals'
import {
  parseChatCompletion,
  relayEmbeddings,
  parseTextChunk,
  relayChat,
} from '../../../src/lib/router/openai.js'
import {
  type Operation,
  chatOperation,
  readAnswer,
  renderOutgoing,
} from '../../../src/lib/router/operation.js'
import { hostOf } from '../../helpers/hosts.js'

const messages = [{ role: 'user' as const, content: 'hi' }]
const chat = chatOperation({ messages, maxTokens: 32, options: { temperature: 0, stop: ['x'] } })

function bodyOf(
  operation: Pick<Operation<unknown>, 'route' | 'body' | 'maxTokens'>,
  host = hostOf(),
  stream = false,
): unknown {
  return JSON.parse(renderOutgoing(host, operation, [], stream).body ?? '')
}

describe('a chat', () => {
  it('is sent to the route for chats with the headers that are given', () => {
    const host = hostOf({ baseUrl: 'http://host/base/v1/' })

    expect(renderOutgoing(host, chat, ['x-a', 'b'], false)).toMatchObject({
      method: 'POST',
      path: '/base/v1/chat/completions',
      headers: ['x-a', 'b'],
    })
  })

  it('names the model of the host and always a limit', () => {
    expect(bodyOf(chat)).toEqual({
      model: 'org/model',
      messages,
      max_tokens: 32,
      temperature: 0,
      stop: ['x'],
      stream: false,
    })
  })

  it('asks a stream for its usage', () => {
    expect(bodyOf(chat, hostOf(), true)).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  it('cannot be overruled by its options', () => {
    const options = { model: 'other', max_tokens: 9, stream: true, messages: [] }

    expect(bodyOf(chatOperation({ messages, maxTokens: 32, options }))).toEqual({
      model: 'org/model',
      messages,
      max_tokens: 32,
      stream: false,
    })
  })

  it.each([
    [null, 32],
    [8, 8],
    [64, 32],
  ])('asks a host that completes %s tokens for %s of 32', (maxCompletionTokens, expected) => {
    expect(bodyOf(chat, hostOf({ maxCompletionTokens }))).toMatchObject({ max_tokens: expected })
  })

  it('is laid under the fields of the host', () => {
    const host = hostOf({ body: { temperature: 1, chat_template_kwargs: { enable_thinking: false } } })

    expect(bodyOf(chat, host)).toMatchObject({
      temperature: 1,
      stop: ['x'],
      chat_template_kwargs: { enable_thinking: false },
    })
  })

  it.each([
    ['nothing', '', 0],
    ['one sign', 'a', 1],
    ['four signs', 'abcd', 1],
    ['five signs', 'abcde', 2],
    [
      'parts',
      [
        { type: 'text' as const, text: 'abcd' },
        { type: 'text' as const, text: 'efgh' },
      ],
      2,
    ],
  ])('guesses the tokens of %s', (_what, content, expected) => {
    const { promptTokens } = chatOperation({
      messages: [{ role: 'user', content }],
      maxTokens: 1,
      options: {},
    })

    expect(promptTokens).toBe(expected)
  })

  it('reads answers as chat completions', () => {
    expect(chat.read).toBe(parseChatCompletion)
  })
})

describe('other operations', () => {
  it('send embeddings without limit and without a word of streams', () => {
    const embeddings = { route: 'embeddings' as const, body: { input: ['a'] }, maxTokens: null }

    expect(renderOutgoing(hostOf(), embeddings, [], false).path).toBe('/v1/embeddings')
    expect(bodyOf(embeddings)).toEqual({ model: 'org/model', input: ['a'] })
  })

  it('send completions with their limit', () => {
    const completions = { route: 'completions', body: { prompt: 'a' }, maxTokens: 5 } as const

    expect(renderOutgoing(hostOf(), completions, [], true).path).toBe('/v1/completions')
    expect(bodyOf(completions, hostOf(), true)).toEqual({
      model: 'org/model',
      prompt: 'a',
      max_tokens: 5,
      stream: true,
      stream_options: { include_usage: true },
    })
  })
})

describe('a chat for another container', () => {
  const host = hostOf({ kind: 'infernet', baseUrl: 'http://container:3000', body: { top_k: 3 } })

  it('is a task that goes back to the caller', () => {
    const outgoing = renderOutgoing(host, chat, [], false)

    expect(outgoing.path).toBe('/service_output')
    expect(bodyOf(chat, host)).toEqual({
      source: 1,
      destination: 1,
      requires_proof: false,
      data: { model: 'org/model', messages, max_tokens: 32, temperature: 0, stop: ['x'], top_k: 3 },
    })
  })

  it('is a stream without a word of proofs', () => {
    expect(bodyOf(chat, host, true)).toMatchObject({ source: 1, destination: 2 })
    expect(bodyOf(chat, host, true)).not.toHaveProperty('requires_proof')
  })
})

describe('an answer', () => {
  const body = { choices: [{ message: { content: 'hi' } }] }

  it('is read as the operation says', () => {
    expect(readAnswer(hostOf(), chat, body)).toMatchObject({ hostId: 'a', text: 'hi' })
    const relay = { ...chat, read: relayChat, readChunk: parseTextChunk }
    expect(readAnswer(hostOf(), relay, body)).toMatchObject({ hostId: 'a', body })
    const embed = { ...chat, read: relayEmbeddings }
    expect(readAnswer(hostOf(), embed, { data: [] })).toMatchObject({ body: { data: [] } })
  })

  it('of a container is turned into a completion first', () => {
    const host = hostOf({ kind: 'infernet' })

    expect(readAnswer(host, chat, { output: 'hi' })).toMatchObject({ hostId: 'a', text: 'hi' })
    expect(() => readAnswer(host, chat, body)).toThrow(expect.objectContaining({ code: 'HOST_NOT_READY' }))
  })
})
