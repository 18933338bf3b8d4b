// What the FlockWorkflow service holds in memory while it answers 200,000 requests: chats whole and in streams, tasks,
// paid tasks, requests that it refuses and clients that go away.
//   --requests <n>  another number
//   --json          one JSON document
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Pool } from 'undici'
import { createProcesses, freePort } from './lib/processes.mjs'
import { model, startService } from './routing/servers.mjs'
import { taskOf } from './routing/tasks.mjs'
import { BODY_BYTES } from './routing/wire.mjs'

const CONNECTIONS = 32
const STEPS = 10
/** What is used just after the garbage was collected is the least of many looks. */
const LOOKS_PER_STEP = 20
/** Streams take a while, so that clients can go away in the middle. */
const SPACING_MS = 1

const CHAT_PATH = '/v1/chat/completions'
const TASK_PATH = '/service_output'
const headers = { 'content-type': 'application/json' }
const say = (text) => process.stderr.write(`${text}\n`)

const test = { bytes: BODY_BYTES.small, isStream: false }
const chat = taskOf('chat', test).body
const streamed = taskOf('chat', { ...test, isStream: true }).body
const task = taskOf('task', test).body
const paid = taskOf('paid', test, model)

/** Each paid task is another one, so that its answer has to be kept. */
function paidBody(index) {
  const { at, digits } = paid.counter
  return paid.body.slice(0, at) + index.toString(16).padStart(digits, '0') + paid.body.slice(at + digits)
}

/** How often each kind of request comes among ten. */
const KINDS = [
  { name: 'chats', share: 3, path: CHAT_PATH, body: () => chat, status: 200 },
  { name: 'streamed chats', share: 2, path: CHAT_PATH, body: () => streamed, status: 200 },
  { name: 'tasks', share: 1, path: TASK_PATH, body: () => task, status: 200 },
  { name: 'paid tasks', share: 2, path: TASK_PATH, body: paidBody, status: 200 },
  { name: 'refused', share: 1, path: CHAT_PATH, body: () => '{"api_base":1}', status: 400 },
  { name: 'left alone', share: 1, path: CHAT_PATH, body: () => streamed, status: 200, leaves: true },
]
const mix = KINDS.flatMap((kind) => Array.from({ length: kind.share }, () => kind))

async function ask(pool, index) {
  const { name, path, body, status, leaves = false } = mix[index % mix.length]
  const answer = await pool.request({ method: 'POST', path, headers, body: body(index) })
  if (answer.statusCode !== status) {
    throw new Error(`${name}: HTTP ${answer.statusCode} ${(await answer.body.text()).slice(0, 300)}`)
  }
  if (!leaves) return answer.body.dump()
  for await (const piece of answer.body) if (piece.length > 0) return
}

/** Figures of the process, as it shows them itself. */
async function look(pool) {
  const { body } = await pool.request({ method: 'GET', path: '/metrics' })
  const text = await body.text()
  const figure = (name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN)
  return {
    rssBytes: figure('process_resident_memory_bytes'),
    heapBytes: figure('nodejs_heap_size_used_bytes'),
    externalBytes: figure('nodejs_external_memory_bytes'),
    files: figure('process_open_fds'),
  }
}

function least(looks, name) {
  return looks.reduce((smallest, figures) => Math.min(smallest, figures[name]), Infinity)
}

async function measure(requests) {
  const processes = createProcesses()
  const modelHostPort = await freePort()
  const program = fileURLToPath(new URL('routing/model-host.mjs', import.meta.url))
  const modelHost = processes.start([process.execPath, program, modelHostPort.toString()], {
    name: 'model-host',
  })
  await modelHost.ready(modelHostPort)
  await modelHost.ask({ spacingMs: SPACING_MS })
  const service = await startService(
    { processes, modelHostPort },
    { id: 'memory', label: 'FlockWorkflow', format: 'task' },
  )
  const origin = `http://127.0.0.1:${service.port}`
  const pool = new Pool(origin, { connections: CONNECTIONS })
  const steps = [{ requests: 0, ...(await look(pool)) }]
  const perLook = Math.ceil(requests / (STEPS * LOOKS_PER_STEP))
  let next = 0

  async function askUntil(end) {
    while (next < end) {
      const index = next
      next += 1
      await ask(pool, index)
    }
  }

  for (let step = 1; step <= STEPS; step += 1) {
    const looks = []
    for (let at = 0; at < LOOKS_PER_STEP; at += 1) {
      const end = Math.min(requests, next + perLook)
      await Promise.all(Array.from({ length: CONNECTIONS }, () => askUntil(end)))
      looks.push(await look(pool))
    }
    const { rssBytes, files } = looks.at(-1)
    const [heapBytes, externalBytes] = [least(looks, 'heapBytes'), least(looks, 'externalBytes')]
    steps.push({ requests: next, rssBytes, heapBytes, externalBytes, files })
    say(`${next} of ${requests} requests`)
  }
  await pool.destroy()
  await processes.end()
  return steps
}

/** Bytes of heap that each request of the second half left behind, as far as the noise lets one tell. */
function growth(steps) {
  const [middle, last] = [steps[Math.floor(steps.length / 2)], steps.at(-1)]
  return (last.heapBytes - middle.heapBytes) / (last.requests - middle.requests)
}

const { values: flags } = parseArgs({
  options: { requests: { type: 'string', default: '200000' }, json: { type: 'boolean', default: false } },
})
const steps = await measure(Number(flags.requests))
const result = {
  bench: 'memory',
  node: process.version,
  mix: Object.fromEntries(KINDS.map(({ name, share }) => [name, share])),
  heapBytesPerRequest: growth(steps),
  steps,
}
if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`)
else {
  const mib = (bytes) => (bytes / 1024 / 1024).toFixed(1).padStart(9)
  process.stdout.write('memory of the service in MiB; heap and external are the least of each step\n')
  process.stdout.write(' requests       RSS      heap  external  open files\n')
  for (const { requests, rssBytes, heapBytes, externalBytes, files } of steps) {
    const cells = [mib(rssBytes), mib(heapBytes), mib(externalBytes), files.toString().padStart(11)]
    process.stdout.write(`${requests.toString().padStart(9)} ${cells.join(' ')}\n`)
  }
  process.stdout.write(`heap a request in the second half: ${result.heapBytesPerRequest.toFixed(1)} bytes\n`)
}
