import { once } from 'node:events'
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http'
import { type Socket, connect } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { isFiveFields } from '../../../src/lib/infernet/payload.js'
import { type LogRecord, createLogger } from '../../../src/lib/log.js'
import {
  type ServerTimeouts,
  type ServiceServer,
  type ServiceServerOptions,
  createServiceServer,
} from '../../../src/lib/service/server.js'
import { caught } from '../../helpers/caught.js'
import {
  type FakeHost,
  type HostAnswer,
  completion,
  createGate,
  json,
  silence,
  startFakeHost,
  stream,
} from '../../helpers/fake-host.js'
import { createServiceWorld, tinyModel } from '../../helpers/service-world.js'
import { MODEL_ID, envelopeOf, onChainBody } from '../../helpers/tasks.js'

const closers: (() => Promise<unknown> | void)[] = []
let records: LogRecord[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  records = []
})

interface SetUp {
  readonly service: ServiceServer
  readonly host: FakeHost
  /** As the service was opened. */
  readonly options: ServiceServerOptions
}

async function setUp(
  answers: HostAnswer[],
  {
    isLocal = false,
    ...options
  }: {
    timeouts?: Partial<ServerTimeouts>
    signal?: AbortSignal
    maxBodyBytes?: number
    isLocal?: boolean
  } = {},
): Promise<SetUp> {
  const host = await startFakeHost(...answers)
  const log = createLogger('debug', (record) => records.push(record))
  const model = tinyModel({ baseUrl: host.baseUrl, model: 'm' }, { aliases: ['org/tiny'] })
  const world = await createServiceWorld({ models: [model], log, isLocal })
  const serverOptions = {
    service: world.service,
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: 65_536,
    version: '1.2.3',
    nowMs: () => performance.now(),
    log,
    ...options,
  }
  const service = await createServiceServer(serverOptions)
  closers.push(
    () => host.close(),
    () => world.close(),
    () => service.close(),
  )
  return { service, host, options: serverOptions }
}

const post = (service: ServiceServer, body: unknown, init: RequestInit = {}) =>
  fetch(`${service.url}/service_output`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  })

const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

const ask = { source: 1, destination: 1, data: { prompt: 'hi' }, requires_proof: false }
const askStream = { source: 1, destination: 2, data: { prompt: 'hi' } }

describe('POST /service_output', () => {
  it('answers a task of the chain with five fields', async () => {
    const { service } = await setUp([completion('Yes.')])

    const response = await post(service, onChainBody())

    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json')
    const body: unknown = await response.json()
    expect(isFiveFields(body)).toBe(true)
    expect(body).toMatchObject({ raw_output: Buffer.from('Yes.').toString('hex') })
  })

  it('answers an off-chain task with its output', async () => {
    const { service } = await setUp([completion('Hello.')])

    const response = await post(service, ask)

    expect(await response.json()).toMatchObject({ output: 'Hello.', model: 'tiny' })
  })

  it('streams plain text, piece by piece', async () => {
    const { service } = await setUp([stream(['Hel', 'lo 🐝', '.'])])

    const response = await post(service, askStream)

    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(await response.text()).toBe('Hello 🐝.')
  })

  it('sends the first piece while the host still thinks about the second', async () => {
    const { service } = await setUp([stream(['first'], null, 'silence')])

    const response = await post(service, askStream)
    const reader = response.body?.getReader()
    const piece = await reader?.read()

    expect(Buffer.from((piece?.value ?? []) as Uint8Array).toString()).toBe('first')
    await reader?.cancel()
  })

  it('streams nothing for an empty answer', async () => {
    const { service } = await setUp([stream([])])

    const response = await post(service, askStream)

    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
  })

  it.each([
    ['no JSON', '{', 400, 'TASK_INVALID'],
    ['nothing', '', 400, 'TASK_INVALID'],
    ['an empty object', {}, 400, 'TASK_INVALID'],
    ['a list', [], 400, 'TASK_INVALID'],
    ['empty data of the chain', { source: 0, destination: 0, data: '' }, 400, 'TASK_INVALID'],
    ['data that is no hex', { source: 0, destination: 0, data: 'zz' }, 400, 'TASK_INVALID'],
    ['an unknown model', onChainBody(envelopeOf({ modelId: `0x${'99'.repeat(32)}` })), 404, 'TASK_NOT_FOUND'],
    ['another chain', onChainBody(envelopeOf({ chainId: 5n })), 400, 'TASK_INVALID'],
    ['a proof of nothing', { ...ask, requires_proof: true }, 400, 'PROOF_UNSUPPORTED'],
    ['a stream of nothing', { ...askStream, data: {} }, 400, 'TASK_INVALID'],
    ['no envelope for the chain', { ...ask, destination: 0 }, 400, 'TASK_INVALID'],
  ])('refuses %s with a status, a name and a reason', async (_what, body, status, name) => {
    const { service, host } = await setUp([completion('never')])

    const response = await post(service, body)

    expect(response.status).toBe(status)
    expect(await response.json()).toEqual({
      code: status.toString(),
      name,
      description: expect.stringMatching(/\w+ .*\./),
    })
    expect(host.requests).toHaveLength(0)
  })

  it.each([
    ['a host that fails', json(500, {}), 502, 'HOST_FAILED'],
    ['a host that refuses', json(400, {}), 422, 'HOST_REJECTED'],
    ['a host without usage', completion('Yes.', null), 502, 'HOST_USAGE_INVALID'],
    ['a host without words', completion(''), 502, 'HOST_ANSWER_INVALID'],
  ])(
    'tells the node about %s so that it cannot be taken for a result',
    async (_what, answer, status, name) => {
      const { service } = await setUp([answer])

      const response = await post(service, onChainBody())

      expect(response.status).toBe(status)
      const body: unknown = await response.json()
      expect(body).toMatchObject({ code: status.toString(), name })
      expect(isFiveFields(body)).toBe(false)
    },
  )

  it('answers a stream that fails at once with an error, not with a stream', async () => {
    const { service } = await setUp([json(503, {})])

    const response = await post(service, askStream)

    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({ name: 'HOST_FAILED' })
  })

  it('cuts a stream that fails midway, so that nobody takes it for whole', async () => {
    const { service } = await setUp([stream(['half'], null, 'cut')])

    const response = await post(service, askStream)

    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  it.each([
    ['plain text', 'text/plain'],
    ['a form', 'application/x-www-form-urlencoded'],
  ])('refuses %s, which a page of another origin could post', async (_what, type) => {
    const { service } = await setUp([completion('never')])

    const response = await post(service, ask, { headers: { 'content-type': type } })

    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ description: expect.stringContaining('application/json') })
  })

  it('refuses a compressed body', async () => {
    const { service } = await setUp([completion('never')])

    const response = await post(service, ask, {
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    })

    expect(response.status).toBe(400)
  })

  it('refuses a body that is no UTF-8', async () => {
    const { service } = await setUp([completion('never')])

    const response = await post(service, '', { body: Buffer.from([0x7b, 0xff, 0x7d]) })

    expect(await response.json()).toMatchObject({ description: 'The body is not valid JSON in UTF-8.' })
  })

  it('refuses a body above the limit, and takes one of exactly the limit', async () => {
    const { service } = await setUp([completion('ok')], { maxBodyBytes: 1_000 })
    const body = JSON.stringify(ask)
    const exact = body + ' '.repeat(1_000 - body.length)

    expect((await post(service, exact)).status).toBe(200)
    const response = await post(service, `${exact} `)

    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ name: 'BODY_TOO_LARGE' })
  })

  it('refuses a body above the limit whose length was not announced', async () => {
    const { service } = await setUp([completion('never')], { maxBodyBytes: 1_000 })
    const agent = new Agent()
    const request = httpRequest(`${service.url}/service_output`, {
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    })
    request.write('x'.repeat(600))
    request.write('x'.repeat(600))

    const [response] = (await once(request, 'response')) as [IncomingMessage]

    expect(response.statusCode).toBe(413)
    request.destroy()
    agent.destroy()
  })

  it('survives JSON that is nested without end', async () => {
    const { service } = await setUp([completion('never')])
    const deep = `{"source":1,"destination":1,"data":{"prompt":"hi","response_format":${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}}}`

    expect((await post(service, deep)).status).toBe(400)
    expect((await fetch(`${service.url}/health`)).status).toBe(200)
  })

  it('stops the host when its client goes away', async () => {
    const { service, host } = await setUp([silence])
    const gone = new AbortController()
    const pending = post(service, ask, { signal: gone.signal }).catch(() => undefined)
    await until(() => host.requests.length === 1)

    gone.abort()
    await pending

    await until(() => host.abandoned() === 1)
    expect(host.abandoned()).toBe(1)
  })

  it('keeps the connection for further tasks, after refusals too', async () => {
    const { service } = await setUp([completion('ok')])
    const socket = connect(service.port, '127.0.0.1')
    const received = collect(socket)
    const send = (body: string) =>
      socket.write(
        `POST /service_output HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      )

    send('{')
    await until(() => received().includes('"400"'))
    send(JSON.stringify(ask))
    await until(() => received().includes('"ok"'))

    expect(received().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200'])
    socket.destroy()
  })

  it('logs refusals without the prompt', async () => {
    const { service } = await setUp([json(500, {})])

    await post(service, { ...ask, data: { prompt: 'secret words' } })
    await post(service, '{"data": "secret words"')

    expect(records.length).toBeGreaterThan(1)
    expect(JSON.stringify(records)).not.toContain('secret')
  })
})

describe('the other routes', () => {
  it('say that the service is healthy', async () => {
    const { service } = await setUp([])

    const response = await fetch(`${service.url}/health`)

    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ status: 'healthy' })
  })

  it('say in words what is served', async () => {
    const { service } = await setUp([])

    const response = await fetch(service.url)

    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(await response.text()).toBe('FlockWorkflow serves tiny.\n')
  })

  it('describe the machine and the models', async () => {
    const { service } = await setUp([])

    const response = await fetch(`${service.url}/service-resources`)

    expect(await response.json()).toMatchObject({
      version: '1.2.3',
      service_id: 'flock-workflow',
      hardware_capabilities: [{ capability_id: 'base', cpu_info: { num_cores: expect.any(Number) } }],
      compute_capability: [
        { id: 'ml', task: ['text_generation'], models: [{ name: 'tiny', model_id: MODEL_ID }] },
      ],
    })
  })

  it.each([
    ['tiny', true],
    ['org/tiny', true],
    [MODEL_ID, true],
    ['huge', false],
    ['', false],
  ])('say whether the model "%s" is served', async (model, supported) => {
    const { service } = await setUp([])

    const response = await fetch(`${service.url}/service-resources?model_id=${model}`)

    expect(await response.json()).toEqual({ supported })
  })

  it.each(['/nothing', '/health/', '//health', '/constructor', '/service_output/../x', '/%zz'])(
    'do not include %s',
    async (path) => {
      const { service } = await setUp([])

      const head = await ask1(service, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)

      expect(head).toContain('HTTP/1.1 404')
      expect(head).toContain('"TASK_NOT_FOUND"')
    },
  )

  it.each([
    ['GET', '/service_output', 'POST'],
    ['POST', '/health', 'GET'],
    ['DELETE', '/', 'GET'],
  ])('refuse %s of %s', async (method, path, allowed) => {
    const { service } = await setUp([])

    const response = await fetch(service.url + path, { method })

    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe(allowed)
    expect(await response.json()).toMatchObject({ code: '405', name: 'METHOD_NOT_ALLOWED' })
  })

  it('answer HEAD without a body', async () => {
    const { service } = await setUp([])

    const response = await fetch(`${service.url}/health`, { method: 'HEAD' })

    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
  })
})

describe('clients that misbehave', () => {
  it.each([
    ['no HTTP at all', 'hello\r\n\r\n', '400'],
    [
      'two lengths',
      'POST /service_output HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n',
      '400',
    ],
    [
      'a length and chunks',
      'POST /service_output HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n',
      '400',
    ],
    ['headers without end', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, '431'],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', '400'],
    ['two hosts', 'GET / HTTP/1.1\r\nhost: x\r\nHOST: y\r\n\r\n', '400'],
    [
      'too many headers',
      `GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${'x: y\r\n'.repeat(300)}\r\n`,
      '431',
    ],
    ['a tunnel', 'CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n', '405'],
    ['an expectation', 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 200-ok\r\n\r\n', '417'],
  ])('are refused for %s', async (_what, text, status) => {
    const { service } = await setUp([])

    const [head, body = ''] = (await ask1(service, text)).split('\r\n\r\n')

    expect(head).toContain(`HTTP/1.1 ${status}`)
    expect(JSON.parse(body)).toMatchObject({ code: status, name: 'HTTP_INVALID' })
  })

  it.each([
    [70_000, 'HTTP/1.1 413', 1],
    [2, 'HTTP/1.1 100', 2],
  ])('are told before they send a body of %d bytes whether to go on', async (length, first, answers) => {
    const { service } = await setUp([])
    const socket = connect(service.port, '127.0.0.1')
    const received = collect(socket)
    socket.write(
      `POST /service_output HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`,
    )
    await once(socket, 'data')

    socket.write('{}')
    await once(socket, 'close')

    expect(received().startsWith(first)).toBe(true)
    expect(received().match(/HTTP\/1\.1 /g)).toHaveLength(answers)
  })

  it('get nothing written into an answer that is on its way', async () => {
    const { service, host } = await setUp([stream(['first'], null, 'silence')])
    const body = JSON.stringify(askStream)
    const socket = connect(service.port, '127.0.0.1')
    const received = collect(socket)
    socket.write(
      `POST /service_output HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await until(() => received().includes('first'))

    socket.write('no request at all\r\n\r\n')
    await once(socket, 'close')

    expect(received().match(/HTTP\/1\.1/g)).toHaveLength(1)
    await until(() => host.abandoned() === 1)
  })

  it('are cut when they keep their side open after a refusal', async () => {
    const { service } = await setUp([])
    const socket = connect({ port: service.port, host: '127.0.0.1', allowHalfOpen: true })
    const received = collect(socket)
    socket.write('no request at all\r\n\r\n')
    await once(socket, 'end')

    const cut = until(() => socket.destroyed)
    const knock = setInterval(() => socket.write('x'), 50)
    await cut
    clearInterval(knock)

    expect(received()).toContain('HTTP/1.1 400')
  })

  it('are cut when a request does not come to its end in time', async () => {
    const { service } = await setUp([], { timeouts: { requestMs: 100 } })

    const head = await ask1(
      service,
      'POST /service_output HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    )

    expect(head).toContain('HTTP/1.1 408')
  })

  it('are cut when they take nothing of a stream', async () => {
    const { service, host } = await setUp(
      [stream(Array<string>(400).fill('x'.repeat(20_000)), null, 'silence')],
      {
        timeouts: { stallMs: 100 },
      },
    )
    const body = JSON.stringify(askStream)
    const socket = connect(service.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.pause()
    socket.write(
      `POST /service_output HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )

    await until(() => records.some(({ message }) => message === 'An answer broke off.'))
    await until(() => host.abandoned() === 1)
    socket.destroy()
  })
})

describe('a service for its own machine alone', () => {
  const request = (path: string, host: string) => `GET ${path} HTTP/1.1\r\n${host}connection: close\r\n\r\n`

  it.each([
    'localhost',
    'localhost:3000',
    'LOCALHOST.:1',
    'flock.localhost:3000',
    '127.0.0.1',
    '127.0.0.1:3000',
    '127.8.9.1',
    '[::1]:3000',
  ])('answers who calls it %s', async (host) => {
    const { service } = await setUp([], { isLocal: true })

    expect(await ask1(service, request('/health', `host: ${host}\r\n`))).toContain('HTTP/1.1 200')
  })

  it('answers HTTP/1.0, which no browser speaks, without any name', async () => {
    const { service } = await setUp([], { isLocal: true })

    expect(await ask1(service, 'GET /health HTTP/1.0\r\n\r\n')).toContain('HTTP/1.1 200')
  })

  it.each([
    'evil.example',
    'evil.example:3000',
    'localhost.evil.example',
    'evil-localhost',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    '0.0.0.0',
    '[::]',
    '[fe80::1]',
    'localhost:3000:3000',
    'localhost/x',
    '',
  ])('refuses a page of the web that had its own name lead here: "%s"', async (host) => {
    const { service, host: model } = await setUp([completion('never')], { isLocal: true })
    const body = JSON.stringify(ask)

    const task = await ask1(
      service,
      `POST /service_output HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    const list = await ask1(service, request('/v1/models', `host: ${host}\r\n`))

    expect(task).toContain('HTTP/1.1 403')
    expect(task).toContain('"name":"HOST_FORBIDDEN"')
    expect(list).toContain('HTTP/1.1 403')
    expect(list).toContain('"code":"host_forbidden"')
    expect(model.requests).toHaveLength(0)
  })
})

describe('going down', () => {
  it('finishes what is under way, takes nothing new, and frees the port', async () => {
    let release: (() => void) | undefined
    const { service, host } = await setUp([
      (response, request) => {
        release = () => completion('In time.')(response, request)
      },
    ])
    const idle = connect(service.port, '127.0.0.1')
    await once(idle, 'connect')
    const pending = post(service, ask)
    await until(() => release !== undefined)

    const closing = service.close()
    await expect(post(service, ask)).rejects.toThrow()
    release?.()

    const response = await pending
    expect(await response.json()).toMatchObject({ output: 'In time.' })
    expect(response.headers.get('connection')).toBe('close')
    await closing
    expect(host.requests).toHaveLength(1)
    idle.destroy()
  })

  it('refuses a task that comes on an open connection while others are finished', async () => {
    let release: (() => void) | undefined
    const { service, host } = await setUp([
      (response, request) => {
        release = () => completion('In time.')(response, request)
      },
    ])
    const socket = connect(service.port, '127.0.0.1')
    const received = collect(socket)
    await once(socket, 'connect')
    const other = post(service, ask)
    await until(() => release !== undefined)

    const closing = service.close()
    const body = JSON.stringify(ask)
    socket.write(
      `POST /service_output HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await once(socket, 'close')
    release?.()
    await other
    await closing

    expect(received()).toContain('HTTP/1.1 503')
    expect(received()).toContain('"name":"SERVICE_UNREACHABLE"')
    expect(host.requests).toHaveLength(1)
  })

  it('refuses clients on open connections in the words of OpenAI', async () => {
    const gate = createGate()
    const { service, host } = await setUp([gate.hold(completion('In time.'))])
    const socket = connect(service.port, '127.0.0.1')
    const received = collect(socket)
    await once(socket, 'connect')
    const other = post(service, ask)
    await until(() => gate.held() === 1)

    const closing = service.close()
    const body = JSON.stringify({ messages: [] })
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await once(socket, 'close')
    gate.open()
    await other
    await closing

    expect(received()).toContain('HTTP/1.1 503')
    expect(received()).toContain('retry-after: 1')
    expect(received()).toContain('"type":"server_error"')
    expect(host.requests).toHaveLength(1)
  })

  it('gives up tasks that take longer than the drain time, and says so', async () => {
    const { service, host } = await setUp([silence], { timeouts: { drainMs: 50 } })
    const pending = post(service, ask)
    await until(() => host.requests.length === 1)

    await service.close()

    const response = await pending
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.json()).toMatchObject({ code: '503', name: 'INTERRUPTED' })
  })

  it('begins with the signal', async () => {
    const stop = new AbortController()
    const { service } = await setUp([], { signal: stop.signal })

    stop.abort()
    await service.closed

    await expect(fetch(`${service.url}/health`)).rejects.toThrow()
  })

  it('can be asked for twice', async () => {
    const { service } = await setUp([])

    await Promise.all([service.close(), service.close()])
    await service.close()
  })
})

describe('opening', () => {
  it('says that the port is taken', async () => {
    const { service, options } = await setUp([])

    const error = await caught(createServiceServer({ ...options, port: service.port }))

    expect(error).toMatchObject({ code: 'PORT_IN_USE', details: { port: service.port } })
  })

  it('says that the address cannot be used', async () => {
    const { options } = await setUp([])

    const error = await caught(createServiceServer({ ...options, host: '203.0.113.7' }))

    expect(error.code).toBe('USAGE_INVALID')
  })
})

/** Sends raw bytes and reads until the server closes the connection. */
async function ask1(service: ServiceServer, text: string): Promise<string> {
  const socket = connect(service.port, '127.0.0.1')
  const received = collect(socket)
  socket.write(text)
  await once(socket, 'close')
  return received()
}

function collect(socket: Socket): () => string {
  let text = ''
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('utf8')))
  socket.on('error', () => undefined)
  return () => text
}
