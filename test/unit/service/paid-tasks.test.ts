import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { CallOffSignal } from '../../../src/lib/call-off.js'
import { hashTaskEnvelope } from '../../../src/lib/infernet/task-envelope.js'
import { type LogRecord, createLogger, silentLogger } from '../../../src/lib/log.js'
import { type ChatResult, checkUsage } from '../../../src/lib/router/openai.js'
import { type AnswerJournal, openAnswerJournal } from '../../../src/lib/service/answer-journal.js'
import { createMetering } from '../../../src/lib/service/metering.js'
import { createServiceMetrics } from '../../../src/lib/service/metrics.js'
import {
  type PaidTasksOptions,
  createPaidTasks,
  renderPaidAnswer,
} from '../../../src/lib/service/paid-tasks.js'
import type { Task } from '../../../src/lib/service/task.js'
import { createReceiptKey } from '../../../src/lib/usage/receipt-key.js'
import {
  createReceiptSigner,
  decodeReceipt,
  encodeReceipt,
  recoverReceiptSigner,
} from '../../../src/lib/usage/receipt.js'
import { caught } from '../../helpers/caught.js'
import { parseExposition, valueOf } from '../../helpers/exposition.js'
import { tinyModel } from '../../helpers/service-world.js'
import {
  CHAIN_ID,
  MODEL_ID,
  RECEIPT_KEY,
  RECEIPT_SIGNER,
  USAGE_METER,
  envelopeOf,
} from '../../helpers/tasks.js'
import { createTempDir } from '../../helpers/temp-dir.js'

const domain = { chainId: CHAIN_ID, usageMeter: USAGE_METER }
const model = tinyModel({})
const envelope = envelopeOf()
const task: Task = {
  model,
  envelope,
  stock: null,
  request: { messages: [{ role: 'user', content: 'What do bees do?' }], options: {}, maxTokens: 64 },
}
/** A word is a token. */
const words = { count: (text: string) => text.split(' ').filter(Boolean).length }

const said = (text: string, usage: unknown = { prompt_tokens: 14, completion_tokens: 6 }): ChatResult => ({
  hostId: 'a',
  text,
  finishReason: 'stop',
  ...checkUsage(usage),
})

let dir = ''
let journal: AnswerJournal
let records: LogRecord[] = []

const openJournal = () =>
  openAnswerJournal({
    dir,
    fsync: 'always',
    nowMs: () => 1_763_850_000_000,
    retentionMs: 86_400_000,
    log: silentLogger,
  })

beforeEach(async () => {
  dir = await createTempDir()
  journal = await openJournal()
  records = []
})

afterEach(async () => {
  await journal.close()
  await rm(dir, { recursive: true })
})

/** Paid tasks with a clock that goes on by 5 ms with each look; `asked` counts questions to hosts. */
function create(answer: () => ChatResult | Promise<ChatResult>, options: Partial<PaidTasksOptions> = {}) {
  const metrics = createServiceMetrics({
    models: [{ name: 'tiny', hostIds: ['a'] }],
    clients: [],
    version: '1',
    routes: [],
    collectHosts: () => [],
  })
  const seen = { asked: 0, signals: [] as (CallOffSignal | undefined)[] }
  let now = 0
  const paid = createPaidTasks({
    signer: createReceiptSigner(domain, createReceiptKey(RECEIPT_KEY)),
    journal,
    metering: createMetering(new Map()),
    metrics,
    complete: async (_task, signal) => {
      seen.asked += 1
      seen.signals.push(signal)
      return answer()
    },
    nowMs: () => (now += 5),
    log: createLogger('debug', (record) => records.push(record)),
    ...options,
  })
  const valueIn = async (name: string, labels = {}) =>
    valueOf(parseExposition((await metrics.render()).body), name, labels)
  return {
    paid,
    seen,
    receipts: (outcome: string) => valueIn('flock_receipts_total', { model: 'tiny', outcome }),
    valueIn,
  }
}

describe('a paid task', () => {
  it('is signed, kept with what it came from, and counted', async () => {
    const { paid, receipts, valueIn } = create(() => said('They sleep.'))

    const answer = await paid.answer(task, envelope, undefined)

    const kept = await journal.find(hashTaskEnvelope(envelope))
    expect(kept).toMatchObject(answer)
    expect(kept).toMatchObject({ model: 'tiny', hostId: 'a', usageSource: 'host' })
    expect(kept?.tokens).toEqual({
      promptTokens: 14,
      completionTokens: 6,
      cachedTokens: 0,
      reasoningTokens: 0,
    })
    expect(recoverReceiptSigner(answer.receipt, domain, answer.signature)).toBe(RECEIPT_SIGNER)
    expect([await receipts('stored'), await receipts('replayed'), await receipts('failed')]).toEqual([
      1, 0, 0,
    ])
    expect(await valueIn('flock_receipt_commit_seconds_sum')).toBe(0.005)
    expect(await valueIn('flock_tokens_total', { kind: 'prompt', source: 'host' })).toBe(14)
  })

  it('is charged by the tokenizer of the model when the host reports nothing', async () => {
    const metering = createMetering(new Map([['tiny', words]]))
    const { paid, valueIn } = create(() => said('They sleep.', null), { metering })

    const { receipt, usageSource } = await paid.answer(task, envelope, undefined)

    expect(receipt).toMatchObject({ promptTokens: 4n, completionTokens: 2n })
    expect(usageSource).toBe('tokenizer')
    expect(await valueIn('flock_tokens_total', { kind: 'completion', source: 'tokenizer' })).toBe(2)
  })

  it('is charged no more than its caps and its bytes allow, whoever counted', async () => {
    const { paid } = create(() => said('Yes.', { prompt_tokens: 1e6, completion_tokens: 1e6 }))
    const small = envelopeOf({ payload: 'hi', maxPromptTokens: 1_000n })

    const { receipt, tokens } = await paid.answer(task, small, undefined)

    expect(receipt).toMatchObject({ promptTokens: 130n, completionTokens: 4n })
    expect(tokens).toMatchObject({ promptTokens: 1e6, completionTokens: 1e6 })
  })

  it.each([
    ['without usage', said('Yes.', null), 'HOST_USAGE_INVALID'],
    ['with usage that cannot be true', said('Yes.', { prompt_tokens: -1 }), 'HOST_USAGE_INVALID'],
    ['without words', said(''), 'HOST_ANSWER_INVALID'],
  ])('is neither signed nor kept for an answer %s', async (_what, result, code) => {
    const { paid, receipts } = create(() => result)

    expect((await caught(paid.answer(task, envelope, undefined))).code).toBe(code)
    expect(journal.size).toBe(0)
    expect(await receipts('stored')).toBe(0)
  })

  it('is given again as it was, without a host and without being counted twice', async () => {
    const { paid, seen, receipts, valueIn } = create(() => said(`Answer ${seen.asked}.`))
    const first = await paid.answer(task, envelope, undefined)

    const again = await paid.answer(task, envelope, undefined)

    expect(again).toMatchObject(first)
    expect(seen.asked).toBe(1)
    expect([await receipts('stored'), await receipts('replayed')]).toEqual([1, 1])
    expect(await valueIn('flock_tokens_total', { kind: 'prompt' })).toBe(14)
    expect(records.map(({ message }) => message)).toEqual([
      'Answered a paid request.',
      'Answered a paid request again, from the journal.',
    ])
  })

  it('has the same receipt, signed by the signer of today', async () => {
    const first = await create(() => said('Yes.')).paid.answer(task, envelope, undefined)
    const otherKey = createReceiptKey(`0x${'11'.repeat(32)}`)
    const { paid } = create(() => said('No.'), { signer: createReceiptSigner(domain, otherKey) })

    const again = await paid.answer(task, envelope, undefined)

    expect(again.receipt).toEqual(first.receipt)
    expect(recoverReceiptSigner(again.receipt, domain, again.signature)).toBe(otherKey.address)
  })

  it('is computed once for all who ask at the same time, and goes on while one of them waits', async () => {
    let release: (result: ChatResult) => void = () => undefined
    const { paid, seen } = create(() => new Promise((resolve) => (release = resolve)))
    const gone = new AbortController()
    const first = caught(paid.answer(task, envelope, gone.signal))
    const second = paid.answer(task, envelope, undefined)
    await new Promise((resolve) => setImmediate(resolve))
    while (seen.asked === 0) await new Promise((resolve) => setImmediate(resolve))

    gone.abort()
    expect((await first).code).toBe('INTERRUPTED')
    expect(seen.signals[0]?.aborted).toBe(false)
    release(said('Yes.'))

    expect(Buffer.from((await second).answer).toString()).toBe('Yes.')
    expect(seen.asked).toBe(1)
  })

  it('is not answered when the answer cannot be kept', async () => {
    const { paid, receipts, valueIn } = create(() => said('Yes.'))
    await journal.close()

    const error = await caught(paid.answer(task, envelope, undefined))

    expect(error.code).toBe('SERVICE_UNREACHABLE')
    expect([await receipts('stored'), await receipts('failed')]).toEqual([0, 1])
    expect(await valueIn('flock_tokens_total', { kind: 'prompt' })).toBeUndefined()
  })

  it('may be answered without a journal, anew each time', async () => {
    const { paid, seen } = create(() => said('Yes.'), { journal: undefined })

    await paid.answer(task, envelope, undefined)
    await paid.answer(task, envelope, undefined)

    expect(seen.asked).toBe(2)
    expect(journal.size).toBe(0)
  })
})

describe('what goes on chain', () => {
  it('is the answer, its receipt and the signature; for a verifier the receipt stands in the proof as well', async () => {
    const signed = await create(() => said('🐝')).paid.answer(task, envelope, undefined)

    const plain = renderPaidAnswer(signed, false)
    const proven = renderPaidAnswer(signed, true)

    expect(plain).toEqual({
      raw_input: '',
      processed_input: '',
      raw_output: 'f09f909d',
      processed_output: encodeReceipt(signed.receipt).slice(2),
      proof: signed.signature.slice(2),
    })
    expect(decodeReceipt(`0x${plain.processed_output}`).modelId).toBe(MODEL_ID)
    expect({ ...proven, proof: plain.proof }).toEqual(plain)
    expect(proven.proof).toContain(plain.processed_output)
    expect(proven.proof).toContain(plain.proof)
  })
})
