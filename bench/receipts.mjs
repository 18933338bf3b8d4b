// CPU and wall time of a paid answer's receipt: hash of the task, hash of the answer, digest, signature, and the
// answer kept in the journal; for each fsync policy, with one answer after the other and with 32 at a time. The bodies
// have 1 KB each. Beside it what the same signing costs with ethers alone and nothing kept.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SigningKey, TypedDataEncoder, keccak256 } from 'ethers'
import { hashTaskEnvelope } from '../dist/lib/infernet/task-envelope.js'
import { speedUpKeccak } from '../dist/lib/keccak.js'
import { silentLogger } from '../dist/lib/log.js'
import { openAnswerJournal } from '../dist/lib/service/answer-journal.js'
import { createReceiptKey } from '../dist/lib/usage/receipt-key.js'
import { createReceiptSigner, encodeReceipt } from '../dist/lib/usage/receipt.js'
import { median } from './lib/numbers.mjs'

const BODY_BYTES = 1_024
const ROUNDS = 3
/** Receipts in one round, enough for a stable figure on a disk that syncs in a tenth of a millisecond. */
const COUNTED = { 1: 1_500, 32: 6_000 }
const PAUSE_MS = 20

const hex = (bytes) => `0x${randomBytes(bytes).toString('hex')}`
const domain = { chainId: 31337, usageMeter: '0x5FbDB2315678afecb367f032d93F642f64180aa3' }
const privateKey = hex(32)
const account = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

const ENVELOPE_TYPES = {
  TaskEnvelope: [
    ['chainId', 'uint256'],
    ['consumer', 'address'],
    ['subscriptionId', 'uint32'],
    ['interval', 'uint32'],
    ['requestId', 'bytes32'],
    ['requester', 'address'],
    ['node', 'address'],
    ['modelId', 'bytes32'],
    ['maxPromptTokens', 'uint32'],
    ['maxCompletionTokens', 'uint32'],
    ['payload', 'bytes'],
  ].map(([name, type]) => ({ name, type })),
}
const RECEIPT_TYPES = {
  UsageReceipt: [
    ['requestId', 'bytes32'],
    ['modelId', 'bytes32'],
    ['requester', 'address'],
    ['node', 'address'],
    ['interval', 'uint32'],
    ['inputHash', 'bytes32'],
    ['outputHash', 'bytes32'],
    ['promptTokens', 'uint32'],
    ['completionTokens', 'uint32'],
  ].map(([name, type]) => ({ name, type })),
}

function newTask() {
  return {
    envelope: {
      chainId: 31337n,
      consumer: account,
      subscriptionId: 7,
      interval: 1,
      requestId: hex(32),
      requester: account,
      node: account,
      modelId: hex(32),
      maxPromptTokens: 1_000n,
      maxCompletionTokens: 1_000n,
      payload: hex(BODY_BYTES),
    },
    answer: randomBytes(BODY_BYTES),
  }
}

function receiptOf({ requestId, modelId, requester, node, interval }, inputHash, outputHash) {
  const counts = { promptTokens: 300n, completionTokens: 200n }
  return { requestId, modelId, requester, node, interval, inputHash, outputHash, ...counts }
}

/** What is measured beside: general encoders, JavaScript keccak and JavaScript secp256k1. */
function ethersAlone() {
  const key = new SigningKey(privateKey)
  const { chainId, usageMeter: verifyingContract } = domain
  const typedDomain = { name: 'FLock UsageMeter', version: '1', chainId, verifyingContract }
  return async ({ envelope, answer }) => {
    const inputHash = TypedDataEncoder.hashStruct('TaskEnvelope', ENVELOPE_TYPES, envelope)
    const receipt = receiptOf(envelope, inputHash, keccak256(answer))
    return key.sign(TypedDataEncoder.hash(typedDomain, RECEIPT_TYPES, receipt)).serialized
  }
}

function signed(journal) {
  const signer = createReceiptSigner(domain, createReceiptKey(privateKey))
  const notes = { model: 'tiny', hostId: 'a', usageSource: 'host' }
  const tokens = { promptTokens: 300, completionTokens: 200, cachedTokens: 0, reasoningTokens: 0 }
  return async ({ envelope, answer }) => {
    const inputHash = hashTaskEnvelope(envelope)
    if (journal !== null && (await journal.find(inputHash)) !== null) throw new Error('answered before')
    const receipt = receiptOf(envelope, inputHash, keccak256(answer))
    const item = { answer, receipt, signature: signer.sign(receipt), ...notes, tokens }
    await journal?.append(item)
    return encodeReceipt(receipt)
  }
}

/** Microseconds of CPU, of all threads, and of wall time for each receipt. */
async function measure(work, atATime) {
  const tasks = Array.from({ length: COUNTED[atATime] }, newTask)
  const cpu = process.cpuUsage()
  const start = performance.now()
  let next = 0
  const one = async () => {
    while (next < tasks.length) await work(tasks[next++])
  }
  await Promise.all(Array.from({ length: atATime }, one))
  const wallUs = (performance.now() - start) * 1_000
  const { user, system } = process.cpuUsage(cpu)
  return { cpuUs: (user + system) / tasks.length, wallUs: wallUs / tasks.length }
}

async function row(what, atATime, work) {
  const rounds = []
  await measure(work, atATime)
  for (let round = 0; round < ROUNDS; round += 1) {
    // The disk writes on after the last round.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    rounds.push(await measure(work, atATime))
  }
  const of = (figure) => median(rounds.map((round) => round[figure]))
  return { what, atATime, cpuUs: of('cpuUs'), wallUs: of('wallUs') }
}

async function measureJournal(fsync, atATime) {
  const dir = await mkdtemp(join(tmpdir(), 'flock-bench-'))
  const journal = await openAnswerJournal({
    dir,
    fsync,
    nowMs: () => Date.now(),
    retentionMs: 86_400_000,
    log: silentLogger,
  })
  try {
    return await row(`signed and kept, fsync ${fsync}`, atATime, signed(journal))
  } finally {
    await journal.close()
    await rm(dir, { recursive: true, force: true })
  }
}

const rows = [await row('signed by ethers alone, not kept', 1, ethersAlone())]
const isFast = await speedUpKeccak()
const { engine } = createReceiptKey(privateKey)
rows.push(await row('signed, not kept', 1, signed(null)))
for (const atATime of [1, 32]) {
  for (const fsync of ['always', 'interval', 'off']) rows.push(await measureJournal(fsync, atATime))
}

const result = { bench: 'receipts', unit: 'us', engine, keccak: isFast ? 'wasm' : 'javascript', rows }
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`)
else {
  process.stdout.write(`microseconds a receipt; signatures by ${engine}, hashes by ${result.keccak}\n`)
  process.stdout.write(`${'what'.padEnd(34)} at a time      CPU     wall\n`)
  for (const { what, atATime, cpuUs, wallUs } of rows) {
    const cells = [atATime.toString(), cpuUs.toFixed(0), wallUs.toFixed(0)]
    process.stdout.write(
      `${what.padEnd(34)} ${cells[0].padStart(9)} ${cells[1].padStart(8)} ${cells[2].padStart(8)}\n`,
    )
  }
}
