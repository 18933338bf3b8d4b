import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { decodeDelivered } from '../../src/lib/infernet/payload.js'
import { startHttpServer, type TestServer } from '../helpers/http-server.js'
import {
  createNodeWorld,
  startNode,
  type NodeSettings,
  type NodeWorld,
  type WatchedNode,
} from '../helpers/node-world.js'
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
  await Promise.all(nodes.map((node) => node.stop()))
  await Promise.all(servers.map((server) => server.close()))
  nodes = []
  servers = []
  await rm(dir, { recursive: true, force: true })
})

type Answer = (response: ServerResponse, count: number, body: Record<string, unknown>) => void

async function serve(answer: Answer = echo): Promise<TestServer> {
  const server = await startHttpServer((body, response, count) =>
    answer(response, count, JSON.parse(body) as Record<string, unknown>),
  )
  servers.push(server)
  return server
}

/** Answers with the inputs as its raw output. */
function echo(response: ServerResponse, _count: number, body: Record<string, unknown>): void {
  const data =
    typeof body.data === 'string' ? body.data : Buffer.from(JSON.stringify(body.data)).toString('hex')
  reply(response, { raw_input: '', processed_input: '', raw_output: data, processed_output: '', proof: '' })
}

function reply(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

async function start(
  settings: Partial<NodeSettings> & Pick<NodeSettings, 'containers'>,
): Promise<WatchedNode> {
  const node = await startNode(world, { journalPath: join(dir, `node-${nodes.length}.ndjson`), ...settings })
  nodes.push(node)
  await node.waitFor('synced')
  return node
}

async function answersTo(id: number) {
  return (await world.answers()).filter(({ subscriptionId }) => subscriptionId === BigInt(id))
}

function rawOutput(output: `0x${string}`): string {
  const decoded = decodeDelivered(output)
  return decoded.kind === 'fields' ? decoded.raw : decoded.text
}

describe('a node', () => {
  it('answers a one-off request once, with what the container said', async () => {
    const container = await serve()
    const node = await start({ containers: { echo: container.url } })

    const id = await world.ask('echo', { inputs: '0xbeef' })
    const delivered = await node.waitFor('delivered', (event) => event.id === id)
    await node.waitFor('subscriptionDropped', (event) => event.id === id)

    const answers = await answersTo(id)
    expect(answers.map(({ interval, node: by, output }) => [interval, by, rawOutput(output)])).toEqual([
      [1n, node.address, '0xbeef00000001'],
    ])
    expect(delivered.gasUsed).toBeGreaterThan(0n)
    expect(node.events.map(({ type }) => type)).toEqual([
      'started',
      'synced',
      'subscriptionAccepted',
      'intervalStarted',
      'computed',
      'deliverySent',
      'delivered',
      'subscriptionDropped',
    ])
  })

  it('answers a request that is older than the node', async () => {
    const container = await serve()
    const id = await world.ask('early', { inputs: '0x01' })

    const node = await start({ containers: { early: container.url } })
    await node.waitFor('delivered', (event) => event.id === id)

    expect(await answersTo(id)).toHaveLength(1)
  })

  it('runs a chain of containers', async () => {
    const first = await serve((response) => reply(response, { text: 'from the first' }))
    const second = await serve()
    const node = await start({ containers: { one: first.url, two: second.url } })

    const id = await world.ask('one,two')
    await node.waitFor('delivered', (event) => event.id === id)

    const [answer] = await answersTo(id)
    expect(Buffer.from(rawOutput(answer?.output ?? '0x').slice(2), 'hex').toString()).toBe(
      '{"text":"from the first"}',
    )
  })

  it('delivers an answer of another shape as the text that existing consumers expect', async () => {
    const container = await serve((response) => reply(response, { output: 'hi' }))
    const node = await start({ containers: { plain: container.url } })

    const id = await world.ask('plain')
    await node.waitFor('delivered', (event) => event.id === id)

    const [answer] = await answersTo(id)
    expect(decodeDelivered(answer?.output ?? '0x')).toEqual({ kind: 'text', text: "{'output': 'hi'}" })
  })

  it('gives the container empty inputs when the consumer cannot give any', async () => {
    const container = await serve()
    const node = await start({ containers: { broken: container.url } })
    await world.call('setBrokenInputs', [true])

    const id = await world.ask('broken', { inputs: '0xbeef' })
    await node.waitFor('delivered', (event) => event.id === id)
    await world.call('setBrokenInputs', [false])

    expect(container.requests.map(({ body }) => (JSON.parse(body) as { data: string }).data)).toEqual([''])
  })

  it('answers each interval of a recurring subscription once', async () => {
    const container = await serve()
    const node = await start({ containers: { clock: container.url } })

    const id = await world.ask('clock', { frequency: 3, period: 60, inputs: '0xaa' })
    for (const interval of [1, 2, 3]) {
      await world.advance(60)
      await node.waitFor('delivered', (event) => event.id === id && event.interval === interval)
    }
    await node.waitFor('subscriptionDropped', (event) => event.id === id && event.reason === 'completed')

    const outputs = (await answersTo(id)).map(({ output }) => rawOutput(output))
    expect(outputs).toEqual(['0xaa00000001', '0xaa00000002', '0xaa00000003'])
    expect(container.requests).toHaveLength(3)
  })

  it('does not make up for intervals that passed, and says so', async () => {
    const container = await serve()
    const node = await start({ containers: { gaps: container.url } })

    const id = await world.ask('gaps', { frequency: 9, period: 60 })
    await world.advance(60)
    await node.waitFor('delivered', (event) => event.id === id && event.interval === 1)
    await world.advance(240)
    await node.waitFor('delivered', (event) => event.id === id && event.interval === 5)

    expect((await answersTo(id)).map(({ interval }) => interval)).toEqual([1n, 5n])
    expect(await node.waitFor('intervalsMissed')).toMatchObject({ id, fromInterval: 2, toInterval: 4 })
  })

  it('stops at a cancellation between two intervals, without calling the container', async () => {
    const container = await serve()
    const node = await start({ containers: { cancelled: container.url } })

    const id = await world.ask('cancelled', { frequency: 5, period: 60 })
    await world.advance(60)
    await node.waitFor('delivered', (event) => event.id === id)
    await world.call('cancel', [id])
    await world.advance(60)
    const dropped = await node.waitFor('subscriptionDropped', (event) => event.id === id)

    expect(dropped.reason).toBe('cancelled')
    expect(container.requests).toHaveLength(1)
    expect(await answersTo(id)).toHaveLength(1)
  })

  it('gives up an answer when the subscription is cancelled while it is computed', async () => {
    const waiting: ServerResponse[] = []
    const container = await serve((response) => void waiting.push(response))
    const node = await start({ containers: { slow: container.url } })

    const id = await world.ask('slow')
    await node.waitFor('intervalStarted', (event) => event.id === id)
    await until(() => waiting.length === 1)
    await world.call('cancel', [id])
    echo(waiting[0] as ServerResponse, 1, { data: '01' })
    const dropped = await node.waitFor('subscriptionDropped', (event) => event.id === id)

    expect(dropped.reason).toBe('cancelled')
    expect(node.countOf('deliverySent')).toBe(0)
  })

  it('gives two answers of two nodes where two are asked for, and a third node loses without sending', async () => {
    const held: ServerResponse[] = []
    const quick = await serve()
    const slow = await serve((response) => void held.push(response))
    const one = await start({ containers: { twice: quick.url }, account: 1 })
    const two = await start({ containers: { twice: quick.url }, account: 5 })
    const third = await start({ containers: { twice: slow.url }, account: 6 })

    const id = await world.ask('twice', { redundancy: 2 })
    await one.waitFor('delivered', (event) => event.id === id)
    await two.waitFor('delivered', (event) => event.id === id)
    await until(() => held.length === 1)
    echo(held[0] as ServerResponse, 1, { data: '01' })
    const lost = await third.waitFor('intervalClosed', (event) => event.id === id)

    expect(new Set((await answersTo(id)).map(({ node }) => node))).toEqual(
      new Set([one.address, two.address]),
    )
    expect(lost.reason).toBe('raceLost')
    expect(third.countOf('deliverySent')).toBe(0)
    expect(await world.chain.provider.getTransactionCount(third.address)).toBe(0)
  })

  it('does not compute an interval that others have answered', async () => {
    const first = await serve()
    const other = await serve()
    const one = await start({ containers: { filled: first.url }, account: 1 })
    const id = await world.ask('filled', { frequency: 2, period: 60 })
    await world.advance(60)
    await one.waitFor('delivered', (event) => event.id === id)

    const two = await start({ containers: { filled: other.url }, account: 5 })
    const closed = await two.waitFor('intervalClosed', (event) => event.id === id)

    expect(closed.reason).toBe('filled')
    expect(other.requests).toHaveLength(0)
  })

  it('tries a container again that failed, and delivers in the end', async () => {
    const container = await serve((response, count, body) =>
      count < 3 ? reply(response, { code: '500', name: 'Busy' }, 500) : echo(response, count, body),
    )
    const node = await start({ containers: { flaky: container.url } })

    const id = await world.ask('flaky')
    await node.waitFor('delivered', (event) => event.id === id)

    const failures = node.events.filter(({ type }) => type === 'containerFailed')
    expect(failures).toMatchObject([
      { attempt: 1, container: 'flaky', message: 'answered HTTP 500 (500 Busy)' },
      { attempt: 2 },
    ])
    expect(await answersTo(id)).toHaveLength(1)
  })

  it('gives up after its attempts, with the reason, and serves the next interval all the same', async () => {
    const container = await serve((response, count, body) =>
      count <= 3 ? reply(response, 'not an object') : echo(response, count, body),
    )
    const node = await start({ containers: { bad: container.url } })

    const id = await world.ask('bad', { frequency: 2, period: 60 })
    await world.advance(60)
    const closed = await node.waitFor('intervalClosed', (event) => event.id === id)
    await world.advance(60)
    await node.waitFor('delivered', (event) => event.id === id && event.interval === 2)

    expect(closed).toMatchObject({ interval: 1, reason: 'answerInvalid' })
    expect(container.requests).toHaveLength(4)
  })

  it('does not ask a container again that refused the task', async () => {
    const container = await serve((response) => reply(response, { code: '400', name: 'BadRequest' }, 400))
    const node = await start({ containers: { strict: container.url } })

    const id = await world.ask('strict')
    const dropped = await node.waitFor('subscriptionDropped', (event) => event.id === id)

    expect(dropped).toMatchObject({ reason: 'gaveUp', message: 'strict: answered HTTP 400 (400 BadRequest)' })
    expect(container.requests).toHaveLength(1)
  })

  it('spends nothing on an answer that the consumer refuses', async () => {
    const container = await serve()
    const node = await start({ containers: { refused: container.url }, account: 7 })
    await world.call('setRefuses', [true])

    const id = await world.ask('refused')
    const closed = await node.waitFor('intervalClosed', (event) => event.id === id)
    await world.call('setRefuses', [false])

    expect(closed.reason).toBe('deliveryRefused')
    expect(node.countOf('deliveryFailed')).toBe(2)
    expect(container.requests).toHaveLength(1)
    expect(await world.chain.provider.getTransactionCount(node.address)).toBe(0)
  })

  it('names the reason for everything that it does not serve', async () => {
    const container = await serve()
    const node = await start({
      containers: { served: container.url },
      container: { allowed_addresses: ['0x0000000000000000000000000000000000000001'] },
    })

    const unknown = await world.ask('unknown')
    const foreign = await world.ask('served')
    await world.call('askPaid', ['served', 5n])
    await node.waitFor('subscriptionDropped', (event) => event.id === foreign + 1)

    const reasons = [unknown, foreign, foreign + 1].map((id) =>
      node.events.find((event) => event.type === 'subscriptionDropped' && event.id === id),
    )
    expect(reasons).toMatchObject([
      { reason: 'containersUnknown' },
      { reason: 'ownerNotAllowed' },
      { reason: 'ownerNotAllowed' },
    ])
  })

  it('sends nothing that needs more gas than it may use', async () => {
    const container = await serve()
    const node = await start({ containers: { heavy: container.url }, maxGasLimit: 60_000 })

    const id = await world.ask('heavy')
    const closed = await node.waitFor('intervalClosed', (event) => event.id === id)

    expect(closed.reason).toBe('gasTooHigh')
    expect(closed.message).toContain('max_gas_limit is 60000')
    expect(node.countOf('deliverySent')).toBe(0)
  })

  it('keeps an answer that it cannot pay for, and delivers it once it can', async () => {
    const container = await serve()
    const node = await start({ containers: { poor: container.url }, account: 8 })
    await world.send('anvil_setBalance', [node.address, '0x1'])

    const id = await world.ask('poor')
    const failed = await node.waitFor('deliveryFailed', (event) => event.id === id)
    await world.send('anvil_setBalance', [node.address, '0xde0b6b3a7640000'])
    await node.waitFor('delivered', (event) => event.id === id)

    expect(failed.code).toBe('FUNDS_INSUFFICIENT')
    expect(container.requests).toHaveLength(1)
    expect(await answersTo(id)).toHaveLength(1)
  })

  it('is not held up by subscriptions that nobody could answer', async () => {
    const container = await serve()
    const node = await start({ containers: { hostile: container.url } })
    const zero = '0x0000000000000000000000000000000000000000'

    await world.send('evm_setAutomine', [false])
    const sent = [
      // An owner without code, no intervals, no redundancy, a period that wraps around, and one that is fine.
      world.subscribe(['hostile', 1, 0, 1, false, zero, 0n, zero, zero]),
      world.subscribe(['hostile', 0, 0, 1, false, zero, 0n, zero, zero]),
      world.subscribe(['hostile', 1, 0, 0, false, zero, 0n, zero, zero]),
      world.subscribe(['hostile', 1, 2_000_000_000, 1, false, zero, 0n, zero, zero]),
      world.ask('hostile', { inputs: '0xbeef' }),
    ]
    await until(
      async () =>
        Number(((await world.send('txpool_status')) as { pending: string }).pending) === sent.length,
    )
    await world.send('evm_setAutomine', [true])
    await world.mine()
    const good = (await Promise.all(sent)).at(-1) as number
    await node.waitFor('delivered', (event) => event.id === good)
    const codeless = await node.waitFor('intervalClosed', (event) => event.id === good - 4)

    expect(codeless.reason).toBe('deliveryRefused')
    expect(await answersTo(good)).toHaveLength(1)
    for (const id of [good - 3, good - 2])
      expect(await node.waitFor('subscriptionDropped', (event) => event.id === id)).toMatchObject({
        reason: 'completed',
      })
    expect(await node.waitFor('subscriptionAccepted', (event) => event.id === good - 1)).toBeDefined()
  })

  it('answers a burst in one block completely, each once', async () => {
    const container = await serve()
    const node = await start({ containers: { burst: container.url } })

    await world.call('askMany', ['burst', 40])
    await until(() => node.countOf('delivered') === 40)

    const ids = node.events.flatMap((event) => (event.type === 'delivered' ? [event.id] : []))
    expect(new Set(ids).size).toBe(40)
    expect(
      (await world.answers()).filter(({ subscriptionId }) => ids.includes(Number(subscriptionId))),
    ).toHaveLength(40)
  })

  it('tells its health and what it serves', async () => {
    const container = await serve()
    const node = await start({ containers: { echo: container.url } })

    const [health, info] = await Promise.all(
      ['health', 'info'].map(async (path) => (await fetch(`http://127.0.0.1:${node.port}/${path}`)).json()),
    )

    expect(health).toEqual({ status: 'healthy' })
    expect(info).toMatchObject({
      chain: { address: node.address, enabled: true },
      containers: [{ id: 'echo' }],
    })
  })
})

/** Waits for a condition that only time brings about. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}
