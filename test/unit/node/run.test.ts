import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from '@jest/globals'
import { parseNodeConfig } from '../../../src/lib/infernet/node-config.js'
import { createContainerClient } from '../../../src/lib/node/container-client.js'
import { runContainers, type ContainerTask, type RunResult } from '../../../src/lib/node/run.js'
import { closedPort, startHttpServer, type TestServer } from '../../helpers/http-server.js'

const INPUTS = '0x476f6f64206d6f726e696e6721'
const FIVE = { raw_input: '', processed_input: '', raw_output: 'aa', processed_output: '', proof: '' }

let servers: TestServer[] = []

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()))
  servers = []
})

async function serve(handle: (response: ServerResponse, body: string) => void): Promise<TestServer> {
  const server = await startHttpServer((body, response) => handle(response, body))
  servers.push(server)
  return server
}

function json(value: unknown, status = 200, contentType = 'application/json') {
  return (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': contentType })
    response.end(typeof value === 'string' ? value : JSON.stringify(value))
  }
}

interface RunSettings {
  readonly timeoutMs?: number
  readonly maxBodyBytes?: number
  readonly bearer?: string
  readonly requiresProof?: boolean
  readonly signal?: AbortSignal
  readonly task?: ContainerTask
  readonly onEarlier?: (container: string, answerJson: string) => void
}

async function run(urls: readonly string[], settings: RunSettings = {}): Promise<RunResult> {
  const { timeoutMs = 5_000, maxBodyBytes = 1_000, bearer = '', requiresProof = false } = settings
  const ids = ['a', 'b', 'c'].slice(0, urls.length)
  const { config } = parseNodeConfig({
    manage_containers: false,
    containers: ids.map((id) => ({ id, bearer })),
  })
  const client = createContainerClient({ timeoutMs, maxBodyBytes })
  try {
    return await runContainers(config.containers, settings.task ?? { inputs: INPUTS, requiresProof }, {
      client,
      ...(settings.onEarlier && { onEarlier: settings.onEarlier }),
      urlOf: ({ id }) => urls[ids.indexOf(id)] ?? '',
      signal: settings.signal ?? new AbortController().signal,
    })
  } finally {
    client.close()
  }
}

describe('runContainers', () => {
  it('sends a single container the inputs for the chain and returns its answer as it came', async () => {
    const server = await serve(json(' {"raw_output": "aa" } '))

    const result = await run([server.url], { bearer: 'container-token' })

    expect(result).toEqual({ ok: true, outputJson: ' {"raw_output": "aa" } ' })
    expect(server.requests[0]).toMatchObject({
      path: '/service_output',
      body: '{"source":0,"destination":0,"data":"476f6f64206d6f726e696e6721","requires_proof":false}',
      headers: { 'content-type': 'application/json', authorization: 'Bearer container-token' },
    })
  })

  it('sends no authorization without a bearer token, and asks for a proof when one is required', async () => {
    const server = await serve(json(FIVE))

    await run([server.url], { requiresProof: true })

    expect(server.requests[0]?.headers.authorization).toBeUndefined()
    expect(server.requests[0]?.body).toContain('"requires_proof":true')
  })

  it('hands the answers of a chain on, exactly, with the sources and destinations of the protocol', async () => {
    const first = await serve(json('{"big":123456789012345678901234567890,"half":1.0}'))
    const second = await serve(json('["a list"]'))
    const third = await serve(json(FIVE))

    const result = await run([first.url, second.url, third.url])

    expect(result.ok).toBe(true)
    expect([first, second, third].map(({ requests }) => requests[0]?.body)).toEqual([
      '{"source":0,"destination":1,"data":"476f6f64206d6f726e696e6721","requires_proof":false}',
      '{"source":1,"destination":1,"data":{"big":123456789012345678901234567890,"half":1.0},"requires_proof":false}',
      '{"source":1,"destination":0,"data":["a list"],"requires_proof":false}',
    ])
  })

  it('passes a failure that an intermediate container reports with status 200 on, as the reference does', async () => {
    const first = await serve(json({ code: '500', name: 'Oops' }))
    const second = await serve(json(FIVE))

    const result = await run([first.url, second.url])

    expect(result.ok).toBe(true)
  })

  it('stops a chain at its first fault', async () => {
    const first = await serve(json({ code: '500' }, 500))
    const second = await serve(json(FIVE))

    const result = await run([first.url, second.url])

    expect(result).toMatchObject({ ok: false, fault: { container: 'a', kind: 'status' } })
    expect(second.requests).toHaveLength(0)
  })

  it.each<[string, (response: ServerResponse) => void, string, boolean, string]>([
    ['another content type', json('<html>', 200, 'text/html'), 'contentType', false, 'text/html'],
    ['no content type', (response) => response.end('{}'), 'contentType', false, 'not JSON'],
    ['JSON that breaks off', json('{"raw_output":'), 'notJson', false, 'not JSON'],
    ['a list', json([1]), 'notObject', false, 'not an object'],
    ['a text', json('"text"'), 'notObject', false, 'not an object'],
    ['null', json('null'), 'notObject', false, 'not an object'],
    ['a code', json({ code: '500', name: 'Internal' }), 'reported', false, '(500 Internal)'],
    ['the number 200 as its code', json({ code: 200 }), 'reported', false, 'reported a failure'],
    ['a refusal as its code', json({ code: '400', name: 'Bad' }), 'reported', true, '(400 Bad)'],
    ['status 503', json({ code: '503' }, 503), 'status', false, 'HTTP 503 (503)'],
    [
      'status 500 without a code',
      json({ error: 'secret prompt' }, 500),
      'status',
      false,
      'answered HTTP 500',
    ],
    ['status 422', json({ detail: 'x' }, 422), 'status', true, 'HTTP 422'],
    ['status 429', json({}, 429), 'status', false, 'HTTP 429'],
    [
      'a redirect',
      (response) => response.writeHead(302, { location: '/x' }).end(),
      'status',
      false,
      'HTTP 302',
    ],
    ['too much', json({ text: 'x'.repeat(2_000) }), 'tooLarge', true, '1000 bytes'],
    ['a broken connection', (response) => response.destroy(), 'unreachable', false, 'No answer from'],
  ])('judges an answer with %s', async (_, handle, kind, isFinal, message) => {
    const server = await serve(handle)

    const result = await run([server.url])

    expect(result).toMatchObject({
      ok: false,
      fault: { container: 'a', kind, isFinal, message: expect.stringContaining(message) as unknown },
    })
  })

  it('repeats nothing of an error that may hold a prompt', async () => {
    const server = await serve(
      json({ code: '500', name: 'What is 2+2? '.repeat(9), description: 'my prompt' }, 500),
    )

    const result = await run([server.url])

    expect(result).toMatchObject({ ok: false, fault: { message: 'answered HTTP 500 (500)' } })
  })

  it('accepts JSON content types with parameters and suffixes', async () => {
    const server = await serve(json(FIVE, 200, 'application/vnd.flock+json; charset=utf-8'))

    expect((await run([server.url])).ok).toBe(true)
  })

  it('gives up on a container that does not answer in time', async () => {
    const server = await serve(() => undefined)

    const result = await run([server.url], { timeoutMs: 50 })

    expect(result).toMatchObject({ ok: false, fault: { kind: 'timeout', isFinal: false } })
  })

  it('gives up on a body that does not end in time', async () => {
    const server = await serve((response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{')
    })

    const result = await run([server.url], { timeoutMs: 200 })

    expect(result).toMatchObject({ ok: false, fault: { kind: 'timeout' } })
  })

  it('reports a connection that breaks in the middle of the body', async () => {
    const server = await serve((response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      response.write('{"raw_output":', () => response.destroy())
    })

    const result = await run([server.url])

    expect(result).toMatchObject({ ok: false, fault: { kind: 'unreachable' } })
  })

  it('reports a container that is not there', async () => {
    const result = await run([`http://127.0.0.1:${await closedPort()}`])

    expect(result).toMatchObject({
      ok: false,
      fault: {
        kind: 'unreachable',
        isFinal: false,
        message: expect.stringContaining('ECONNREFUSED') as unknown,
      },
    })
  })

  it('ends with the signal’s reason when it is aborted', async () => {
    const stop = new AbortController()
    const server = await serve(() => stop.abort(new Error('enough')))

    await expect(run([server.url], { signal: stop.signal })).rejects.toThrow('enough')
  })

  it.each([
    ['an off-chain job', 1],
    ['a delegated subscription', 0],
  ] as const)('sends %s as source 1, and its last answer to destination %i', async (_, destination) => {
    const first = await serve(json({ text: 'x' }))
    const second = await serve(json(FIVE))
    const task = { dataJson: '{"big": 123456789012345678901234567890}', destination, requiresProof: true }

    await run([second.url], { task })
    await run([first.url, second.url], { task })

    const data = '{"big": 123456789012345678901234567890}'
    expect([...second.requests, ...first.requests].map(({ body }) => body)).toEqual([
      `{"source":1,"destination":${destination},"data":${data},"requires_proof":true}`,
      `{"source":1,"destination":${destination},"data":{"text":"x"},"requires_proof":true}`,
      `{"source":1,"destination":1,"data":${data},"requires_proof":true}`,
    ])
  })

  it.each([['[1]'], ['"text"'], ['{"code":"500"}']])(
    'takes %s as the answer of an off-chain job',
    async (body) => {
      const server = await serve(json(body))

      const result = await run([server.url], {
        task: { dataJson: '{}', destination: 1, requiresProof: false },
      })

      expect(result).toEqual({ ok: true, outputJson: body })
    },
  )

  it('tells the answers on the way, and what a container wrote instead of one', async () => {
    const earlier: string[] = []
    const first = await serve(json('{"n": 1.0}'))
    const second = await serve(json('{"code":"422","description":"my prompt"}', 422))

    const result = await run([first.url, second.url], {
      onEarlier: (container, answer) => earlier.push(`${container} ${answer}`),
    })

    expect(earlier).toEqual(['a {"n": 1.0}'])
    expect(result).toMatchObject({ fault: { said: '{"code":"422","description":"my prompt"}' } })
  })

  it('keeps its connection between calls', async () => {
    const ports = new Set<number | undefined>()
    const server = await serve((response) => {
      ports.add(response.socket?.remotePort)
      json(FIVE)(response)
    })
    const { config } = parseNodeConfig({ manage_containers: false, containers: [{ id: 'a' }] })
    const client = createContainerClient({ timeoutMs: 5_000, maxBodyBytes: 1_000 })
    const options = { client, urlOf: () => server.url, signal: new AbortController().signal }

    for (let call = 0; call < 3; call += 1)
      await runContainers(config.containers, { inputs: INPUTS, requiresProof: false }, options)
    client.close()

    expect(ports.size).toBe(1)
  })
})
