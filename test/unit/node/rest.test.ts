import { rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { DelegatedRequest } from '../../../src/lib/infernet/delegated-request.js'
import { caught } from '../../helpers/caught.js'
import { closedPort, startHttpServer, type TestServer } from '../../helpers/http-server.js'
import { rawRequest, sendRaw } from '../../helpers/raw-client.js'
import {
  endOf,
  NODE_ADDRESS,
  openTestFace,
  type FaceSettings,
  type OpenFace,
} from '../../helpers/rest-face.js'
import { createTempDir } from '../../helpers/temp-dir.js'
import { until } from '../../helpers/until.js'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const R = '112093381178808550316484284171158646739120368854229973066181922825115248877033'
const ZERO = `0x${'0'.repeat(40)}`
const DELEGATED = `{"signature":{"nonce":5,"expiry":4102444800,"v":28,"r":${R},"s":2},"subscription":{
  "owner":"0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e","active_at":0,"period":0,"frequency":1,"redundancy":1,
  "containers":"${'ab'.repeat(32)}","lazy":false,"verifier":"${ZERO}","payment_amount":0,
  "payment_token":"${ZERO}","wallet":"${ZERO}"},"data":{"a":1.0}}`

let dir: string
let faces: OpenFace[] = []
let servers: TestServer[] = []

beforeEach(async () => {
  dir = await createTempDir()
})

afterEach(async () => {
  await closeFaces()
  await Promise.all(servers.map((server) => server.close()))
  servers = []
  await rm(dir, { recursive: true, force: true })
})

async function closeFaces(): Promise<void> {
  await Promise.all(faces.map((face) => face.close()))
  faces = []
}

async function open(
  containers: readonly object[] = [{ id: 'a' }],
  settings: Partial<FaceSettings> = {},
): Promise<OpenFace> {
  const face = await openTestFace({ dir, containers, ...settings })
  faces.push(face)
  return face
}

async function serve(
  handle: (response: ServerResponse, count: number) => void = (response) => reply(response, '{"text":"hi"}'),
): Promise<TestServer> {
  const server = await startHttpServer((_, response, count) => handle(response, count))
  servers.push(server)
  return server
}

function reply(response: ServerResponse, json: string, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(json)
}

async function idOf(response: Response): Promise<string> {
  return ((await response.json()) as { readonly id: string }).id
}

describe('GET /health and /info', () => {
  it('says that it is healthy', async () => {
    const response = await (await open()).ask('/health')

    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.text()).toBe('{"status":"healthy"}\n')
  })

  it('tells what the reference node tells, compact, with sorted keys, and no secrets', async () => {
    const stuck = await serve(() => undefined)
    const face = await open([
      {
        id: 'hello-world',
        image: 'ritualnetwork/hello-world-infernet:latest',
        bearer: 'token',
        url: stuck.url,
      },
    ])
    await face.post('/api/jobs', { containers: ['hello-world'], data: {} })

    const response = await face.ask('/info?x=1')

    expect(await response.text()).toBe(
      `{"chain":{"address":"${NODE_ADDRESS}","enabled":true},` +
        '"containers":[{"description":"","external":true,"id":"hello-world","image":"ritualnetwork/hello-world-infernet:latest"}],' +
        '"pending":{"offchain":1,"onchain":3},"version":"1.4.0"}\n',
    )
  })

  it.each([
    ['GET', '/nothing', 404, null],
    ['GET', '/__proto__', 404, null],
    ['GET', '/api/jobs/', 404, null],
    ['POST', '/info', 405, 'GET, HEAD'],
    ['DELETE', '/api/jobs', 405, 'GET, HEAD, POST'],
    ['GET', '/api/jobs/stream', 405, 'POST'],
    ['HEAD', '/health', 200, null],
  ])('answers %s %s with %i', async (method, path, status, allow) => {
    const response = await (await open()).ask(path, { method })

    expect([response.status, response.headers.get('allow')]).toEqual([status, allow])
  })

  it('says when the port is taken', async () => {
    const { port } = await open()
    const other = await createTempDir()

    const error = await caught(open([{ id: 'a' }], { dir: other, server: { port } }))
    await rm(other, { recursive: true })

    expect(error.code).toBe('PORT_IN_USE')
    expect(error.details).toMatchObject({ port })
  })
})

describe('GET /resources', () => {
  it('asks each container at its url with its token, and leaves out those that do not answer', async () => {
    const good = await serve((response) =>
      reply(response, '{"version": "0.1.0", "big": 12345678901234567890}'),
    )
    const bad = await serve((response) => reply(response, '{"code":"500"}', 500))
    const odd = await serve((response) => reply(response, '<html>'))
    const face = await open([
      { id: 'z', url: `${good.url}/base`, bearer: 'secret' },
      { id: 'bad', url: bad.url },
      { id: 'odd', url: odd.url },
      { id: 'gone', url: `http://127.0.0.1:${await closedPort()}` },
      { id: 'a', url: good.url },
    ])

    const response = await face.ask('/resources?model_id=ORG%2Fm%26x%3D1')

    const answer = '{"big":12345678901234567890,"version":"0.1.0"}'
    expect(await response.text()).toBe(`{"a":${answer},"z":${answer}}\n`)
    const asked = good.requests.map(({ path, headers }) => [path, headers.authorization])
    expect(asked).toHaveLength(2)
    expect(asked).toContainEqual(['/base/service-resources?model_id=ORG%2Fm%26x%3D1', 'Bearer secret'])
    expect(asked).toContainEqual(['/service-resources?model_id=ORG%2Fm%26x%3D1', undefined])
  })

  it('asks without a query when no model is named', async () => {
    const container = await serve()
    const face = await open([{ id: 'a', url: container.url }])

    await face.ask('/resources')

    expect(container.requests[0]?.path).toBe('/service-resources')
  })
})

describe('POST /api/jobs', () => {
  it('runs a job and gives its result with sorted keys and exact numbers', async () => {
    const container = await serve((response) =>
      reply(response, '{ "z": 1.0, "a": {"y": 123456789012345678901, "b": []} }'),
    )
    const face = await open([{ id: 'a', url: container.url, bearer: 'token' }])

    const begun = await face.post('/api/jobs', '{"containers":["a"],"data":{"n": 1.0}}')
    const id = await idOf(begun)
    const text = await endOf(face, id)

    expect([begun.status, UUID.test(id)]).toEqual([200, true])
    expect(text).toBe(
      `[{"id":"${id}","result":{"container":"a","output":{"a":{"b":[],"y":123456789012345678901},"z":1.0}},"status":"success"}]\n`,
    )
    expect(container.requests[0]).toMatchObject({
      body: '{"source":1,"destination":1,"data":{"n": 1.0},"requires_proof":false}',
      headers: { authorization: 'Bearer token' },
    })
  })

  it('gives the results on the way of a chain when they are asked for', async () => {
    const first = await serve((response) => reply(response, '{"b":1.0,"a":2}'))
    const second = await serve((response) => reply(response, '["end"]'))
    const face = await open([
      { id: 'a', url: first.url },
      { id: 'b', url: second.url, external: false },
    ])

    const id = await idOf(await face.post('/api/jobs', { containers: ['a', 'b'], data: {} }))
    const text = await endOf(face, id, '&intermediate=true')

    expect(text).toBe(
      `[{"id":"${id}","intermediate_results":[{"container":"a","output":{"a":2,"b":1.0}}],` +
        '"result":{"container":"b","output":["end"]},"status":"success"}]\n',
    )
    expect(second.requests[0]?.body).toBe(
      '{"source":1,"destination":1,"data":{"b":1.0,"a":2},"requires_proof":false}',
    )
  })

  it('takes an answer with a code for the output, as the reference node does', async () => {
    const container = await serve((response) => reply(response, '{"code":"400"}'))
    const face = await open([{ id: 'a', url: container.url }])

    const id = await idOf(await face.post('/api/jobs', { containers: ['a'], data: {} }))

    expect(await endOf(face, id)).toContain('"output":{"code":"400"}},"status":"success"')
  })

  it.each<[string, (response: ServerResponse) => void, string]>([
    ['an error page', (response) => reply(response, '{"code":"500"}', 500), '{\\"code\\":\\"500\\"}'],
    ['what is no JSON', (response) => reply(response, 'oops'), 'oops'],
    ['a broken connection', (response) => response.destroy(), 'No answer from'],
  ])('tells the client of %s', async (_, handle, error) => {
    const container = await serve(handle)
    const face = await open([{ id: 'a', url: container.url }])

    const id = await idOf(await face.post('/api/jobs', { containers: ['a'], data: {} }))
    const text = await endOf(face, id)

    expect(text).toContain(`"result":{"container":"a","error":"${error}`)
    expect(text).toContain('"status":"failed"')
  })

  it('lets the body choose neither the id nor the client', async () => {
    const container = await serve()
    const face = await open([{ id: 'a', url: container.url, allowed_ips: ['10.0.0.1'] }])

    const refused = await face.post('/api/jobs', {
      containers: ['a'],
      data: {},
      id: 'mine',
      ip: '10.0.0.1',
    })

    expect([refused.status, await refused.text()]).toEqual([
      405,
      '{"error":"Container not allowed for address","params":{"address":"127.0.0.1","container":"a"}}\n',
    ])
    expect(await (await face.ask('/api/jobs?id=mine')).text()).toBe('[]\n')
  })

  it.each([
    ['{"containers":[],"data":{}}', '{"error":"No containers specified","params":{}}'],
    ['{"containers":["b"],"data":{}}', '{"error":"Container not supported","params":{"container":"b"}}'],
    [DELEGATED, '{"error":"Chain not enabled","params":{}}'],
  ])('refuses %.30s as the guardian does', async (body, refusal) => {
    const response = await (await open()).post('/api/jobs', body)

    expect([response.status, await response.text()]).toEqual([405, `${refusal}\n`])
  })

  it.each([
    ['{', 400],
    ['', 400],
    ['[]', 400],
    ['{"containers":["a"]}', 400],
    ['{"signature":{},"subscription":{},"data":{}}', 400],
    ['NaN', 400],
    [`{"containers":["a"],"data":${'{"a":'.repeat(100_000)}`, 400],
    [`"${'x'.repeat(17 * 1024 * 1024)}"`, 413],
  ])('answers %.40s with an error of its own', async (body, status) => {
    const response = await (await open()).post('/api/jobs', body)

    expect(response.status).toBe(status)
    expect(await response.json()).toEqual({ error: expect.any(String) as unknown })
  })

  it('wants JSON', async () => {
    const response = await (await open()).post('/api/jobs', '{"containers":["a"],"data":{}}', {})

    expect(response.status).toBe(415)
  })

  it('hands delegated subscriptions on, with integers of 78 digits', async () => {
    const seen: DelegatedRequest[] = []
    const accept = (request: DelegatedRequest) => {
      seen.push(request)
      return Promise.resolve(null)
    }
    const face = await open([{ id: 'a' }], { intake: { accept } })

    const response = await face.post('/api/jobs', DELEGATED)

    expect([response.status, await response.text()]).toEqual([200, '{}\n'])
    expect(seen[0]?.signature.r).toBe(BigInt(R))
  })
})

describe('POST /api/jobs/batch', () => {
  it('answers each job in its place, whatever the content type', async () => {
    const container = await serve()
    const face = await open([{ id: 'a', url: container.url }])

    const response = await face.post(
      '/api/jobs/batch',
      `[{"containers":["a"],"data":{}},{"containers":["b"],"data":{}},${DELEGATED},{"containers":["a"],"data":{}}]`,
      {},
    )

    const answers = (await response.json()) as { readonly id?: string }[]
    expect(answers).toEqual([
      { id: expect.stringMatching(UUID) as unknown },
      { error: 'Container not supported', params: { container: 'b' } },
      { error: 'Chain not enabled', params: {} },
      { id: expect.stringMatching(UUID) as unknown },
    ])
    await Promise.all(answers.flatMap(({ id }) => (id === undefined ? [] : [endOf(face, id)])))
    expect(container.requests).toHaveLength(2)
  })

  it('wants a list', async () => {
    const response = await (await open()).post('/api/jobs/batch', { containers: ['a'], data: {} })

    expect([response.status, await response.text()]).toEqual([400, '{"error":"Expected a list"}\n'])
  })

  it('starts nothing when one job cannot be read', async () => {
    const container = await serve()
    const face = await open([{ id: 'a', url: container.url }])

    const response = await face.post('/api/jobs/batch', [
      { containers: ['a'], data: {} },
      { containers: ['a'] },
    ])

    expect(response.status).toBe(400)
    expect(await response.text()).toBe('{"error":"Could not enqueue job:  `data` has to be an object."}\n')
    expect(await (await face.ask('/api/jobs')).json()).toEqual([])
  })
})

describe('POST /api/jobs/stream', () => {
  it('sends the id, then what the container writes as it comes, and keeps it all', async () => {
    let finish: () => void = () => undefined
    const container = await serve((response) => {
      response.write('Grüße ')
      finish = () => response.end('und Küsse')
    })
    const face = await open([{ id: 'a', url: container.url }])

    const response = await face.post('/api/jobs/stream', { containers: ['a'], data: { q: 1 } })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    const read = async () => {
      const { value, done } = await reader.read()
      text += Buffer.from(value ?? []).toString('utf8')
      return !done
    }
    while (!text.includes('Grüße ')) await read()
    finish()
    while (await read());

    const [id = '', ...rest] = text.split('\n')
    expect([response.headers.get('content-type'), UUID.test(id), rest.join('\n')]).toEqual([
      'text/html; charset=utf-8',
      true,
      'Grüße und Küsse',
    ])
    expect(await endOf(face, id)).toBe(
      `[{"id":"${id}","result":{"container":"a","output":{"output":"Grüße und Küsse"}},"status":"success"}]\n`,
    )
    expect(container.requests[0]?.body).toBe('{"source":1,"destination":2,"data":{"q":1}}')
  })

  it('ends when the container fails, which the job tells', async () => {
    const container = await serve((response) => reply(response, '{"code":"500"}', 500))
    const face = await open([{ id: 'a', url: container.url }])

    const text = await (await face.post('/api/jobs/stream', { containers: ['a'], data: {} })).text()
    const id = text.trim()

    expect(text).toBe(`${id}\n`)
    expect(await endOf(face, id)).toContain('"error":"{\\"code\\":\\"500\\"}"},"status":"failed"')
  })

  it('refuses delegated subscriptions, and jobs as the guardian does', async () => {
    const face = await open()

    const delegated = await face.post('/api/jobs/stream', DELEGATED)
    const other = await face.post('/api/jobs/stream', { containers: ['b'], data: {} })

    expect([delegated.status, await delegated.text()]).toEqual([
      405,
      '{"error":"Streaming only supported for OffchainJob requests."}\n',
    ])
    expect([other.status, other.headers.get('content-type')]).toEqual([405, 'application/json'])
  })

  it('lets go of the container when the client goes away', async () => {
    let isClosed = false
    const container = await serve((response) => {
      response.on('close', () => (isClosed = true))
      const timer = setInterval(() => response.write('x'), 5)
      response.on('close', () => clearInterval(timer))
    })
    const face = await open([{ id: 'a', url: container.url }])
    const leave = new AbortController()

    const response = await face.ask('/api/jobs/stream', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"containers":["a"],"data":{}}',
      signal: leave.signal,
    })
    await response.body?.getReader().read()
    leave.abort()
    await until(() => isClosed)

    const [id = ''] = (await (await face.ask('/api/jobs')).json()) as string[]
    expect(await endOf(face, id)).toContain('"status":"failed"')
  })
})

describe('GET /api/jobs', () => {
  it('lists ids, those under way first, and gives results, those that ended first', async () => {
    const container = await serve((response, count) => {
      if (count > 1) reply(response, '{}')
    })
    const face = await open([{ id: 'a', url: container.url }])
    const running = await idOf(await face.post('/api/jobs', { containers: ['a'], data: {} }))
    await until(() => container.requests.length === 1)
    const ended = await idOf(await face.post('/api/jobs', { containers: ['a'], data: {} }))
    await endOf(face, ended)

    const list = async (query: string) => (await (await face.ask(`/api/jobs${query}`)).text()).trim()

    expect([await list(''), await list('?pending=true'), await list('?pending=false')]).toEqual([
      `["${running}","${ended}"]`,
      `["${running}"]`,
      `["${ended}"]`,
    ])
    expect(await list(`?id=${running}&id=unknown&id=${ended}&intermediate=true`)).toBe(
      `[{"id":"${ended}","intermediate_results":[],"result":{"container":"a","output":{}},"status":"success"},` +
        `{"id":"${running}","intermediate_results":[],"result":null,"status":"running"}]`,
    )
  })

  it('shows a client behind a trusted proxy its own jobs alone', async () => {
    const container = await serve()
    const face = await open([{ id: 'a', url: container.url }], { trustedProxies: ['127.0.0.1'] })
    const from = (ip: string) => ({ 'content-type': 'application/json', 'x-forwarded-for': ip })

    const id = await idOf(await face.post('/api/jobs', { containers: ['a'], data: {} }, from('2001:db8::1')))
    const lists = await Promise.all(
      ['2001:db8::1', '2001:db8::2'].map(async (ip) =>
        (await face.ask('/api/jobs', { headers: from(ip) })).json(),
      ),
    )

    expect(lists).toEqual([[id], []])
  })

  it('shows results of before a restart', async () => {
    const container = await serve()
    const first = await open([{ id: 'a', url: container.url }])
    const id = await idOf(await first.post('/api/jobs', { containers: ['a'], data: {} }))
    const before = await endOf(first, id)
    await closeFaces()

    const second = await open([{ id: 'a', url: container.url }])

    expect(await (await second.ask(`/api/jobs?id=${id}`)).text()).toBe(before)
  })

  it('ends jobs under way as failed when it closes', async () => {
    const container = await serve(() => undefined)
    const first = await open([{ id: 'a', url: container.url }])
    const id = await idOf(await first.post('/api/jobs', { containers: ['a'], data: {} }))
    await until(() => container.requests.length === 1)
    await closeFaces()

    const second = await open([{ id: 'a', url: container.url }])

    expect(await endOf(second, id)).toContain('"error":"The node stopped before the job ended."')
  })
})

describe('PUT /api/status', () => {
  const put = (face: OpenFace, body: string, headers: Record<string, string> = {}) =>
    face.ask('/api/status', { method: 'PUT', body, headers })

  it('stores what a container tells of work outside the node', async () => {
    const face = await open()

    const response = await put(face, '{"id":"x","status":"running","containers":["a"],"data":{}}')
    await put(face, '{"id":"y","status":"success","containers":["a"]}')

    expect([response.status, await response.text()]).toEqual([200, 'null\n'])
    expect(await (await face.ask('/api/jobs?id=x&id=y')).text()).toBe(
      '[{"id":"y","result":null,"status":"success"},{"id":"x","result":null,"status":"running"}]\n',
    )
  })

  it.each([
    ['{"id":"x","status":"done","containers":["a"]}', 400, 'Status is invalid'],
    ['{"status":"success","containers":["a"]}', 400, 'Could not store job status'],
    ['{"id":"x","status":"success"}', 400, 'Could not store job status'],
    ['{', 400, 'Could not store job status'],
  ])('refuses %s', async (body, status, error) => {
    const response = await put(await open(), body)

    expect([response.status, await response.text()]).toEqual([status, `{"error":"${error}"}\n`])
  })

  it.each([
    ['172.17.3.4', 200],
    ['192.168.0.9', 200],
    ['172.20.0.1', 403],
    ['8.8.8.8', 403],
  ])('answers %s with %i', async (ip, status) => {
    const face = await open([{ id: 'a' }], { trustedProxies: ['127.0.0.1'] })

    const response = await put(face, '{"id":"x","status":"success","containers":[]}', {
      'x-forwarded-for': ip,
    })

    expect(response.status).toBe(status)
  })
})

describe('the rate limit', () => {
  const server = { rate_limit: { num_requests: 2, period: 3600 } }

  it('counts each route and tells what is left', async () => {
    const face = await open([{ id: 'a' }], { server })

    const answers = [await face.ask('/health'), await face.ask('/health'), await face.ask('/health')]
    const other = await face.ask('/info')

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(answers.map(({ headers }) => headers.get('ratelimit-remaining'))).toEqual(['1', '0', '0'])
    expect([
      answers[0]?.headers.get('ratelimit-limit'),
      answers[0]?.headers.get('ratelimit-reset'),
      answers[2]?.headers.get('retry-after'),
    ]).toEqual(['2', '1800', '1800'])
    expect(other.status).toBe(200)
  })

  it('is not got around by what a client writes', async () => {
    const face = await open([{ id: 'a' }], { server })

    const statuses: number[] = []
    for (let count = 0; count < 3; count += 1)
      statuses.push((await face.ask('/health', { headers: { 'x-forwarded-for': `1.2.3.${count}` } })).status)

    expect(statuses).toEqual([200, 200, 429])
  })

  it('spares reports of containers', async () => {
    const face = await open([{ id: 'a' }], { server })

    const body = '{"id":"x","status":"success","containers":[]}'
    const statuses: number[] = []
    for (let count = 0; count < 4; count += 1)
      statuses.push((await face.ask('/api/status', { method: 'PUT', body })).status)

    expect(statuses).toEqual([200, 200, 200, 200])
  })
})

describe('hostile clients', () => {
  it.each<[string, Buffer, number | null]>([
    [
      'a length that lies',
      rawRequest({
        method: 'POST',
        target: '/api/jobs',
        headers: ['content-type: application/json', 'content-length: 99999999999'],
      }),
      413,
    ],
    ['no HTTP', Buffer.from('\0\0\0\r\n\r\n'), 400],
    ['a target that is no path', rawRequest({ target: '*' }), 404],
    ['a query that is no query', rawRequest({ target: '/api/jobs?id=%&id=%zz&&=&?' }), 200],
    [
      'bytes that are no UTF-8',
      rawRequest({
        method: 'POST',
        target: '/api/jobs',
        headers: ['content-type: application/json'],
        body: Buffer.from([0x7b, 0xff, 0xfe]),
      }),
      400,
    ],
  ])('that send %s are answered, and the face goes on', async (_, bytes, status) => {
    const face = await open()

    const answer = await sendRaw(face.port, bytes)

    expect(answer.status).toBe(status)
    expect((await face.ask('/health')).status).toBe(200)
  })

  it('that go away in the middle of a body leave nothing behind', async () => {
    const face = await open()
    const bytes = rawRequest({
      method: 'POST',
      target: '/api/jobs',
      headers: ['content-type: application/json', 'content-length: 100'],
    })

    await sendRaw(face.port, bytes, 'reset')

    expect((await face.ask('/health')).status).toBe(200)
  })
})
