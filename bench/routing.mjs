// What the FlockWorkflow service costs between its caller and a model server, beside a bare proxy, another gateway and nginx.
//   --quick        short rounds, for a look while working
//   --only <case>  cases whose name starts so, repeatable: 1kb, 64kb-32, stream, burst
//   --profile <folder>  leaves CPU profiles of the service there
//   --json         one JSON document
import os from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { request } from 'undici'
import { cpuMsOf, createProcesses, freePort, twoCores } from './lib/processes.mjs'
import { cases } from './routing/cases.mjs'
import { render, summarize } from './routing/report.mjs'
import { model, startServers } from './routing/servers.mjs'
import { faultOf, taskOf } from './routing/tasks.mjs'

const FULL = { rounds: 5, warmUpMs: 500, measuredMs: 2_000 }
const QUICK = { rounds: 3, warmUpMs: 200, measuredMs: 600 }
/** Node.js compiles what has run some thousand times, so code that is new to it gets many requests at first. */
const FIRST = { connections: 32, warmUpMs: 0, measuredMs: 1_500 }

const fileOf = (name) => fileURLToPath(new URL(`routing/${name}.mjs`, import.meta.url))
const say = (text) => process.stderr.write(`${text}\n`)

function chooseCases(only) {
  if (only.length === 0) return cases
  const chosen = cases.filter(({ id }) => only.some((start) => id.startsWith(start)))
  if (chosen.length > 0) return chosen
  throw new Error(`--only takes the beginning of one of: ${cases.map(({ id }) => id).join(', ')}.`)
}

/** CPU time of the whole machine so far, all programs together. */
function machineMs() {
  const all = os.cpus().map(({ times }) => times)
  const busy = all.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, 0)
  return { busy, total: busy + all.reduce((sum, { idle }) => sum + idle, 0) }
}

async function measure({ quick, chosen, profile }) {
  const plan = quick ? QUICK : FULL
  const processes = createProcesses()
  const cores = twoCores()
  const [serverCore, loadCore] = cores ?? []
  const modelHostPort = await freePort()
  const modelHost = processes.start([process.execPath, fileOf('model-host'), modelHostPort.toString()], {
    name: 'model-host',
    core: loadCore,
  })
  const load = processes.start([process.execPath, fileOf('load')], { name: 'load', core: loadCore })
  await modelHost.ready(modelHostPort)
  const profileFolder = profile === undefined ? undefined : resolve(profile)
  const { servers, leftOut } = await startServers({
    processes,
    core: serverCore,
    modelHostPort,
    profileFolder,
  })
  const others = []
  let counter = 1

  function read(server) {
    const loadMs = sum(cpuMsOf(load.pid), cpuMsOf(modelHost.pid))
    return { server: server.pid === null ? null : cpuMsOf(server.pid), load: loadMs, machine: machineMs() }
  }

  /** Asks once and reads the whole answer: figures of a server that answers something else would say nothing. */
  async function check(server, test) {
    const { body } = taskOf(server.format, test, model)
    const options = { method: 'POST', headers: server.headers, body }
    const answer = await request(`http://127.0.0.1:${server.port}${server.path}`, options)
    const text = await answer.body.text()
    if (answer.statusCode !== 200) return `HTTP ${answer.statusCode} ${text.slice(0, 300)}`
    return faultOf(server.format, test, text)
  }

  function jobOf(server, test, change = {}) {
    const { body, counter: place } = taskOf(server.format, test, model)
    const { port, path, headers } = server
    const { connections, isStream } = test
    const { warmUpMs, measuredMs } = plan
    const job = { port, path, headers, body, connections, isStream, warmUpMs, measuredMs, ...change }
    return { ...job, counter: place === null ? null : { ...place, from: counter } }
  }

  async function measureOnce(server, job) {
    let told = await load.ask(job)
    const before = read(server)
    if (told.type === 'measuring') told = await load.ask()
    const after = read(server)
    if (told.type === 'measured') told = await load.ask()
    counter = Math.max(counter, told.count)
    if (told.fault !== null) return { fault: told.fault }
    const { figures } = told
    const serverMs = minus(after.server, before.server)
    const loadMs = minus(after.load, before.load)
    const total = after.machine.total - before.machine.total
    const busy = after.machine.busy - before.machine.busy - (serverMs ?? 0) - (loadMs ?? 0)
    if (loadMs !== null) others.push(Math.max(0, busy / total))
    return {
      fault: null,
      perSec: figures.perSec,
      p50: figures.latency.p50,
      p99: figures.latency.p99,
      first: figures.first?.p50 ?? null,
      firstP99: figures.first?.p99 ?? null,
      delay: figures.delay?.p50 ?? null,
      delayP99: figures.delay?.p99 ?? null,
      cpuMs: serverMs === null || figures.requests === 0 ? null : serverMs / figures.requests,
      busy: serverMs === null ? null : serverMs / figures.ms,
      loadBusy: loadMs === null ? null : loadMs / figures.ms,
    }
  }

  async function measureCase(test, isNew) {
    const able = servers.filter(({ format }) => !test.isStream || format !== 'paid')
    await modelHost.ask({ spacingMs: test.spacingMs })
    const faults = {}
    for (const server of able) faults[server.id] = await check(server, test)
    const rounds = []
    if (isNew) {
      for (const server of able) {
        if (faults[server.id] === null) await measureOnce(server, jobOf(server, test, FIRST))
      }
    }
    for (let index = 0; index < plan.rounds; index += 1) {
      const round = {}
      for (const server of able) {
        const fault = faults[server.id]
        round[server.id] = fault === null ? await measureOnce(server, jobOf(server, test)) : { fault }
      }
      rounds.push(round)
      say(`${test.title}: round ${index + 1} of ${plan.rounds}`)
    }
    return { ...test, rounds, servers: able }
  }

  const results = []
  for (const test of chosen) {
    const isNew = results.at(-1)?.isStream !== test.isStream
    results.push(await measureCase(test, isNew))
  }
  await processes.end()
  const othersBusy = others.length === 0 ? null : others.reduce((a, b) => a + b, 0) / others.length
  return { ...summarize(results), leftOut, pinned: cores !== null, othersBusy, ...plan }
}

function sum(a, b) {
  return a === null || b === null ? null : a + b
}

function minus(a, b) {
  return a === null || b === null ? null : a - b
}

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    profile: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const result = await measure({ ...flags, chosen: chooseCases(flags.only) })
if (flags.json) {
  process.stdout.write(`${JSON.stringify({ bench: 'routing', node: process.version, ...result })}\n`)
} else process.stdout.write(render(result))
const own = ['bare', 'service', 'receipts']
if (
  result.cases.some(({ rows }) => rows.some(({ server, fault }) => fault !== null && own.includes(server)))
) {
  process.exitCode = 1
}
