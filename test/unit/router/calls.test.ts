import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from '@jest/globals'
import type { JsonValue } from '../../../src/lib/json.js'
import { type BegunStream, callForAnswer, callForStream } from '../../../src/lib/router/calls.js'
import { type Channel, createChannel } from '../../../src/lib/router/channel.js'
import type { HostSettings } from '../../../src/lib/router/hosts.js'
import {
  type RelayedAnswer,
  type StreamEvent,
  parseChatChunk,
  parseTextChunk,
  relayChat,
  relayEmbeddings,
  relayText,
} from '../../../src/lib/router/openai.js'
import { type Operation, chatOperation } from '../../../src/lib/router/operation.js'
import { caught } from '../../helpers/caught.js'
import {
  type FakeHost,
  type HostAnswer,
  completion,
  createGate,
  cut,
  events,
  json,
  raw,
  silence,
  startFakeHost,
  stream,
} from '../../helpers/fake-host.js'
import { hostOf } from '../../helpers/hosts.js'
import { until } from '../../helpers/until.js'

const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function setUp(
  answer: HostAnswer,
  settings: Partial<HostSettings> = {},
): Promise<{ host: FakeHost; channel: Channel }> {
  const host = await startFakeHost(answer)
  const baseUrl = settings.kind === 'infernet' ? host.url : host.baseUrl
  const channel = createChannel(hostOf({ baseUrl, ...settings }), { maxAnswerBytes: 100_000 })
  closers.push(
    () => host.close(),
    () => channel.destroy(),
  )
  return { host, channel }
}

const chat = chatOperation({ messages: [{ role: 'user', content: 'hi' }], maxTokens: 9, options: {} })
const relay = (
  route: Operation<unknown>['route'],
  body: Record<string, JsonValue>,
  read: (body: unknown, hostId: string) => RelayedAnswer,
): Operation<RelayedAnswer> => ({
  route,
  body,
  promptTokens: 1,
  maxTokens: route === 'embeddings' ? null : 9,
  read,
  readChunk: route === 'completions' ? parseTextChunk : parseChatChunk,
})
const usage = { prompt_tokens: 5, completion_tokens: 3 }
const counted = { promptTokens: 5, completionTokens: 3, cachedTokens: 0, reasoningTokens: 0 }

async function readAll({ next }: Pick<BegunStream, 'next'>): Promise<StreamEvent[]> {
  const all: StreamEvent[] = []
  for (let events = await next(); events !== null; events = await next()) all.push(...events)
  return all
}

const textOf = (all: readonly StreamEvent[]) =>
  all.map((event) => (event.type === 'chunk' ? event.text : '')).join('')

describe('a whole answer that is handed on', () => {
  it('has the calls of tools that were asked for', async () => {
    const tool_calls = [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }]
    const body = {
      id: 'x',
      choices: [
        { index: 0, message: { role: 'assistant', content: null, tool_calls }, finish_reason: 'tool_calls' },
      ],
      usage,
    }
    const tools = [{ type: 'function', function: { name: 'f' } }]
    const { channel, host } = await setUp(json(200, body))
    const messages = [{ role: 'tool', tool_call_id: 'c0', content: '1' }]

    const answer = await callForAnswer(
      channel,
      relay('chat/completions', { messages, tools }, relayChat),
      undefined,
    )

    expect(answer).toEqual({ hostId: 'a', body, text: '', usage: counted, usageFault: null })
    expect(host.requests[0]?.body).toMatchObject({ messages, tools, stream: false })
  })

  it('continues a text', async () => {
    const body = { choices: [{ index: 0, text: ' there', finish_reason: 'stop' }], usage }
    const { channel, host } = await setUp(json(200, body))

    const answer = await callForAnswer(channel, relay('completions', { prompt: 'hi' }, relayText), undefined)

    expect(answer).toMatchObject({ text: ' there', body, usage: counted })
    expect(host.requests[0]).toMatchObject({ path: '/v1/completions', body: { prompt: 'hi', max_tokens: 9 } })
  })

  it('embeds', async () => {
    const body = { data: [{ index: 0, embedding: [0.1, 0.2] }], usage: { prompt_tokens: 5, total_tokens: 5 } }
    const { channel, host } = await setUp(json(200, body))

    const answer = await callForAnswer(
      channel,
      relay('embeddings', { input: ['hi'] }, relayEmbeddings),
      undefined,
    )

    expect(answer).toMatchObject({ body, text: '', usage: { promptTokens: 5, completionTokens: 0 } })
    expect(host.requests[0]).toMatchObject({
      path: '/v1/embeddings',
      body: { input: ['hi'], model: 'org/model' },
    })
    expect(host.requests[0]?.body).not.toHaveProperty('stream')
  })
})

describe('what a host gets', () => {
  it('is what its settings say, laid over the request', async () => {
    const settings = {
      headers: { 'X-Team': 'bees' },
      body: { temperature: 0.7, chat_template_kwargs: { enable_thinking: false } },
      maxCompletionTokens: 4,
    }
    const { channel, host } = await setUp(completion('ok'), settings)

    await callForAnswer(channel, chat, undefined)

    expect(host.requests[0]?.headers).toMatchObject({
      'x-team': 'bees',
      accept: 'application/json',
      'content-type': 'application/json',
    })
    expect(host.requests[0]?.body).toMatchObject({ ...settings.body, max_tokens: 4 })
  })

  it('says that a stream is wanted', async () => {
    const { channel, host } = await setUp(stream(['ok']), { headers: { 'X-Team': 'bees' } })

    await readAll(await callForStream(channel, chat, undefined))

    expect(host.requests[0]?.headers).toMatchObject({ 'x-team': 'bees', accept: 'text/event-stream' })
  })
})

describe('a host that is another container', () => {
  const container = { kind: 'infernet' } as const

  it('answers a task with an output, whose usage it may report', async () => {
    const { channel, host } = await setUp(json(200, { output: 'hello', usage }), container)

    expect(await callForAnswer(channel, chat, undefined)).toEqual({
      hostId: 'a',
      text: 'hello',
      finishReason: 'stop',
      usage: counted,
      usageFault: null,
    })
    expect(host.requests[0]).toMatchObject({
      path: '/service_output',
      body: { source: 1, destination: 1, requires_proof: false, data: { messages: chat.body.messages } },
    })
  })

  it.each([
    ['400', 'HOST_REJECTED'],
    ['500', 'HOST_FAILED'],
  ])('fails by the code %s in its answer', async (code, expected) => {
    const { channel } = await setUp(json(200, { code, name: 'x', description: 'hi' }), container)

    expect((await caught(callForAnswer(channel, chat, undefined))).code).toBe(expected)
  })

  it('fails by its status, too', async () => {
    const { channel } = await setUp(json(503, { output: 'hello' }), container)

    expect((await caught(callForAnswer(channel, chat, undefined))).code).toBe('HOST_FAILED')
  })

  it('streams bare text, in whole characters, and reports no usage', async () => {
    const bytes = Buffer.from('bees 🐝 sleep')
    const gate = createGate()
    const { channel, host } = await setUp((response, request) => {
      response.writeHead(200).write(bytes.subarray(0, 7))
      gate.hold((open) => open.end(bytes.subarray(7)))(response, request)
    }, container)

    const begun = await callForStream(channel, chat, undefined)
    gate.open()
    const all = await readAll(begun)

    expect(all.map((event) => event.type === 'chunk' && event.text)).toEqual(['bees ', '🐝 sleep', false])
    expect(all[0]).toMatchObject({ raw: null, isPreamble: false })
    expect(all.at(-1)).toEqual({
      type: 'end',
      hostId: 'a',
      finishReason: null,
      usage: null,
      usageFault: 'no usage was reported',
    })
    expect(host.requests[0]?.headers.accept).toBe('*/*')
    expect(host.requests[0]?.body).toMatchObject({ source: 1, destination: 2 })
  })

  it('shows what is left of a character that was never completed', async () => {
    const { channel } = await setUp(raw(200, Buffer.of(0x61, 0xf0, 0x9f)), container)

    expect(textOf(await readAll(await callForStream(channel, chat, undefined)))).toBe('a\ufffd')
  })

  it('may stream nothing at all', async () => {
    const { channel } = await setUp(raw(200, ''), container)

    expect(await readAll(await callForStream(channel, chat, undefined))).toMatchObject([{ type: 'end' }])
  })

  it('fails when its stream is cut', async () => {
    const { channel } = await setUp(cut('half'), container)
    const begun = await callForStream(channel, chat, undefined)

    expect((await caught(readAll(begun))).code).toBe('HOST_UNREACHABLE')
  })
})

describe('a stream', () => {
  const role = { choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }
  const word = (content: string) => ({ choices: [{ index: 0, delta: { content } }] })
  const stop = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }

  it('begins with its first word, but keeps what came before', async () => {
    const { channel } = await setUp(events(role, word('a'), stop))

    const all = await readAll(await callForStream(channel, chat, undefined))

    expect(all.map((event) => (event.type === 'chunk' ? event.raw : event.type))).toEqual([
      role,
      word('a'),
      stop,
      'end',
    ])
    expect(all.map((event) => event.type === 'chunk' && event.isPreamble)).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  it('has not begun as long as only a role was said', async () => {
    const { channel } = await setUp((response) => {
      response.writeHead(200)
      response.write(`data: ${JSON.stringify(role)}\n\n`, () => response.destroy())
    })

    expect((await caught(callForStream(channel, chat, undefined))).code).toBe('HOST_UNREACHABLE')
  })

  it('has begun with a call of a tool', async () => {
    const gate = createGate()
    const call = { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, id: 'c1' }] } }] }
    const { channel } = await setUp((response, request) => {
      response.writeHead(200)
      for (const chunk of [role, call]) response.write(`data: ${JSON.stringify(chunk)}\n\n`)
      gate.hold((open) => open.end(`data: ${JSON.stringify(stop)}\n\ndata: [DONE]\n\n`))(response, request)
    })

    const begun = await callForStream(channel, chat, undefined)
    gate.open()

    expect((await readAll(begun)).map((event) => event.type === 'chunk' && event.raw)).toEqual([
      role,
      call,
      stop,
      false,
    ])
  })

  it('of a continued text is read by its own rule', async () => {
    const { channel } = await setUp(
      events({ choices: [{ text: 'a' }] }, { choices: [{ text: 'b', finish_reason: 'stop' }] }),
    )

    const all = await readAll(
      await callForStream(channel, relay('completions', { prompt: 'x' }, relayText), undefined),
    )

    expect(textOf(all)).toBe('ab')
    expect(all.at(-1)).toMatchObject({ type: 'end', finishReason: 'stop' })
  })

  it('ends when the host says so, with the usage, whatever comes after', async () => {
    const { channel } = await setUp((response) => {
      response.writeHead(200)
      for (const chunk of [word('a'), stop, { choices: [], usage }]) {
        response.write(`data: ${JSON.stringify(chunk)}\n\n`)
      }
      response.write(`data: [DONE]\n\ndata: ${JSON.stringify(word('never'))}\n\n`)
      response.end()
    })

    const all = await readAll(await callForStream(channel, chat, undefined))

    expect(textOf(all)).toBe('a')
    expect(all.at(-1)).toMatchObject({ type: 'end', usage: counted })
  })

  it('frees its connection before anybody looks at its end', async () => {
    const { channel, host } = await setUp(events(word('a'), stop), { maxConcurrent: 1 })
    const { signal } = new AbortController()
    const { next } = await callForStream(channel, chat, signal)
    for (let given = await next(); given?.at(-1)?.type === 'chunk';) given = await next()

    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    await until(() => channel.pool.stats.running === 0)
    expect(host.abandoned()).toBe(0)
  })

  it('gives what was said before it breaks, and breaks then', async () => {
    const text = [word('a'), word('b')].map((body) => `data: ${JSON.stringify(body)}\n\n`).join('')
    const { channel } = await setUp(raw(200, `${text}data: not JSON\n\n`))

    const { next } = await callForStream(channel, chat, undefined)

    expect(await next()).toMatchObject([{ text: 'a' }, { text: 'b' }])
    expect((await caught(next())).code).toBe('HOST_NOT_READY')
    expect((await caught(next())).code).toBe('HOST_NOT_READY')
  })

  it('can be dropped unread', async () => {
    const { channel, host } = await setUp(stream(['a'], null, 'silence'))
    const { signal } = new AbortController()
    const begun = await callForStream(channel, chat, signal)

    begun.drop()

    await until(() => host.abandoned() === 1)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it.each([
    ['is refused', json(400, {}), 'HOST_REJECTED'],
    ['finds too much to do', json(429, {}), 'HOST_BUSY'],
    ['ends before a word', raw(200, ''), 'HOST_UNREACHABLE'],
    ['is cut', cut('data: {"choi'), 'HOST_UNREACHABLE'],
    ['fails', events({ error: { message: 'hi' } }), 'HOST_FAILED'],
  ])('that %s before its first word leaves nothing behind', async (_what, answer, code) => {
    const { channel } = await setUp(answer)
    const { signal } = new AbortController()

    const error = await caught(callForStream(channel, chat, signal).then(readAll))

    expect(error.code).toBe(code)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('waits for its first word as long as the host may take for it', async () => {
    const { channel } = await setUp(silence, { firstTokenTimeoutMs: 30 })

    const error = await caught(callForStream(channel, chat, undefined))

    expect(error).toMatchObject({
      code: 'HOST_UNREACHABLE',
      message: 'No answer from host a in 30 ms.',
      details: { reason: 'timeout' },
    })
  })

  it('does not count the time that its reader takes', async () => {
    const gate = createGate()
    const { channel } = await setUp(
      (response, request) => {
        response.writeHead(200).write(`data: ${JSON.stringify(word('a'))}\n\n`)
        gate.hold((open) => open.end(`data: ${JSON.stringify(stop)}\n\n`))(response, request)
      },
      { firstTokenTimeoutMs: 50 },
    )
    const begun = await callForStream(channel, chat, undefined)
    await begun.next()

    await new Promise((resolve) => setTimeout(resolve, 100))
    gate.open()

    expect(await readAll(begun)).toMatchObject([{ type: 'chunk' }, { type: 'end', finishReason: 'stop' }])
  })
})
