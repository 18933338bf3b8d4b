import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { startHttpServer, type TestServer } from '../helpers/http-server.js'
import {
  createNodeWorld,
  startNode,
  type NodeSettings,
  type NodeWorld,
  type WatchedNode,
} from '../helpers/node-world.js'
import { endOf } from '../helpers/rest-face.js'
import { createTempDir } from '../helpers/temp-dir.js'

let world: NodeWorld
let dir: string
let nodes: WatchedNode[] = []
let servers: TestServer[] = []

beforeAll(async () => {
  world = await createNodeWorld()
}, 120_000)

afterAll(() => world.close())

beforeEach(async () => {
  dir = await createTempDir()
})

afterEach(async () => {
  await stopNodes()
  await Promise.all(servers.map((server) => server.close()))
  servers = []
  await rm(dir, { recursive: true, force: true })
})

async function stopNodes(): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop()))
  nodes = []
}

interface ContainerBody {
  readonly source: number
  readonly destination: number
  readonly data: unknown
}

/** A container as those of the field: five fields for the chain, an object for clients, a text for streams. */
async function serve(): Promise<TestServer> {
  const server = await startHttpServer((text, response) => {
    if (text === '') return reply(response, { service_id: 'test', compute_capability: [{ id: 'ml' }] })
    const { destination, data } = JSON.parse(text) as ContainerBody
    if (destination === 2) {
      response.writeHead(200, { 'content-type': 'text/plain' })
      for (const word of ['to', ' be', ' or']) response.write(word)
      response.end()
    } else if (destination === 1) reply(response, { output: 'off chain', data })
    else
      reply(response, {
        raw_input: '',
        processed_input: '',
        raw_output: String(data),
        processed_output: '',
        proof: '',
      })
  })
  servers.push(server)
  return server
}

function reply(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function start(settings: Pick<NodeSettings, 'containers'>) {
  const node = await startNode(world, { journalPath: join(dir, 'node.ndjson'), ...settings })
  nodes.push(node)
  await node.waitFor('synced')
  const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${node.port}${path}`, init)
  const post = (path: string, body: unknown) =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  return { node, ask, post }
}

describe('the REST face of a node', () => {
  it('does what infernet-client asks for, in its order: health, info, resources, job, results, ids, stream', async () => {
    const container = await serve()
    const { node, ask, post } = await start({ containers: { model: container.url } })

    const health = await (await ask('/health')).json()
    const info = await (await ask('/info')).json()
    const resources = await (await ask('/resources')).json()
    const job = await post('/api/jobs', {
      containers: ['model'],
      data: { prompt: 'hi' },
      requires_proof: false,
    })
    const { id } = (await job.json()) as { readonly id: string }
    const results: unknown = JSON.parse(await endOf({ ask }, id, '&intermediate=true'))
    const completed = await (await ask('/api/jobs?pending=false')).json()
    const stream = await (await post('/api/jobs/stream', { containers: ['model'], data: {} })).text()

    expect({ health, info, resources, results, completed }).toEqual({
      health: { status: 'healthy' },
      info: {
        version: '1.4.0',
        containers: [{ id: 'model', description: '', external: true, image: '' }],
        pending: { offchain: 0, onchain: 0 },
        chain: { enabled: true, address: node.address },
      },
      resources: { model: { service_id: 'test', compute_capability: [{ id: 'ml' }] } },
      results: [
        {
          id,
          status: 'success',
          result: { container: 'model', output: { output: 'off chain', data: { prompt: 'hi' } } },
          intermediate_results: [],
        },
      ],
      completed: [id],
    })
    expect(stream.split('\n')[1]).toBe('to be or')
  })

  it('serves clients and the chain with the same container', async () => {
    const container = await serve()
    const { node, ask, post } = await start({ containers: { both: container.url } })

    const jobs = await post(
      '/api/jobs/batch',
      Array.from({ length: 20 }, () => ({ containers: ['both'], data: {} })),
    )
    const subscription = await world.ask('both', { inputs: '0xbeef' })
    await node.waitFor('delivered', (event) => event.id === subscription)
    const ids = ((await jobs.json()) as { readonly id: string }[]).map(({ id }) => id)
    const ends = await Promise.all(ids.map((id) => endOf({ ask }, id)))

    expect(ends.filter((text) => text.includes('"status":"success"'))).toHaveLength(20)
  })

  it('gives results again after a restart, beside its journal', async () => {
    const container = await serve()
    const first = await start({ containers: { kept: container.url } })
    const job = await first.post('/api/jobs', { containers: ['kept'], data: {} })
    const { id } = (await job.json()) as { readonly id: string }
    const before = await endOf(first, id)
    await stopNodes()

    const second = await start({ containers: { kept: container.url } })

    expect(await endOf(second, id)).toBe(before)
    expect(container.requests).toHaveLength(1)
  })

  it('refuses a delegated subscription for containers that it does not have as the guardian does', async () => {
    const container = await serve()
    const { post } = await start({ containers: { model: container.url } })
    const zero = `0x${'0'.repeat(40)}`

    const response = await post('/api/jobs', {
      signature: { nonce: 0, expiry: 4_102_444_800, v: 27, r: 1, s: 1 },
      subscription: {
        owner: world.consumer,
        active_at: 0,
        period: 0,
        frequency: 1,
        redundancy: 1,
        containers: `0x${'ab'.repeat(32)}`,
        lazy: false,
        verifier: zero,
        payment_amount: 0,
        payment_token: zero,
        wallet: zero,
      },
      data: {},
    })

    expect(response.status).toBe(405)
    expect(await response.json()).toMatchObject({ error: expect.any(String) as unknown })
  })
})
