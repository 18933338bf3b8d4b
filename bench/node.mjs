// How soon and how cheaply the built-in Infernet node answers requests of a chain that mines a block each second: from
// the block with the request to the transaction with the answer, which a container gives at once.
//   --requests <n>  requests one by one (40)
//   --tracked <n>   further subscriptions that the node keeps an eye on in the second part (10,000)
//   --transport <t> http or ws (ws)
//   --quick         fewer of everything
//   --json          one JSON document
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { WebSocket } from 'undici'
import { eip712CoordinatorArtifact } from '../dist/lib/abi/eip712-coordinator.js'
import { eventTopic } from '../dist/lib/chain/contracts.js'
import { devnetAccounts } from '../dist/lib/devnet/accounts.js'
import { percentile } from './lib/numbers.mjs'
import { cpuMsOf, createProcesses, freePort, residentBytesOf } from './lib/processes.mjs'
import { chainCommand, createAsk, openWorld } from './node/chain.mjs'
import { startRpcMeter } from './node/rpc-meter.mjs'

const IDLE_BLOCKS = 10
const WARM_UP = 3
const POLL_MS = 5
const PATIENCE_MS = 120_000
const NODE_ACCOUNT = 5
/** A year: what is tracked and never due. */
const FAR_SEC = 31_536_000
const FULFILLED = eventTopic(eip712CoordinatorArtifact, 'SubscriptionFulfilled')
const MEBIBYTE = 1024 * 1024

const { values } = parseArgs({
  options: {
    requests: { type: 'string' },
    tracked: { type: 'string' },
    transport: { type: 'string', default: 'ws' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const requests = Number(values.requests ?? (values.quick ? 10 : 40))
const tracked = Number(values.tracked ?? (values.quick ? 1_000 : 10_000))
const bursts = values.quick ? [200] : [200, 2_000]
const say = (text) => process.stderr.write(`${text}\n`)

async function until(isSo, what) {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (let so = await isSo(); !so; so = await isSo()) {
    if (performance.now() > giveUpAt) throw new Error(`${what} took more than ${PATIENCE_MS / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** When each block was seen, by number. */
function watchBlocks(port) {
  const seenAt = new Map()
  const socket = new WebSocket(`ws://127.0.0.1:${port}`)
  const params = ['newHeads']
  socket.addEventListener('open', () =>
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params })),
  )
  socket.addEventListener('message', ({ data }) => {
    const head = JSON.parse(data).params?.result
    if (head !== undefined) seenAt.set(Number(head.number), performance.now())
  })
  return { seenAt, close: () => socket.close() }
}

async function startNode(processes, { meterPort, containerPort, registry }) {
  const configPath = join(processes.folder, 'config.json')
  const rpcUrl = `${values.transport}://127.0.0.1:${meterPort}`
  const config = {
    log: { path: 'unused.log' },
    server: { port: await freePort() },
    chain: {
      enabled: true,
      trail_head_blocks: 0,
      rpc_url: rpcUrl,
      registry_address: registry,
      wallet: { max_gas_limit: 5_000_000 },
      snapshot_sync: { sleep: 0, batch_size: 500 },
    },
    startup_wait: 0,
    redis: { host: 'unused', port: 6379 },
    forward_stats: false,
    manage_containers: false,
    containers: [{ id: 'bench', image: 'unused', external: true, port: String(containerPort) }],
  }
  writeFileSync(configPath, JSON.stringify(config))
  const entry = fileURLToPath(new URL('../bin/run.js', import.meta.url))
  const node = processes.start(
    [process.execPath, entry, 'node', 'start', '--node-config', configPath, '--json'],
    {
      name: 'node',
      env: { FLOCK_NODE_KEY: devnetAccounts()[NODE_ACCOUNT].privateKey, NODE_NO_WARNINGS: '1' },
      channel: false,
    },
  )
  await node.ready(config.server.port)
  return node
}

/** Requests one by one, each sent once the one before was answered. */
async function measureOneByOne(world, { ask, calls, blocks, node }) {
  const waits = []
  let answeredNext = 0
  let callsBefore = 0
  let cpuBefore = 0
  for (let round = 0; round < WARM_UP + requests; round += 1) {
    if (round === WARM_UP) [callsBefore, cpuBefore] = [calls.length, cpuMsOf(node.pid)]
    const sentBefore = calls.filter(isSend).length
    const hash = await world.subscribe()
    await until(() => calls.filter(isSend).length > sentBefore, 'an answer')
    const send = calls.filter(isSend)[sentBefore]
    const { blockNumber } = await ask('eth_getTransactionReceipt', [hash])
    const asked = Number(blockNumber)
    await until(async () => (await countFulfilled(ask, world, asked)) > 0, 'a delivery')
    const answered = await firstFulfilled(ask, world, asked)
    if (round < WARM_UP) continue
    waits.push(send.atMs - blocks.seenAt.get(asked))
    if (answered === asked + 1) answeredNext += 1
  }
  waits.sort((a, b) => a - b)
  return {
    p50Ms: percentile(waits, 0.5),
    p99Ms: percentile(waits, 0.99),
    nextBlockPercent: (100 * answeredNext) / requests,
    callsPerRequest: (calls.length - callsBefore) / requests,
    cpuMsPerRequest: (cpuMsOf(node.pid) - cpuBefore) / requests,
  }
}

const isSend = ({ method }) => method === 'eth_sendRawTransaction'

async function fulfilled(ask, { coordinator }, fromBlock) {
  return ask('eth_getLogs', [
    {
      address: coordinator,
      topics: [FULFILLED],
      fromBlock: `0x${fromBlock.toString(16)}`,
      toBlock: 'latest',
    },
  ])
}

async function countFulfilled(ask, world, fromBlock) {
  return (await fulfilled(ask, world, fromBlock)).length
}

async function firstFulfilled(ask, world, fromBlock) {
  const [log] = await fulfilled(ask, world, fromBlock)
  return Number(log.blockNumber)
}

async function measureIdle({ calls, blocks }) {
  const [first] = [...blocks.seenAt.keys()].slice(-1)
  await until(() => blocks.seenAt.has(first + 1), 'a block')
  const before = calls.length
  await until(() => blocks.seenAt.has(first + 1 + IDLE_BLOCKS), 'blocks')
  return (calls.length - before) / IDLE_BLOCKS
}

/** Many requests in one block; how many blocks later the last one is answered. */
async function measureBurst(world, count, { ask, calls, node }) {
  const [callsBefore, cpuBefore] = [calls.length, cpuMsOf(node.pid)]
  const block = await world.subscribeInOneBlock(count)
  await until(async () => (await countFulfilled(ask, world, block)) >= count, `a burst of ${count}`)
  const last = (await fulfilled(ask, world, block)).at(-1)
  return {
    requests: count,
    blocks: Number(last.blockNumber) - block,
    callsPerRequest: (calls.length - callsBefore) / count,
    cpuMsPerRequest: (cpuMsOf(node.pid) - cpuBefore) / count,
  }
}

async function measure() {
  const processes = createProcesses()
  const chainPort = await freePort()
  const containerPort = await freePort()
  const chain = processes.start(chainCommand(chainPort), { name: 'chain', channel: false })
  await chain.ready(chainPort)
  const container = processes.start(
    [process.execPath, fileURLToPath(new URL('node/container.mjs', import.meta.url)), String(containerPort)],
    { name: 'container' },
  )
  await container.ready(containerPort)
  const ask = createAsk(chainPort)
  const world = await openWorld(ask)
  const calls = []
  const meter = await startRpcMeter(chainPort, (call) => calls.push(call))
  const blocks = watchBlocks(chainPort)
  try {
    const node = await startNode(processes, {
      meterPort: meter.port,
      containerPort,
      registry: world.registry,
    })
    const lab = { ask, calls, blocks, node }
    say('one by one')
    const few = { ...(await measureOneByOne(world, lab)), idleCalls: await measureIdle(lab) }
    const burst = []
    for (const count of bursts) {
      say(`${count} in one block`)
      burst.push(await measureBurst(world, count, lab))
    }
    say(`${tracked} tracked`)
    for (let left = tracked; left > 0; left -= 1_000) {
      await world.subscribeInOneBlock(Math.min(left, 1_000), { period: FAR_SEC, frequency: 2 })
    }
    const many = { ...(await measureOneByOne(world, lab)), idleCalls: await measureIdle(lab) }
    return { few, many, burst, residentMiB: residentBytesOf(node.pid) / MEBIBYTE }
  } finally {
    blocks.close()
    await processes.end()
    meter.close()
  }
}

function print({ few, many, burst, residentMiB }) {
  const write = (text = '') => process.stdout.write(`${text}\n`)
  const cell = (value, digits = 1) => value.toFixed(digits).padStart(12)
  const head = ['p50 ms', 'p99 ms', 'next block', 'calls', 'calls idle', 'CPU ms'].map((text) =>
    text.padStart(12),
  )
  write(`request mined to answer sent, ${requests} one by one, blocks of 1 s, over ${values.transport}`)
  write(`${''.padEnd(24)}${head.join('')}`)
  for (const [name, row] of [
    ['one tracked', few],
    [`${tracked.toLocaleString('en')} tracked`, many],
  ]) {
    const { p50Ms, p99Ms, nextBlockPercent, callsPerRequest, idleCalls, cpuMsPerRequest } = row
    const cells = [p50Ms, p99Ms, nextBlockPercent, callsPerRequest, idleCalls, cpuMsPerRequest].map((value) =>
      cell(value),
    )
    write(`${name.padEnd(24)}${cells.join('')}`)
  }
  for (const { requests: count, blocks, callsPerRequest, cpuMsPerRequest } of burst) {
    write(
      `${count.toLocaleString('en')} requests in one block: answered within ${blocks} blocks, ` +
        `${callsPerRequest.toFixed(1)} calls and ${cpuMsPerRequest.toFixed(1)} ms CPU each`,
    )
  }
  write(`memory with ${tracked.toLocaleString('en')} tracked: ${residentMiB.toFixed(0)} MiB`)
}

const result = { bench: 'node', transport: values.transport, requests, tracked, ...(await measure()) }
if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
else print(result)
process.exit(0)
