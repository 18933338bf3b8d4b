import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { openChain, type Chain } from '../../../src/lib/chain/provider.js'
import type { NodeEvent } from '../../../src/lib/node/events.js'
import { createNodeStatus, type NodeStatusFace } from '../../../src/lib/node/node-status.js'
import { readNodeStatus, type NodeStatusJson } from '../../../src/lib/node/read-status.js'
import { caught } from '../../helpers/caught.js'
import { parseExposition } from '../../helpers/exposition.js'
import { closedPort, jsonRpc, startHttpServer, type TestServer } from '../../helpers/http-server.js'

const ACCOUNT = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const WALLET = '0x2E983A1Ba5e8b38AAAeC4B440B9dDcFBf72E15d1'
const UNIX_MS = Date.UTC(2026, 0, 2, 3, 4, 5)
const HEAD_AGE_SEC = 7
const SIGNED = { hash: '0x1', raw: '0x2', nonce: 3 } as const
const DELIVERY = { input: '0x', output: '0x', proof: '0x' } as const

let rpc: TestServer
let chain: Chain
let server: Server
let face: NodeStatusFace
let nowMs: number
let isRpcUp: boolean

beforeEach(async () => {
  nowMs = 0
  isRpcUp = true
  rpc = await startHttpServer(
    jsonRpc((method, params) => {
      if (method === 'eth_chainId') return '0x7a69'
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- what a JSON-RPC node answers
      if (!isRpcUp) throw { code: -32_000, message: 'the node is syncing' }
      if (method === 'eth_getBalance') return params[0] === WALLET ? '0x1' : '0xde0b6b3a7640000'
      return { number: '0x10', timestamp: `0x${(UNIX_MS / 1000 - HEAD_AGE_SEC).toString(16)}` }
    }),
  )
  chain = await openChain({ rpcUrl: rpc.url, expectedChainId: null, timeoutMs: 5_000 })
  server = createServer((request, response) => {
    if (!face.handle(request, response)) response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  face = createFace()
})

afterEach(async () => {
  await new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  })
  chain.close()
  await rpc.close()
})

function createFace(isOpen = false): NodeStatusFace {
  const open = { id: 5, interval: 1, fingerprint: '0x3', delivery: DELIVERY } as const
  return createNodeStatus({
    chain,
    node: { address: ACCOUNT, chainId: 31_337, coordinator: WALLET, containers: ['echo', 'other'] },
    wallet: WALLET,
    journal: {
      accepted: new Set([5, 6]),
      cursor: { lastId: 9, rulesHash: '0x' },
      answers: new Map([
        ['5:1', { ...open, signed: SIGNED }],
        ['6:1', { ...open, id: 6, signed: null }],
      ]),
    },
    underWay: () => 3,
    isOpen,
    now: () => nowMs,
    unixMs: () => UNIX_MS,
  })
}

const port = () => (server.address() as AddressInfo).port
const url = () => `http://127.0.0.1:${port()}`
const read = (): Promise<NodeStatusJson> =>
  readNodeStatus(url(), { timeoutMs: 5_000, signal: new AbortController().signal })
const metrics = async () => {
  const response = await fetch(`${url()}/metrics`)
  const families = parseExposition(await response.text())
  return (name: string, labels: Record<string, string> = {}) =>
    families
      .get(`flock_node_${name}`)
      ?.samples.find((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
      ?.value
}

const delivered = (id: number, interval = 1): NodeEvent => ({
  type: 'delivered',
  id,
  interval,
  txHash: '0xaa',
  blockNumber: 16,
  gasUsed: 100_000n,
})
const accepted = (id: number): NodeEvent => ({
  type: 'subscriptionAccepted',
  id,
  owner: ACCOUNT,
  containers: ['echo'],
})

describe('the status of a node', () => {
  it('tells who it is, what its journal holds, what it owns and how far its endpoint is', async () => {
    const status = await read()

    expect(status.node).toEqual({
      address: ACCOUNT,
      chainId: 31_337,
      coordinator: WALLET,
      containers: ['echo', 'other'],
      port: port(),
    })
    expect(status.underWay).toBe(3)
    expect(status.journal).toEqual({ accepted: 2, open: 2, signed: 1, lastId: 9 })
    expect(status.probe).toEqual({
      blockNumber: 16,
      headAgeSec: HEAD_AGE_SEC,
      latencyMs: 0,
      balance: '1000000000000000000',
      walletBalance: '1',
      fault: null,
    })
  })

  it('adds up what happens', async () => {
    const at = new Date(UNIX_MS).toISOString()
    const events: NodeEvent[] = [
      { type: 'started', address: ACCOUNT, chainId: 1, coordinator: WALLET, containers: [], port: 1 },
      { type: 'synced', blockNumber: 16, lastId: 9, tracked: 2 },
      accepted(5),
      accepted(6),
      { type: 'subscriptionDropped', id: 6, reason: 'completed', message: 'Subscription completed' },
      { type: 'intervalsMissed', id: 5, fromInterval: 2, toInterval: 4 },
      {
        type: 'containerFailed',
        id: 5,
        interval: 1,
        container: 'echo',
        attempt: 1,
        message: 'x',
        retryInMs: 1,
      },
      { type: 'intervalClosed', id: 7, interval: 1, reason: 'raceLost', message: 'x' },
      { type: 'rpcFailed', code: 'RPC_FAILED', message: 'syncing', retryInMs: 1 },
      { type: 'reorged', fromBlock: 9, toBlock: 8 },
      delivered(5),
    ]

    for (const event of events) face.see(event)

    expect((await read()).figures).toEqual({
      startedAt: at,
      isSynced: true,
      tracked: 1,
      delivered: 1,
      gasUsed: '100000',
      closed: { raceLost: 1 },
      missed: 3,
      reorgs: 1,
      rpcFaults: 1,
      lastRpcFault: { code: 'RPC_FAILED', message: 'syncing', at },
      containerFaults: { echo: 1 },
      deliveries: [{ id: 5, interval: 1, txHash: '0xaa', blockNumber: 16, gasUsed: '100000', at }],
    })
  })

  it('keeps the latest twenty deliveries, newest first', async () => {
    for (let id = 1; id <= 25; id += 1) face.see(delivered(id))

    const { deliveries, delivered: count } = (await read()).figures

    expect(count).toBe(25)
    expect(deliveries.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, index) => 25 - index))
  })

  it('asks the endpoint once in ten seconds, however often it is asked', async () => {
    const calls = () => rpc.requests.length
    const before = calls()

    await Promise.all([read(), read(), metrics()])
    nowMs = 9_999
    await read()
    const within = calls() - before
    nowMs = 10_000
    await read()

    expect(within).toBe(3)
    expect(calls() - before).toBe(6)
  })

  it('says that the endpoint does not answer', async () => {
    isRpcUp = false

    const { probe } = await read()

    expect(probe).toMatchObject({ blockNumber: null, balance: null, fault: 'RPC_FAILED' })
  })
})

describe('the metrics of a node', () => {
  it('count what happens and time the way of an answer', async () => {
    face.see(accepted(5))
    face.see({ type: 'intervalStarted', id: 5, interval: 1 })
    face.see({ type: 'computed', id: 5, interval: 1, elapsedMs: 250 })
    nowMs = 400
    face.see({ type: 'deliverySent', id: 5, interval: 1, txHash: '0xaa', nonce: 1 })
    nowMs = 900
    face.see({ type: 'deliverySent', id: 5, interval: 1, txHash: '0xaa', nonce: 1 })
    nowMs = 1_400
    face.see(delivered(5))
    face.see({ type: 'intervalClosed', id: 6, interval: 1, reason: 'tooLate', message: 'x' })
    face.see({ type: 'containerDown', container: 'echo', state: 'exited', exitCode: 1 })

    const valueOf = await metrics()

    expect(valueOf('info', { address: ACCOUNT, chain_id: '31337' })).toBe(1)
    expect(valueOf('intervals_total')).toBe(1)
    expect(valueOf('deliveries_total')).toBe(1)
    expect(valueOf('gas_used_total')).toBe(100_000)
    expect(valueOf('intervals_closed_total', { reason: 'tooLate' })).toBe(1)
    expect(valueOf('container_restarts_total', { container: 'echo' })).toBe(1)
    expect(valueOf('container_failures_total', { container: 'other' })).toBe(0)
    expect(valueOf('submit_seconds', { le: '0.25' })).toBe(0)
    expect(valueOf('submit_seconds', { le: '0.5' })).toBe(1)
    expect(valueOf('confirm_seconds', { le: '1' })).toBe(1)
    expect(valueOf('compute_seconds', { le: '0.25' })).toBe(1)
    expect(valueOf('subscriptions')).toBe(1)
    expect(valueOf('jobs')).toBe(3)
  })

  it('tell of balances and the endpoint while it answers', async () => {
    const up = await metrics()
    nowMs = 20_000
    isRpcUp = false
    const away = await metrics()

    expect([up('rpc_up'), up('balance_ether'), up('head_block'), up('head_age_seconds')]).toEqual([
      1, 1, 16, 7,
    ])
    expect(away('rpc_up')).toBe(0)
  })
})

describe('the own routes of a node', () => {
  it('are left alone by other paths, and take GET only', async () => {
    expect((await fetch(`${url()}/info`)).status).toBe(404)
    expect((await fetch(`${url()}/metrics`, { method: 'POST' })).status).toBe(405)
  })

  it('answer nobody who comes through a proxy, unless they are open', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.7' }

    const closed = await fetch(`${url()}/metrics`, { headers })
    face = createFace(true)
    const open = await fetch(`${url()}/metrics`, { headers })

    expect(closed.status).toBe(403)
    expect(open.status).toBe(200)
  })
})

describe('readNodeStatus', () => {
  const ask = (target: string) =>
    caught(readNodeStatus(target, { timeoutMs: 5_000, signal: new AbortController().signal }))

  it('says that nobody answers, with a way out', async () => {
    const error = await ask(`http://127.0.0.1:${await closedPort()}`)

    expect(error.code).toBe('SERVICE_UNREACHABLE')
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.hint).toContain('--url')
  })

  it.each([
    [404, '{}', 'SERVICE_UNREACHABLE', 'status 404'],
    [200, '{"version":"1.4.0"}', 'SERVICE_UNREACHABLE', 'another kind of answer'],
    [403, '{}', 'PERMISSION_DENIED', 'tells other machines nothing'],
  ])('refuses status %i with %s', async (status, body, code, message) => {
    const other = await startHttpServer((_, response) => response.writeHead(status).end(body))

    const error = await ask(other.url)
    await other.close()

    expect(error.code).toBe(code)
    expect(error.message).toContain(message)
  })
})
