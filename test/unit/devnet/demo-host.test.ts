import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from '@jest/globals'
import { type DemoHost, type DemoHostOptions, createDemoHost } from '../../../src/lib/devnet/demo-host.js'
import { tokenize } from '../../../src/lib/devnet/demo-tokens.js'
import { silentLogger } from '../../../src/lib/log.js'
import { createForward } from '../../../src/lib/router/forward.js'
import { chatOperation } from '../../../src/lib/router/operation.js'
import { caught } from '../../helpers/caught.js'
import { hostOf, routeOf } from '../../helpers/hosts.js'

const corpusPath = fileURLToPath(new URL('../../../templates/demo-host/corpus.txt', import.meta.url))
const open: DemoHost[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((host) => host.close()))
})

async function start(options: Partial<DemoHostOptions> = {}): Promise<DemoHost> {
  const nowSec = () => 1_700_000_000
  const host = await createDemoHost({
    host: '127.0.0.1',
    port: 0,
    corpusPath,
    model: 'demo',
    nowSec,
    ...options,
  })
  open.push(host)
  return host
}

const chat = { model: 'demo', messages: [{ role: 'user', content: 'What do bees do in winter?' }] }

async function post(
  host: DemoHost,
  body: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${host.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

const textOf = (body: Record<string, unknown>) =>
  (body.choices as { message: { content: string } }[])[0]?.message.content ?? ''

describe('the demo model server', () => {
  it('lists its model', async () => {
    const response = await fetch(`${(await start()).baseUrl}/models`)

    expect(await response.json()).toEqual({
      object: 'list',
      data: [{ id: 'demo', object: 'model', created: 1_700_000_000, owned_by: 'flock' }],
    })
  })

  it('completes a chat and counts its tokens truly', async () => {
    const { status, body } = await post(await start(), { ...chat, max_tokens: 40 })

    const text = textOf(body)
    expect(status).toBe(200)
    expect(body).toMatchObject({ object: 'chat.completion', model: 'demo', created: 1_700_000_000 })
    expect(text).toMatch(/\w+ \w+/)
    expect(body.usage).toEqual({
      // "user: What do bees do in winter?" and "assistant:"
      prompt_tokens: 2 + 7 + 2,
      completion_tokens: tokenize(text).length,
      total_tokens: 11 + tokenize(text).length,
    })
    expect(tokenize(text).length).toBeLessThanOrEqual(Buffer.byteLength(text))
  })

  it('stops after 16 tokens unless told otherwise, as FLock API Platform does', async () => {
    const { body } = await post(await start(), { ...chat, temperature: 0 })

    expect(body.usage).toMatchObject({ completion_tokens: 16 })
    expect(body.choices).toMatchObject([{ finish_reason: 'length' }])
  })

  it('answers alike for the same question, and otherwise for another seed', async () => {
    const host = await start()
    const ask = async (change: object) =>
      textOf((await post(host, { ...chat, max_tokens: 60, ...change })).body)

    expect(await ask({})).toBe(await ask({}))
    expect(
      new Set([await ask({ seed: 1 }), await ask({ seed: 2 }), await ask({ seed: 3 })]).size,
    ).toBeGreaterThan(1)
  })

  it('reads all roles and parts of text', async () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: [{ type: 'text', text: 'Bees?' }] },
    ]

    const { body } = await post(await start(), { ...chat, messages })

    expect(body.usage).toMatchObject({ prompt_tokens: 5 + 4 + 2 })
  })

  it.each([true, false])(
    'streams the same answer, with its usage when asked for: %s',
    async (include_usage) => {
      const host = await start()
      const question = { ...chat, max_tokens: 20, temperature: 0 }
      const whole = await post(host, question)

      const response = await fetch(`${host.baseUrl}/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...question, stream: true, stream_options: { include_usage } }),
      })
      const events = (await response.text()).trim().split('\n\n')
      const chunks = events
        .slice(0, -1)
        .map(
          (event) =>
            JSON.parse(event.slice(6)) as { choices: { delta: { content?: string } }[]; usage?: unknown },
        )

      expect(response.headers.get('content-type')).toBe('text/event-stream')
      expect(events.at(-1)).toBe('data: [DONE]')
      expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(textOf(whole.body))
      expect(chunks.at(-1)?.usage).toEqual(include_usage ? whole.body.usage : undefined)
    },
  )

  it('works behind the router', async () => {
    const host = await start()
    const forward = createForward({ nowMs: () => 0, random: () => 0, log: silentLogger })
    const route = routeOf([hostOf({ baseUrl: host.baseUrl, model: 'demo' })])
    const request = chatOperation({
      messages: chat.messages as never,
      maxTokens: 24,
      options: { temperature: 0 },
    })

    const whole = await forward.complete(request, { route })
    let streamed = ''
    for await (const events of forward.stream(request, { route })) {
      for (const event of events) {
        if (event.type === 'chunk') streamed += event.text
        else expect(event).toMatchObject({ usage: whole.usage, finishReason: whole.finishReason })
      }
    }

    expect(streamed).toBe(whole.text)
    await forward.close()
  })

  it.each([
    ['no JSON', '{', 400],
    ['a list', [], 400],
    ['no model', { messages: chat.messages }, 400],
    ['an unknown model', { ...chat, model: 'other' }, 404],
    ['no messages', { model: 'demo' }, 400],
    ['empty messages', { ...chat, messages: [] }, 400],
    ['a message without role', { ...chat, messages: [{ content: 'x' }] }, 400],
    ['a message without content', { ...chat, messages: [{ role: 'user' }] }, 400],
    ['an image', { ...chat, messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 400],
    ['several choices', { ...chat, n: 2 }, 400],
    ['no tokens', { ...chat, max_tokens: 0 }, 400],
    ['half a token', { ...chat, max_tokens: 1.5 }, 400],
    ['tokens as text', { ...chat, max_tokens: '5' }, 400],
    ['a temperature below zero', { ...chat, temperature: -1 }, 400],
    ['a temperature above two', { ...chat, temperature: 2.1 }, 400],
    ['an empty stop', { ...chat, stop: '' }, 400],
    ['five stops', { ...chat, stop: ['a', 'b', 'c', 'd', 'e'] }, 400],
    ['a stream as text', { ...chat, stream: 'yes' }, 400],
    ['stream options as text', { ...chat, stream_options: 'yes' }, 400],
    ['a seed that is no integer', { ...chat, seed: 0.5 }, 400],
  ])('refuses %s in the words of OpenAI', async (_what, body, status) => {
    const answer = await post(await start(), body)

    expect(answer.status).toBe(status)
    expect(answer.body).toMatchObject({
      error: { message: expect.stringMatching(/\w/), type: 'invalid_request_error', param: null },
    })
  })

  it('knows no other route', async () => {
    const host = await start()

    expect((await fetch(`${host.baseUrl}/embeddings`)).status).toBe(404)
    expect((await fetch(`${host.baseUrl}/chat/completions`)).status).toBe(404)
    expect((await fetch(host.baseUrl.replace('/v1', '/health'))).status).toBe(200)
  })

  it('learns the text that it is given', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'flock-demo-'))
    try {
      const path = join(dir, 'text.txt')
      await writeFile(path, 'One two three.\n')
      const host = await start({ corpusPath: path })

      expect(host.vocabularySize).toBe(4)
      expect(textOf((await post(host, { ...chat, temperature: 0 })).body)).toBe('One two three.')
    } finally {
      await rm(dir, { recursive: true })
    }
  })

  it('says that the text cannot be read, or is empty', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'flock-demo-'))
    try {
      const path = join(dir, 'text.txt')
      expect((await caught(start({ corpusPath: path }))).code).toBe('CONFIG_UNREADABLE')
      await writeFile(path, ' \n')
      expect((await caught(start({ corpusPath: path }))).message).toContain('is empty')
    } finally {
      await rm(dir, { recursive: true })
    }
  })

  it('says that the port is taken, and closes with its signal', async () => {
    const stop = new AbortController()
    const host = await start({ signal: stop.signal })

    expect((await caught(start({ port: host.port }))).code).toBe('PORT_IN_USE')
    stop.abort()
    await host.closed

    await expect(fetch(`${host.baseUrl}/models`)).rejects.toThrow()
  })
})
