import { readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { type LogRecord, createLogger } from '../../../src/lib/log.js'
import { artifactIdOf, modelIdOf } from '../../../src/lib/models/model.js'
import type { HostSettings } from '../../../src/lib/router/hosts.js'
import {
  type OpenedService,
  type ServiceContext,
  type ServiceSettings,
  openService,
} from '../../../src/lib/service/open-service.js'
import { type ServiceServer, createServiceServer } from '../../../src/lib/service/server.js'
import { createReceiptKey } from '../../../src/lib/usage/receipt-key.js'
import { caught } from '../../helpers/caught.js'
import { parseExposition, valueOf } from '../../helpers/exposition.js'
import {
  type FakeHost,
  completion,
  createGate,
  json,
  startFakeHost,
  stream,
} from '../../helpers/fake-host.js'
import { hostSettings, noKeys, routeOf } from '../../helpers/hosts.js'
import { bearer, clientNumber, keyNumber } from '../../helpers/openai-world.js'
import { encodeStock } from '../../helpers/random-stock.js'
import { CHAIN_ID, RECEIPT_KEY, USAGE_METER, envelopeOf, onChainBody } from '../../helpers/tasks.js'
import { createTempDir } from '../../helpers/temp-dir.js'
import { until } from '../../helpers/until.js'

const MODEL_HOST = '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65'
const artifact = { hg_repo_id: 'flock-io/tiny', revision: 'main', base_model: 'tiny' }
const modelId = modelIdOf(MODEL_HOST, artifactIdOf(artifact))
const tokenizer = fileURLToPath(new URL('../../fixtures/tokenizers/bytes.json', import.meta.url))

let dir = ''
let host: FakeHost
let records: LogRecord[] = []
const opened: OpenedService[] = []
const servers: ServiceServer[] = []

beforeEach(async () => {
  dir = await createTempDir()
  host = await startFakeHost(completion('They sleep.', { prompt_tokens: 14, completion_tokens: 6 }))
  records = []
})

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
  for (const service of opened.splice(0)) await service.close()
  await host.close()
  await rm(dir, { recursive: true, force: true })
})

type Model = ServiceSettings['models'][number]

const modelOf = (change: Partial<Model> = {}, ...hosts: Partial<HostSettings>[]): Model => ({
  ...artifact,
  name: 'tiny',
  aliases: [],
  limits: { maxPromptTokens: 1_000, maxCompletionTokens: 100 },
  routing: routeOf([]).routing,
  tokenizer: null,
  hosts: (hosts.length === 0 ? [{}] : hosts).map((settings) =>
    hostSettings({ baseUrl: host.baseUrl, ...settings }),
  ),
  ...change,
})

const settingsOf = (change: Partial<ServiceSettings> = {}): ServiceSettings => ({
  models: [modelOf()],
  clients: [clientNumber(1)],
  stockTasks: true,
  ...change,
})

const contextOf = (change: Partial<ServiceContext> = {}): ServiceContext => ({
  chainId: CHAIN_ID,
  usageMeter: USAGE_METER,
  modelHost: MODEL_HOST,
  receiptKey: createReceiptKey(RECEIPT_KEY),
  keys: noKeys,
  host: '127.0.0.1',
  answers: { dir: join(dir, 'answers'), fsync: 'interval', keepDays: 1 },
  usageDir: join(dir, 'usage'),
  version: '1.2.3',
  nowMs: () => performance.now(),
  unixMs: () => Date.UTC(2026, 0, 2),
  random: () => 0,
  log: createLogger('debug', (record) => records.push(record)),
  ...change,
})

async function open(settings = settingsOf(), context = contextOf()) {
  const service = await openService(settings, context)
  opened.push(service)
  const server = await createServiceServer({
    service: service.service,
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: 65_536,
    version: '1.2.3',
    nowMs: context.nowMs,
    log: context.log,
  })
  servers.push(server)
  const send = async (path: string, body: unknown, key = keyNumber(1).key) =>
    fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(key) },
      body: JSON.stringify(body),
    })
  return {
    service,
    server,
    chat: async (fields: object = {}, key?: string) =>
      send('/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }], ...fields }, key),
    task: async (body: unknown) => send('/service_output', body),
    get: async (path: string) => fetch(server.url + path, { headers: bearer(keyNumber(1).key) }),
    reload: async (next: ServiceSettings) => server.use(await service.reload(next)),
  }
}

const paidTask = (interval = 3) => onChainBody(envelopeOf({ modelId, interval }))

describe('a service that is opened', () => {
  it('answers clients, tasks of the chain and stock tasks by the same hosts', async () => {
    const { chat, task } = await open()
    const stock = { source: 0, destination: 0, data: encodeStock('tgi', ['hi']).slice(2) }

    const answers = [await chat(), await task(paidTask()), await task(stock)]

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(host.requests).toHaveLength(3)
  })

  it('is ready, and shows its figures', async () => {
    const { chat, get } = await open()
    await chat()

    const ready = await get('/ready')
    const metrics = await get('/metrics')

    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }])
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const families = parseExposition(await metrics.text())
    const labels = { route: '/v1/chat/completions', model: 'tiny', status: '200' }
    expect(valueOf(families, 'flock_requests_total', labels)).toBe(1)
    expect(families.has('process_cpu_seconds_total')).toBe(true)
  })

  it('is not ready while a model has no host that is up', async () => {
    host.answerWith(json(500, {}))
    const { chat, get } = await open()
    for (let count = 0; count < 20; count += 1) await chat()

    const ready = await get('/ready')

    expect([ready.status, await ready.json()]).toEqual([503, { status: 'not ready', models: ['tiny'] }])
  })

  it('counts tokens with the tokenizer of the model', async () => {
    host.answerWith(completion('the bees', null))
    const file = { ...noKeys, readFile: (path: string) => readFileSync(path, 'utf8') }
    const { chat } = await open(
      settingsOf({ models: [modelOf({ tokenizer: { file: tokenizer } })] }),
      contextOf({ keys: file }),
    )

    expect(await (await chat()).json()).toMatchObject({ usage: { completion_tokens: 3 } })
  })

  it('keeps answers and counts when it is opened again', async () => {
    const first = await open()
    await first.chat()
    const given: unknown = await (await first.task(paidTask())).json()
    await servers.pop()?.close()
    await opened.pop()?.close()
    host.answerWith(completion('Something else.'))

    const second = await open()

    expect(await (await second.task(paidTask())).json()).toEqual(given)
    expect(await (await second.get('/v1/usage')).json()).toMatchObject({ total: { requests: 1 } })
    expect(host.requests).toHaveLength(2)
  })

  it('has its folders for itself, and gives them back when it cannot be opened', async () => {
    await open()
    const other = contextOf({ answers: { ...contextOf().answers, dir: join(dir, 'other') } })

    expect((await caught(openService(settingsOf(), contextOf()))).code).toBe('STATE_CONFLICT')
    expect((await caught(openService(settingsOf(), other))).code).toBe('STATE_CONFLICT')

    const free = contextOf({ ...other, usageDir: join(dir, 'other-usage') })
    await expect(openService(settingsOf(), free).then((service) => service.close())).resolves.toBeUndefined()
  })

  it.each([
    ['an API key is missing', { models: [modelOfKey()] }, 'API_KEY_MISSING'],
    ['a tokenizer cannot be read', { models: [modelOfFile()] }, 'CONFIG_INVALID'],
    ['a client has no key', { clients: [clientNumber(1, { keyHash: null })] }, 'CONFIG_INVALID'],
  ])('is not opened when %s, and leaves nothing behind', async (_what, change, code) => {
    expect((await caught(openService(settingsOf(change), contextOf()))).code).toBe(code)

    const { chat } = await open()
    expect((await chat()).status).toBe(200)
  })
})

describe('the health of a service', () => {
  it('is gone when paid answers can be kept no more', async () => {
    const { get, service } = await open()
    const before = await get('/health')
    await rm(join(dir, 'answers', 'lock'))
    await until(() => service.service.workflow.fault !== null)

    const after = await get('/health')

    expect([before.status, await before.json()]).toEqual([200, { status: 'healthy' }])
    expect(after.status).toBe(503)
    expect(await after.json()).toEqual({ status: 'unhealthy', code: 'STATE_CONFLICT' })
  })
})

describe('the key of receipts', () => {
  const slow = createReceiptKey(RECEIPT_KEY, () => {
    throw new Error('no WebAssembly')
  })
  const warnings = () =>
    records.filter(({ message }) => message.startsWith('Receipts are signed by JavaScript'))

  it('is warned of once when WebAssembly cannot sign with it, and is used nevertheless', async () => {
    const { task, service } = await open(settingsOf(), contextOf({ receiptKey: slow }))
    await service.reload(settingsOf())

    expect((await task(paidTask())).status).toBe(200)
    expect(warnings()).toEqual([expect.objectContaining({ level: 'warn' })])
  })

  it('is not spoken of otherwise', async () => {
    await open()

    expect(warnings()).toEqual([])
  })
})

function modelOfKey(): Model {
  const keyed = hostSettings({ baseUrl: 'http://127.0.0.1:1/v1', auth: 'bearer', apiKeyEnv: 'TINY_KEY' })
  return { ...modelOfFile(), tokenizer: null, hosts: [keyed] }
}

function modelOfFile(): Model {
  return {
    ...artifact,
    name: 'tiny',
    aliases: [],
    limits: { maxPromptTokens: 10, maxCompletionTokens: 10 },
    routing: routeOf([]).routing,
    tokenizer: { file: '/nowhere/tokenizer.json' },
    hosts: [hostSettings()],
  }
}

describe('without clients', () => {
  it('the routes of clients are closed on an address that others reach, and tasks are taken', async () => {
    const { chat, task, get } = await open(settingsOf({ clients: [] }), contextOf({ host: '0.0.0.0' }))

    expect((await chat()).status).toBe(403)
    expect((await get('/v1/models')).status).toBe(403)
    expect((await task(paidTask())).status).toBe(200)
    expect(records).toContainEqual({
      level: 'warn',
      message: 'The OpenAI-compatible routes are closed.',
      fields: {
        reason: expect.stringContaining('0.0.0.0'),
        hint: 'Name clients in service.clients, or set service.host to 127.0.0.1.',
      },
    })
  })

  it.each(['127.0.0.1', 'localhost', '::1'])('they are open to this machine alone on %s', async (address) => {
    const { chat, service } = await open(settingsOf({ clients: [] }), contextOf({ host: address }))

    expect((await chat()).status).toBe(200)
    expect(service.service.isLocal).toBe(true)
  })

  it('is the only case in which names of others are refused', async () => {
    const { service } = await open()

    expect(service.service.isLocal).toBe(false)
  })
})

describe('a reload', () => {
  const large = () =>
    modelOf({ name: 'large', hg_repo_id: 'flock-io/large' }, { id: 'b', model: 'org/large' })

  it('serves new models, clients and names, and drops those that are gone', async () => {
    const { chat, get, reload } = await open()

    await reload(
      settingsOf({
        models: [modelOf({ name: 'small', aliases: ['org/small'] }), large()],
        clients: [clientNumber(2)],
      }),
    )

    expect((await get('/v1/models')).status).toBe(401)
    expect((await chat({ model: 'tiny' }, keyNumber(2).key)).status).toBe(404)
    for (const model of ['small', 'org/small', 'large']) {
      expect((await chat({ model }, keyNumber(2).key)).status).toBe(200)
    }
    expect(host.requests.at(-1)?.body.model).toBe('org/large')
    const families = parseExposition(await (await get('/metrics')).text())
    expect(valueOf(families, 'flock_client_requests_total', { client: 'client-2', model: 'large' })).toBe(1)
  })

  it('keeps the connections of hosts that stay', async () => {
    const { chat, reload } = await open()
    await chat()

    await reload(settingsOf({ models: [modelOf(), large()] }))
    await chat({ model: 'tiny' })

    expect(host.connections()).toBe(1)
  })

  it('lets requests under way finish at hosts that are removed, and asks those no more', async () => {
    const gate = createGate()
    host.answerWith(gate.hold(completion('In time.')))
    const other = await startFakeHost(completion('New.'))
    const { chat, task, reload } = await open()
    const pending = [chat(), task(paidTask())]
    await until(() => gate.held() === 2)

    await reload(settingsOf({ models: [modelOf({}, { id: 'b', baseUrl: other.baseUrl })] }))
    const next = await chat()
    gate.open()
    const [first, second] = await Promise.all(pending)
    await other.close()

    expect(await next.json()).toMatchObject({ choices: [{ message: { content: 'New.' } }] })
    expect(await first?.json()).toMatchObject({ choices: [{ message: { content: 'In time.' } }] })
    expect(second?.status).toBe(200)
    expect(host.requests).toHaveLength(2)
  })

  it('lets streams under way come to their end', async () => {
    let finish: () => void = () => undefined
    host.answerWith((response, request) => {
      stream(['first'], null, 'silence')(response, request)
      finish = () =>
        response.end('data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    })
    const { chat, reload } = await open()
    const response = await chat({ stream: true })

    await reload(settingsOf({ models: [large()], clients: [clientNumber(2)] }))
    finish()

    expect(await response.text()).toMatch(/first[^]*data: \[DONE\]\n\n$/)
  })

  it('gives a paid request that came before it the same answer', async () => {
    const { task, reload } = await open()
    const given: unknown = await (await task(paidTask())).json()
    host.answerWith(completion('Something else.'))

    await reload(settingsOf({ models: [modelOf(), large()] }))

    expect(await (await task(paidTask())).json()).toEqual(given)
  })

  it.each([
    ['an API key', () => settingsOf({ models: [modelOfKey()] }), 'API_KEY_MISSING'],
    ['a tokenizer', () => settingsOf({ models: [modelOfFile()] }), 'CONFIG_INVALID'],
    [
      'the key of a client',
      () => settingsOf({ clients: [clientNumber(3, { keyHash: 'x' })] }),
      'CONFIG_INVALID',
    ],
    [
      'the address of a host',
      () => settingsOf({ models: [modelOf({}, { baseUrl: 'ftp://127.0.0.1' })] }),
      'CONFIG_INVALID',
    ],
  ])('changes nothing when %s is wrong', async (_what, next, code) => {
    const { chat, service, get } = await open()

    const error = await caught(service.reload(next()))

    expect(error.code).toBe(code)
    expect((await chat()).status).toBe(200)
    expect(await (await get('/v1/models')).json()).toMatchObject({ data: [{ id: 'tiny' }] })
    expect(service.service.hosts()).toMatchObject([{ model: 'tiny', hostId: 'a' }])
  })

  it('leaves clients what they used of their limits', async () => {
    const clients = [clientNumber(1, { requestsPerMinute: 1 })]
    const { chat, reload } = await open(settingsOf({ clients }))
    await chat()

    await reload(settingsOf({ clients, models: [modelOf(), large()] }))

    expect((await chat({ model: 'tiny' })).status).toBe(429)
  })

  it('reads a tokenizer again that was mended', async () => {
    const path = join(dir, 'tokenizer.json')
    await writeFile(path, '{}')
    host.answerWith(completion('the bees', null))
    const keys = { ...noKeys, readFile: (file: string) => readFileSync(file, 'utf8') }
    const { chat, reload } = await open(settingsOf(), contextOf({ keys }))
    const next = settingsOf({ models: [modelOf({ tokenizer: { file: path } })] })
    await caught(reload(next))

    await writeFile(path, readFileSync(tokenizer, 'utf8'))
    await reload(next)

    expect(await (await chat()).json()).toMatchObject({ usage: { completion_tokens: 3 } })
  })

  it('may stop taking stock tasks', async () => {
    const { task, reload } = await open()
    const stock = { source: 0, destination: 0, data: encodeStock('tgi', ['hi']).slice(2) }

    await reload(settingsOf({ stockTasks: false }))

    expect((await task(stock)).status).toBe(400)
    expect((await task(paidTask())).status).toBe(200)
  })
})
