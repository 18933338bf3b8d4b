import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { keccak256 } from 'ethers/crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'

import type { FiveFields } from '../../src/lib/infernet/payload.js'
import { hashTaskEnvelope } from '../../src/lib/infernet/task-envelope.js'
import type { Hex } from '../../src/lib/hex.js'
import { silentLogger } from '../../src/lib/log.js'
import { artifactIdOf, modelIdOf } from '../../src/lib/models/model.js'
import { openAnswerJournal } from '../../src/lib/service/answer-journal.js'
import type { HttpErrorBody } from '../../src/lib/service/http-errors.js'
import { type OpenedService, type ServiceSettings, openService } from '../../src/lib/service/open-service.js'
import { type ServiceServer, createServiceServer } from '../../src/lib/service/server.js'
import { createReceiptKey } from '../../src/lib/usage/receipt-key.js'
import { decodeReceipt, verifyReceipt } from '../../src/lib/usage/receipt.js'
import { type ChaosCount, type ChaosHost, type ChaosMode, startChaosHost } from '../helpers/chaos-hosts.js'
import { createDice } from '../helpers/dice.js'
import { hostSettings, noKeys, routeOf } from '../helpers/hosts.js'
import { type HttpClient, type Reply, createHttpClient, inParallel } from '../helpers/http-load.js'
import { closedPort } from '../helpers/http-server.js'
import {
  CHAIN_ID,
  RECEIPT_KEY,
  RECEIPT_SIGNER,
  USAGE_METER,
  envelopeOf,
  onChainBody,
  utf8,
} from '../helpers/tasks.js'
import { createTempDir } from '../helpers/temp-dir.js'

/** FLOCK_CHAOS_REQUESTS sets another number, for slow machines or for a long night. */
const REQUESTS = Number(process.env.FLOCK_CHAOS_REQUESTS ?? 20_000)
const CONNECTIONS = 64
const PATIENCE_MS = 600_000
/** Checking a signature takes longer than the rest of a request. */
const SIGNATURES_CHECKED = 200

const MODEL_HOST = '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65'
const artifact = { hg_repo_id: 'flock-io/tiny', revision: 'main', base_model: 'tiny' }
const modelId = modelIdOf(MODEL_HOST, artifactIdOf(artifact))
const MODES: readonly ChaosMode[] = ['slow', 'flapping', 'cutting', 'healthy']

let dir: string
let hosts: Map<ChaosMode, ChaosHost>
let settings: ServiceSettings
let opened: OpenedService
let server: ServiceServer
let client: HttpClient

function settingsOf(deadPort: number, weight: number): ServiceSettings {
  const dead = hostSettings({ id: 'dead', baseUrl: `http://127.0.0.1:${deadPort}/v1` })
  const living = MODES.map((id) =>
    hostSettings({ id, baseUrl: hosts.get(id)?.baseUrl ?? '', maxConcurrent: 32 }),
  )
  const model = {
    ...artifact,
    name: 'tiny',
    aliases: [],
    limits: { maxPromptTokens: 1_000, maxCompletionTokens: 100 },
    routing: { ...routeOf([]).routing, policy: 'latency' as const, retryRatio: 0.2 },
    tokenizer: null,
    hosts: [dead, ...living].map((host) => ({
      ...host,
      healthIntervalMs: 250,
      weight: host.id === 'slow' ? weight : 1,
    })),
  }
  return { models: [model], clients: [], stockTasks: false }
}

beforeAll(async () => {
  dir = await createTempDir()
  hosts = new Map(await Promise.all(MODES.map(async (mode) => [mode, await startChaosHost(mode)] as const)))
  settings = settingsOf(await closedPort(), 1)
  opened = await openService(settings, {
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
    unixMs: () => Date.now(),
    random: Math.random,
    log: silentLogger,
  })
  server = await createServiceServer({
    service: opened.service,
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: 65_536,
    version: '1.2.3',
    nowMs: () => performance.now(),
    log: silentLogger,
  })
  client = createHttpClient(server.url, CONNECTIONS)
}, PATIENCE_MS)

afterAll(async () => {
  client.close()
  await Promise.all([...hosts.values()].map((host) => host.close()))
  await rm(dir, { recursive: true, force: true })
}, PATIENCE_MS)

async function countHosts(): Promise<Record<ChaosMode, ChaosCount>> {
  const counted = [...hosts].map(async ([mode, host]) => [mode, await host.count()] as const)
  return Object.fromEntries(await Promise.all(counted)) as Record<ChaosMode, ChaosCount>
}

const promptOf = (index: number) => `task ${index}`
/** What every host says to a prompt, when it says all that it has to say. */
const answerOf = (index: number) => `You said: ${promptOf(index)}, and so it is.`
const envelopeOfTask = (index: number) =>
  envelopeOf({ requestId: `0x${index.toString(16).padStart(64, '0')}`, modelId, payload: promptOf(index) })

const askOnChain = (index: number) => client.post('/service_output', onChainBody(envelopeOfTask(index)))
const askOffChain = (index: number) =>
  client.post('/service_output', {
    source: 1,
    destination: 1,
    data: { prompt: promptOf(index) },
    requires_proof: false,
  })
const askStream = (index: number) =>
  client.post('/service_output', { source: 1, destination: 2, data: { prompt: promptOf(index) } })

interface Task {
  readonly index: number
  readonly reply: Reply
}

/** What was asked, and what came back. */
interface Answers {
  readonly onChain: Task[]
  readonly offChain: Task[]
  readonly streams: Task[]
}

/** One request in two is paid for, and every tenth of those was sent before; one in four is a stream. */
async function runLoad(count: number, whenHalfDone: () => Promise<void>): Promise<Answers> {
  const dice = createDice(5)
  const answers: Answers = { onChain: [], offChain: [], streams: [] }
  await inParallel(count, CONNECTIONS, async (index) => {
    if (index === Math.floor(count / 2)) await whenHalfDone()
    if (index % 4 === 2) answers.offChain.push({ index, reply: await askOffChain(index) })
    else if (index % 4 === 3) answers.streams.push({ index, reply: await askStream(index) })
    else {
      const isRepeat = index > CONNECTIONS && dice.once(10)
      const task = isRepeat ? 4 * dice.between(0, Math.floor(index / 4) - 1) : index
      answers.onChain.push({ index: task, reply: await askOnChain(task) })
    }
  })
  return answers
}

const succeeded = ({ reply }: Task) => reply.status === 200 && reply.isWhole
const fieldsOf = ({ reply }: Task): FiveFields => JSON.parse(reply.text) as FiveFields
const textOf = (plainHex: string | null) => Buffer.from(plainHex ?? '', 'hex').toString('utf8')
const isPrefix = (text: string, whole: string) => whole.startsWith(text) && text !== whole

/** What may be answered to a task for which no host could be found that answers. */
const FAILURES: Readonly<Record<string, readonly string[]>> = {
  429: ['HOST_BUSY'],
  502: ['HOST_FAILED', 'HOST_UNREACHABLE'],
}

function isFailure({ status, text, isWhole }: Reply): boolean {
  const { code, name, description } = JSON.parse(text) as Partial<HttpErrorBody>
  const isKnown = name !== undefined && FAILURES[status]?.includes(name) === true
  return isWhole && isKnown && code === String(status) && description !== undefined && description !== ''
}

describe('a model of five hosts: one dead, one slow, one flapping, one that cuts streams, one healthy', () => {
  let answers: Answers
  let counts: Record<ChaosMode, ChaosCount>

  beforeAll(async () => {
    answers = await runLoad(REQUESTS, async () => {
      server.use(await opened.reload(settingsOf(await closedPort(), 2)))
    })
    counts = await countHosts()
  }, PATIENCE_MS)

  it(`answers each of ${REQUESTS} requests on ${CONNECTIONS} connections, across a reload`, () => {
    const all = [...answers.onChain, ...answers.offChain, ...answers.streams]

    expect(all).toHaveLength(REQUESTS)
    expect(all.filter(({ reply }) => reply.status === 0)).toEqual([])
  })

  it('gives whole requests the words that belong to them, or a failure that says what it is', () => {
    const { onChain, offChain } = answers

    const failed = [...onChain, ...offChain].filter((task) => !succeeded(task))
    const wrong = [
      ...onChain
        .filter(succeeded)
        .filter((task) => textOf(fieldsOf(task).raw_output) !== answerOf(task.index)),
      ...offChain.filter(succeeded).filter(({ index, reply }) => {
        const { output } = JSON.parse(reply.text) as { output: string }
        return output !== answerOf(index)
      }),
    ]

    expect(wrong).toEqual([])
    expect(failed.filter(({ reply }) => !isFailure(reply))).toEqual([])
    // Others stand in for hosts that fail, as long as the retry budget lasts.
    expect(failed.length).toBeLessThan(REQUESTS / 50)
  })

  it('ends no stream that was broken off, and breaks off none that came to its end', () => {
    const refused = answers.streams.filter(({ reply }) => reply.status !== 200)
    const begun = answers.streams.filter(({ reply }) => reply.status === 200)
    const broken = begun.filter((task) => !succeeded(task))

    const untrue = begun.filter(({ index, reply: { text, isWhole } }) =>
      isWhole ? text !== answerOf(index) : !isPrefix(text, answerOf(index)),
    )

    expect(untrue).toEqual([])
    expect(refused.filter(({ reply }) => !isFailure(reply))).toEqual([])
    // Each stream that the host cut, and no other: its reader had heard a part of it, so nobody else could be asked.
    expect(broken).toHaveLength(counts.cutting.asked - counts.cutting.answered)
  })

  it('signs one receipt for each paid task, whoever asks for it how often', () => {
    const byTask = new Map<number, Set<string>>()
    for (const task of answers.onChain.filter(succeeded)) {
      byTask.set(task.index, (byTask.get(task.index) ?? new Set()).add(task.reply.text))
    }

    const receipts = [...byTask].map(([index, texts]) => {
      const [text = ''] = texts
      const { processed_output: encoded } = JSON.parse(text) as FiveFields
      return { index, answers: texts.size, receipt: decodeReceipt(`0x${encoded ?? ''}`) }
    })

    expect(receipts.filter(({ answers: different }) => different !== 1)).toEqual([])
    for (const { index, receipt } of receipts) {
      expect(receipt.requestId).toBe(envelopeOfTask(index).requestId)
      expect(receipt.inputHash).toBe(hashTaskEnvelope(envelopeOfTask(index)))
      expect(receipt.outputHash).toBe(keccak256(utf8(answerOf(index))))
    }
  })

  it('signs receipts that the chain takes', () => {
    const tasks = answers.onChain.filter(succeeded)
    const everySo = Math.max(1, Math.floor(tasks.length / SIGNATURES_CHECKED))

    for (const task of tasks.filter((_, place) => place % everySo === 0)) {
      const fields = fieldsOf(task)
      const receipt = decodeReceipt(`0x${fields.processed_output ?? ''}`)
      const signature: Hex = `0x${fields.proof ?? ''}`
      const domain = { chainId: CHAIN_ID, usageMeter: USAGE_METER }
      expect(() => verifyReceipt(receipt, { domain, signature, signer: RECEIPT_SIGNER })).not.toThrow()
    }
  })

  it('gives the same again to who asks again, without a host', async () => {
    const some = answers.onChain.filter(succeeded).slice(-200)

    for (const { index, reply } of some) expect((await askOnChain(index)).text).toBe(reply.text)

    expect(await countHosts()).toEqual(counts)
  })

  it('has asked the healthy host most, and left the others as far as they deserve it', () => {
    const { healthy, slow, flapping, cutting } = counts

    expect(healthy.asked).toBeGreaterThan(Math.max(slow.asked, flapping.asked, cutting.asked))
    expect(healthy.asked).toBe(healthy.answered)
    expect(flapping.asked).toBeLessThan(healthy.asked / 10)
    expect(Math.min(slow.asked, flapping.asked, cutting.asked)).toBeGreaterThan(0)
  })

  it('has nothing left under way', () => {
    const busy = opened.service.hosts().filter(({ outstanding, queued }) => outstanding + queued > 0)

    expect(busy).toEqual([])
  })

  it('keeps the answers that were given, and no others', async () => {
    const given = new Map(answers.onChain.filter(succeeded).map((task) => [task.index, fieldsOf(task)]))
    await server.close()
    await opened.close()

    const journal = await openAnswerJournal({
      dir: join(dir, 'answers'),
      fsync: 'off',
      nowMs: Date.now,
      retentionMs: 86_400_000,
      log: silentLogger,
    })
    const size = journal.size
    const [[index, fields]] = [...given].slice(-1) as [[number, FiveFields]]
    const kept = await journal.find(hashTaskEnvelope(envelopeOfTask(index)))
    await journal.close()

    expect(size).toBe(given.size)
    expect(kept?.signature).toBe(`0x${fields.proof ?? ''}`)
  })
})
