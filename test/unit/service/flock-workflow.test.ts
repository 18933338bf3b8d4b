import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { AbiCoder } from 'ethers/abi'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { keccak256 } from 'ethers/crypto'
import type { Hex } from '../../../src/lib/hex.js'
import { type FiveFields, type ServiceInput, encodeDelivery } from '../../../src/lib/infernet/payload.js'
import {
  encodeTaskEnvelope,
  hashTaskEnvelope,
  type TaskEnvelope,
} from '../../../src/lib/infernet/task-envelope.js'
import { type LogRecord, createLogger, silentLogger } from '../../../src/lib/log.js'
import type { FlockWorkflow } from '../../../src/lib/service/flock-workflow.js'
import { MAX_ONCHAIN_ANSWER_BYTES } from '../../../src/lib/service/paid-tasks.js'
import { openAnswerJournal } from '../../../src/lib/service/answer-journal.js'
import { createReceiptKey } from '../../../src/lib/usage/receipt-key.js'
import { type UsageReceipt, decodeReceipt, verifyReceipt } from '../../../src/lib/usage/receipt.js'
import { caught } from '../../helpers/caught.js'
import {
  type FakeHost,
  type HostAnswer,
  completion,
  json,
  silence,
  startFakeHost,
  stream,
} from '../../helpers/fake-host.js'
import { encodeStock } from '../../helpers/random-stock.js'
import { type ServiceParts, createServiceWorld, tinyModel } from '../../helpers/service-world.js'
import {
  CHAIN_ID,
  MODEL_ID,
  RECEIPT_KEY,
  RECEIPT_SIGNER,
  USAGE_METER,
  envelopeOf,
  onChainInput,
  utf8,
} from '../../helpers/tasks.js'
import { createTempDir } from '../../helpers/temp-dir.js'

const closers: (() => Promise<void>)[] = []
let records: LogRecord[] = []

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
  records = []
})

async function setUp(...answers: HostAnswer[]): Promise<{ workflow: FlockWorkflow; host: FakeHost }> {
  return setUpWith({}, ...answers)
}

async function setUpWith(
  options: Partial<ServiceParts>,
  ...answers: HostAnswer[]
): Promise<{ workflow: FlockWorkflow; host: FakeHost }> {
  const host = await startFakeHost(...answers)
  const log = createLogger('debug', (record) => records.push(record))
  const model = tinyModel({ baseUrl: host.baseUrl, model: 'org/tiny' })
  const world = await createServiceWorld({ models: [model], log, ...options })
  closers.push(
    () => world.close(),
    () => host.close(),
  )
  return { workflow: world.service.workflow, host }
}

async function answered(workflow: FlockWorkflow, input: ServiceInput) {
  const fields = (await workflow.run(input)) as FiveFields
  const receipt: UsageReceipt = decodeReceipt(`0x${fields.processed_output}`)
  return { fields, receipt, signature: `0x${fields.proof}` as const }
}

const domain = { chainId: CHAIN_ID, usageMeter: USAGE_METER }
const usage = (prompt_tokens: unknown, completion_tokens: unknown) => ({ prompt_tokens, completion_tokens })

describe('answering a paid request', () => {
  it('gives the answer, the receipt and its signature in five fields of plain hex', async () => {
    const { workflow, host } = await setUp(completion('They sleep — 🐝.', usage(14, 6)))
    const envelope = envelopeOf()

    const { fields, receipt, signature } = await answered(workflow, onChainInput(envelope))

    expect(fields).toMatchObject({
      raw_input: '',
      processed_input: '',
      raw_output: Buffer.from('They sleep — 🐝.').toString('hex'),
    })
    expect(receipt).toEqual({
      requestId: envelope.requestId,
      modelId: MODEL_ID,
      requester: envelope.requester,
      node: envelope.node,
      interval: 3,
      inputHash: hashTaskEnvelope(envelope),
      outputHash: keccak256(utf8('They sleep — 🐝.')),
      promptTokens: 14n,
      completionTokens: 6n,
    })
    expect(() => verifyReceipt(receipt, { domain, signature, signer: RECEIPT_SIGNER })).not.toThrow()
    expect(workflow.receiptSigner).toBe(RECEIPT_SIGNER)
    expect(host.requests[0]?.body).toEqual({
      model: 'org/tiny',
      messages: [{ role: 'user', content: 'What do bees do in winter?' }],
      max_tokens: 64,
      stream: false,
    })
  })

  it('gives an answer that can be delivered', async () => {
    const { workflow } = await setUp(completion('Yes.'))

    const fields = await workflow.run(onChainInput())

    expect(encodeDelivery(JSON.stringify(fields))).toMatchObject({
      proof: `0x${String((fields as FiveFields).proof)}`,
    })
  })

  it('gives the same bytes for the same task and answer', async () => {
    const { workflow } = await setUp(completion('Yes.'))

    expect(await workflow.run(onChainInput())).toEqual(await workflow.run(onChainInput()))
  })

  it('gives a verifier, which sees the proof alone, the receipt in front of its signature', async () => {
    const { workflow } = await setUp(completion('Yes.'))
    const plain = (await workflow.run(onChainInput())) as FiveFields

    const proven = (await workflow.run({ ...onChainInput(), requiresProof: true })) as FiveFields

    expect({ ...proven, proof: plain.proof }).toEqual(plain)
    const signature: unknown = AbiCoder.defaultAbiCoder().decode(
      ['bytes32[9]', 'bytes'],
      `0x${proven.proof}`,
    )[1]
    expect(proven.proof?.startsWith(plain.processed_output ?? '-')).toBe(true)
    expect(signature).toBe(`0x${plain.proof}`)
  })

  it('answers the same for a task with its envelope in an object', async () => {
    const { workflow } = await setUp(completion('Yes.'))
    const plain = await workflow.run(onChainInput())
    const data = { envelope: encodeTaskEnvelope(envelopeOf()).slice(2) }

    expect(await workflow.run({ source: 1, destination: 0, requiresProof: false, data })).toEqual(plain)
  })

  it.each<[string, unknown, Partial<TaskEnvelope>, [bigint, bigint]]>([
    ['what the host reports', usage(5, 4), {}, [5n, 4n]],
    ['nothing for nothing', usage(0, 0), {}, [0n, 0n]],
    ['no more prompt than the cap', usage(500, 4), { maxPromptTokens: 100n }, [100n, 4n]],
    ['no more prompt than the bytes of the payload and a template', usage(500, 4), {}, [26n + 128n, 4n]],
    ['no more completion than the cap', usage(5, 40), { maxCompletionTokens: 2n }, [5n, 2n]],
    ['no more completion than bytes', usage(5, 40), {}, [5n, 4n]],
  ])('charges %s', async (_what, reported, caps, [promptTokens, completionTokens]) => {
    const { workflow } = await setUp(completion('Yes.', reported))

    const { receipt } = await answered(workflow, onChainInput({ ...envelopeOf(), ...caps }))

    expect(receipt).toMatchObject({ promptTokens, completionTokens })
  })

  it('makes half a character of a host valid UTF-8 before it hashes and signs it', async () => {
    const { workflow } = await setUp(completion('broken \ud83d'))

    const { fields, receipt } = await answered(workflow, onChainInput())

    expect(Buffer.from(fields.raw_output ?? '', 'hex').toString('utf8')).toBe('broken \ufffd')
    expect(receipt.outputHash).toBe(keccak256(`0x${fields.raw_output}`))
  })

  it.each([
    ['is missing', null],
    ['has no completion', { prompt_tokens: 5 }],
    ['is negative', usage(-5, 1)],
    ['is broken', usage(5, 1.5)],
    ['is text', usage('5', '1')],
    ['is beyond uint32', usage(2 ** 32, 1)],
  ])('refuses usage that %s, and never invents any', async (_what, reported) => {
    const { workflow } = await setUp(completion('Yes.', reported))

    expect((await caught(workflow.run(onChainInput()))).code).toBe('HOST_USAGE_INVALID')
  })

  it.each([
    ['empty', ''],
    ['null', null],
  ])('refuses an answer that is %s: nothing was said, nothing may be charged', async (_what, text) => {
    const { workflow } = await setUp(completion(text, usage(5, 64), 'length'))

    const error = await caught(workflow.run(onChainInput()))

    expect(error).toMatchObject({
      code: 'HOST_ANSWER_INVALID',
      details: { hostId: 'a', finishReason: 'length', bytes: 0 },
    })
  })

  it('refuses an answer that no transaction can carry, and takes the largest that one can', async () => {
    const most = 'é'.repeat(MAX_ONCHAIN_ANSWER_BYTES / 2)
    const { workflow } = await setUp(completion(`${most}.`), completion(most))

    expect((await caught(workflow.run(onChainInput()))).code).toBe('HOST_ANSWER_INVALID')
    expect((await answered(workflow, onChainInput())).fields.raw_output).toHaveLength(
      2 * MAX_ONCHAIN_ANSWER_BYTES,
    )
  })

  it('passes on what is wrong with the host', async () => {
    const { workflow } = await setUp(json(500, {}))

    expect((await caught(workflow.run(onChainInput()))).code).toBe('HOST_FAILED')
  })

  it('asks no host for a task of another chain', async () => {
    const { workflow, host } = await setUp(completion('Yes.'))

    expect((await caught(workflow.run(onChainInput(envelopeOf({ chainId: 1n }))))).code).toBe('TASK_INVALID')
    expect(host.requests).toHaveLength(0)
  })

  it('computes the same task once when it is given several times at once', async () => {
    let answers = 0
    const { workflow, host } = await setUp((response, request) => {
      answers += 1
      setImmediate(() => completion(`Answer ${answers}.`)(response, request))
    })

    const all = await Promise.all(
      [onChainInput(), onChainInput(), onChainInput(envelopeOf({ interval: 4 }))].map((input) =>
        workflow.run(input),
      ),
    )

    expect(host.requests).toHaveLength(2)
    expect(all[0]).toEqual(all[1])
    expect(all[0]).not.toEqual(all[2])
  })

  it('goes on for the second caller when the first goes away', async () => {
    let release: (() => void) | undefined
    const { workflow, host } = await setUp((response, request) => {
      release = () => completion('Yes.')(response, request)
    })
    const gone = new AbortController()
    const first = caught(workflow.run(onChainInput(), gone.signal))
    const second = workflow.run(onChainInput())
    while (release === undefined) await new Promise((resolve) => setImmediate(resolve))

    gone.abort()
    expect((await first).code).toBe('INTERRUPTED')
    release()

    expect(await second).toHaveProperty('proof')
    expect(host.requests).toHaveLength(1)
  })

  it('stops the host when its only caller goes away', async () => {
    const { workflow, host } = await setUp(silence)
    const gone = new AbortController()
    const pending = caught(workflow.run(onChainInput(), gone.signal))
    while (host.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))

    gone.abort()

    expect((await pending).code).toBe('INTERRUPTED')
    while (host.abandoned() === 0) await new Promise((resolve) => setImmediate(resolve))
    expect(host.abandoned()).toBe(1)
  })

  it('logs counts and ids, never the prompt or the answer', async () => {
    const { workflow } = await setUp(completion('A secret answer.'))

    await workflow.run(onChainInput(envelopeOf({ payload: 'A secret prompt.' })))

    const logged = JSON.stringify(records, (_key, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    )
    expect(logged).toContain('Answered a paid request.')
    expect(logged).not.toContain('secret')
    expect(logged).not.toContain(RECEIPT_KEY.slice(2))
  })
})

describe('answering a paid request that comes again', () => {
  let dir: string

  beforeEach(async () => {
    dir = await createTempDir()
  })

  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  const openJournal = () =>
    openAnswerJournal({
      dir,
      fsync: 'always',
      nowMs: () => 1_763_850_000_000,
      retentionMs: 86_400_000,
      log: silentLogger,
    })
  const each = () => {
    let answers = 0
    const answer: HostAnswer = (response, request) =>
      completion(`Answer ${(answers += 1)}.`)(response, request)
    return answer
  }

  it('gives the same bytes without a host, also after a restart and to a verifier', async () => {
    const journal = await openJournal()
    const first = await setUpWith({ journal }, each())
    const given = (await first.workflow.run(onChainInput())) as FiveFields
    const again = await first.workflow.run(onChainInput())
    await journal.close()

    const reopened = await openJournal()
    const second = await setUpWith({ journal: reopened }, completion('Something else.'))
    const later = await second.workflow.run(onChainInput())
    const proven = (await second.workflow.run({ ...onChainInput(), requiresProof: true })) as FiveFields
    await reopened.close()

    expect(again).toEqual(given)
    expect(later).toEqual(given)
    expect(proven).toEqual({ ...given, proof: proven.proof })
    expect(proven.proof?.startsWith(given.processed_output ?? '-')).toBe(true)
    expect(first.host.requests).toHaveLength(1)
    expect(second.host.requests).toHaveLength(0)
    expect(records.filter(({ message }) => message.includes('again, from the journal'))).toHaveLength(3)
  })

  it.each<[string, Partial<TaskEnvelope>]>([
    ['another node', { node: USAGE_METER }],
    ['another interval', { interval: 4 }],
    ['another subscription', { subscriptionId: 8 }],
  ])('answers anew for %s', async (_what, change) => {
    const journal = await openJournal()
    const { workflow, host } = await setUpWith({ journal }, each())
    const first = await answered(workflow, onChainInput())

    const other = await answered(workflow, onChainInput(envelopeOf(change)))
    await journal.close()

    expect(other.receipt.inputHash).not.toBe(first.receipt.inputHash)
    expect(host.requests).toHaveLength(2)
  })

  it('computes once for callers at the same time, and keeps one answer', async () => {
    const journal = await openJournal()
    const { workflow, host } = await setUpWith({ journal }, each())

    const all = await Promise.all(Array.from({ length: 5 }, () => workflow.run(onChainInput())))
    const { size } = journal
    await journal.close()

    expect(new Set(all.map((fields) => JSON.stringify(fields))).size).toBe(1)
    expect(host.requests).toHaveLength(1)
    expect(size).toBe(1)
  })

  it('keeps what the answer came from', async () => {
    const journal = await openJournal()
    const reported = { ...usage(500, 4), prompt_tokens_details: { cached_tokens: 3 } }
    const { workflow } = await setUpWith({ journal }, completion('Yes.', reported))
    const { receipt } = await answered(workflow, onChainInput())

    const kept = await journal.find(receipt.inputHash)
    await journal.close()

    expect(kept).toMatchObject({
      receipt,
      model: 'tiny',
      hostId: 'a',
      usageSource: 'host',
      tokens: { promptTokens: 500, completionTokens: 4, cachedTokens: 3 },
      timeMs: 1_763_850_000_000,
    })
  })

  it('has the same receipt signed by the present signer, when that is another one by now', async () => {
    const journal = await openJournal()
    const before = await setUpWith({ journal }, completion('Yes.'))
    const first = await answered(before.workflow, onChainInput())
    const receiptKey = createReceiptKey(`0x${'11'.repeat(32)}`)

    const after = await setUpWith({ journal, receiptKey }, completion('No.'))
    const second = await answered(after.workflow, onChainInput())
    await journal.close()

    expect(second.receipt).toEqual(first.receipt)
    expect(second.fields.raw_output).toBe(first.fields.raw_output)
    expect(() =>
      verifyReceipt(second.receipt, { domain, signature: second.signature, signer: receiptKey.address }),
    ).not.toThrow()
  })

  it('asks no host and gives no answer when none can be kept', async () => {
    const journal = await openJournal()
    const { workflow, host } = await setUpWith({ journal }, completion('Yes.'))
    const kept = await workflow.run(onChainInput())
    expect(workflow.fault).toBeNull()
    rmSync(join(dir, 'lock'))
    const other = await openJournal()
    while (journal.fault === null) await new Promise((resolve) => setImmediate(resolve))

    const refused = await caught(workflow.run(onChainInput(envelopeOf({ interval: 4 }))))
    const again = await workflow.run(onChainInput())
    await Promise.all([journal.close(), other.close()])

    expect(refused.code).toBe('STATE_CONFLICT')
    expect(workflow.fault).toBe(refused)
    expect(again).toEqual(kept)
    expect(host.requests).toHaveLength(1)
  })

  it('gives no answer that could not be kept', async () => {
    const journal = await openJournal()
    const { workflow, host } = await setUpWith({ journal }, (response, request) => {
      void journal.close().then(() => completion('Yes.')(response, request))
    })

    expect((await caught(workflow.run(onChainInput()))).code).toBe('SERVICE_UNREACHABLE')
    expect(host.requests).toHaveLength(1)
  })
})

describe('answering off chain', () => {
  const ask = { source: 1, destination: 1, requiresProof: false, data: { prompt: 'hi' } } as const

  it('gives output, model and usage', async () => {
    const { workflow } = await setUp(completion('Hello.'))

    expect(await workflow.run(ask)).toEqual({
      output: 'Hello.',
      model: 'tiny',
      usage: {
        prompt_tokens: 5,
        completion_tokens: 3,
        total_tokens: 8,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
    })
  })

  it.each([null, usage(-1, 1)])('leaves usage null when the host reports %j', async (reported) => {
    const { workflow } = await setUp(completion('Hello.', reported))

    expect(await workflow.run(ask)).toEqual({ output: 'Hello.', model: 'tiny', usage: null })
  })

  it('gives an empty output for an empty answer', async () => {
    const { workflow } = await setUp(completion(''))

    expect(await workflow.run(ask)).toMatchObject({ output: '' })
  })

  it('gives the same for the first container of several', async () => {
    const { workflow } = await setUp(completion('Hello.'))

    expect(await workflow.run({ ...onChainInput(), destination: 1 })).toMatchObject({
      output: 'Hello.',
      usage: { total_tokens: 8 },
    })
  })
})

describe('answering tasks in the encodings of stock services', () => {
  const words = new Map([['tiny', { count: (text: string) => text.split(' ').filter(Boolean).length }]])
  const inputs = {
    tgi: encodeStock('tgi', ['What do bees do?']),
    css: encodeStock('css', [
      2,
      0,
      'tiny',
      [
        ['system', 'Be brief.'],
        ['user', 'What do bees do?'],
      ],
    ]),
    hf: encodeStock('hf', [1, '', 'What do bees do?']),
  }
  const onChain = (data: Hex): ServiceInput => ({ source: 0, destination: 0, requiresProof: false, data })
  const stringOf = (hex: string | null) =>
    AbiCoder.defaultAbiCoder().decode(['string'], `0x${hex ?? ''}`)[0] as unknown

  it.each(Object.entries(inputs))(
    'repeats the input and gives the output as a string: %s',
    async (kind, data) => {
      const { workflow, host } = await setUp(completion('They sleep — 🐝.'))

      const fields = (await workflow.run(onChain(data))) as FiveFields

      expect(fields).toEqual({
        raw_input: data.slice(2),
        processed_input: '',
        raw_output: expect.any(String),
        processed_output: '',
        proof: '',
      })
      expect(stringOf(fields.raw_output)).toBe('They sleep — 🐝.')
      expect(host.requests[0]?.body).toMatchObject({
        model: 'org/tiny',
        messages: [
          ...(kind === 'css' ? [{ role: 'system', content: 'Be brief.' }] : []),
          { role: 'user', content: 'What do bees do?' },
        ],
        max_tokens: 100,
      })
    },
  )

  it('repeats no input where none came from the chain', async () => {
    const { workflow } = await setUp(completion('Yes.'))

    const fields = await workflow.run({ ...onChain('0x'), source: 1, data: { text: 'hi' } })

    expect(fields).toMatchObject({ raw_input: '', processed_output: '', proof: '' })
    expect(stringOf((fields as FiveFields).raw_output)).toBe('Yes.')
  })

  it('answers a caller off the chain with the output alone', async () => {
    const { workflow } = await setUp(completion('Yes.'))

    const output = await workflow.run({
      source: 1,
      destination: 1,
      requiresProof: false,
      data: { task_id: 1, prompt: 'hi', parameters: { max_new_tokens: 5 } },
    })

    expect(output).toMatchObject({ output: 'Yes.', model: 'tiny' })
  })

  it('needs no usage, signs nothing and keeps nothing', async () => {
    const { workflow } = await setUpWith({ counters: words }, completion('Yes.', null))

    const fields = await workflow.run(onChain(inputs.tgi))

    expect(fields).toMatchObject({ proof: '' })
    expect(records.map(({ message }) => message)).not.toContain('Answered a paid request.')
  })

  it('gives what can be delivered, also for an answer without words', async () => {
    const { workflow } = await setUp(completion(''))

    const fields = await workflow.run(onChain(inputs.hf))

    expect(encodeDelivery(JSON.stringify(fields)).output).toMatch(/^0x/)
    expect(stringOf((fields as FiveFields).raw_output)).toBe('')
  })

  it.each(Object.entries(inputs))(
    'refuses them where they are not taken, without a host: %s',
    async (_kind, data) => {
      const { workflow, host } = await setUpWith({ takesStockTasks: false }, completion('never'))

      expect((await caught(workflow.run(onChain(data)))).code).toBe('TASK_INVALID')
      expect(host.requests).toHaveLength(0)
    },
  )

  it.each(Object.entries(inputs))('refuses to prove them: %s', async (_kind, data) => {
    const { workflow, host } = await setUp(completion('never'))

    const error = await caught(workflow.run({ ...onChain(data), requiresProof: true }))

    expect(error.code).toBe('PROOF_UNSUPPORTED')
    expect(host.requests).toHaveLength(0)
  })

  it('takes a paid request for a paid request', async () => {
    const { workflow } = await setUp(completion('Yes.'))

    const { receipt } = await answered(workflow, onChainInput())

    expect(receipt.modelId).toBe(MODEL_ID)
  })
})

describe('streaming', () => {
  const ask = { source: 1, destination: 2, requiresProof: false, data: { prompt: 'hi' } } as const
  const read = async (pieces: AsyncIterable<string>) => {
    const all: string[] = []
    for await (const piece of pieces) all.push(piece)
    return all
  }

  it('yields the pieces of the host', async () => {
    const { workflow, host } = await setUp(stream(['Hel', 'lo', '.']))

    expect(await read(workflow.stream(ask))).toEqual(['Hel', 'lo', '.'])
    expect(host.requests[0]?.body).toMatchObject({ stream: true, max_tokens: 100 })
  })

  it('joins the halves of a character', async () => {
    const { workflow } = await setUp(stream(['a\ud83d', '\udc1d', 'b', '\ud83d']))

    expect(await read(workflow.stream(ask))).toEqual(['a', '🐝', 'b', '\ud83d'])
  })

  it('refuses a bad task before anything is yielded', async () => {
    const { workflow, host } = await setUp(stream(['a']))

    expect((await caught(workflow.stream({ ...ask, data: {} }).next())).code).toBe('TASK_INVALID')
    expect(host.requests).toHaveLength(0)
  })
})
