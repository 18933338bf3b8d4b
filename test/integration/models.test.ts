import { SigningKey } from 'ethers/crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { rewardDistributorArtifact } from '../../src/lib/abi/reward-distributor.js'
import { quoteCalls } from '../../src/lib/chain/calls.js'
import { readContract } from '../../src/lib/chain/contracts.js'
import { planApprove } from '../../src/lib/chain/erc20.js'
import { ZERO_BYTES32, type Address, type Hex } from '../../src/lib/hex.js'
import { findRequest, watchAnswers, type Answer, type WatchOptions } from '../../src/lib/models/answers.js'
import { attestContributors, tableDigest } from '../../src/lib/models/attestation.js'
import { planContributors } from '../../src/lib/models/contributors-plan.js'
import {
  MAX_CONTRIBUTORS,
  MAX_WEIGHT_SUM,
  readContributors,
  sameContributors,
} from '../../src/lib/models/contributors.js'
import { buildListing, modelIdOf, type Model, type ModelSource } from '../../src/lib/models/model.js'
import { planRegistration, planStatusChange } from '../../src/lib/models/registration.js'
import {
  findModel,
  listModelIds,
  listModels,
  readModel,
  type ProjectModels,
} from '../../src/lib/models/registry.js'
import {
  isOpen,
  planCancel,
  planRequest,
  refundFromLogs,
  type OpenedRequest,
  type RequestChoices,
} from '../../src/lib/models/request.js'
import { caught } from '../helpers/caught.js'
import { createFlockWorld, type FlockWorld } from '../helpers/flock-world.js'

const DAY_SEC = 86_400

let world: FlockWorld

beforeAll(async () => {
  world = await createFlockWorld()
}, 180_000)

afterAll(() => world?.close())

let revision = 0

/** A model that no other test has registered. */
function newSource(change: Partial<ModelSource> = {}): ModelSource & { name: string } {
  revision += 1
  return {
    name: `demo-${revision}`,
    hg_repo_id: 'flock-io/demo',
    revision: `r${revision}`,
    base_model: 'demo',
    metadataUri: 'ipfs://demo',
    containers: ['flock-workflow'],
    price: { request: '0.5', promptPerMillion: '100', completionPerMillion: '200' },
    limits: { maxPromptTokens: 1000, maxCompletionTokens: 100 },
    split: { trainingPpm: 300_000, validatorPpm: 100_000 },
    nodes: [world.nth('infernet-node').address],
    ...change,
  }
}

async function modelOf(modelId: Hex): Promise<Model> {
  const model = await readModel(world.place, modelId)
  if (model === null) throw new Error(`${modelId} is not registered`)
  return model
}

function addressOf(index: number): Address {
  return `0x${index.toString(16).padStart(40, '0')}`
}

const choices: RequestChoices = {
  payload: 'Which way do the geese fly?',
  intervals: 1,
  periodSec: 0,
  redundancy: 1,
  lazy: false,
  timeoutSec: 600,
  maxCost: null,
}

describe('the registry', () => {
  it('gives back what was registered, under the id that was computed before', async () => {
    const source = newSource()
    const { modelId, listing } = await world.register(source)
    const host = world.nth('model-host').address

    expect(modelId).toBe(modelIdOf(host, listing.artifactId))
    expect(await readModel(world.place, modelId)).toMatchObject({
      ...listing,
      modelId,
      host,
      status: 'active',
    })
  })

  it('has no model of an id that nobody registered', async () => {
    expect(await readModel(world.place, `0x${'12'.repeat(32)}`)).toBeNull()
  })

  it('finds a model by name, id and first digits, and lists it', async () => {
    const source = newSource()
    const { modelId } = await world.register(source)
    const project: ProjectModels = { models: [newSource(), source], consumer: world.consumer }
    const find = async (reference: string | null, models = project) =>
      (await findModel(world.place, reference, models)).modelId

    expect(await find(source.name)).toBe(modelId)
    expect(await find(source.name, { ...project, consumer: null })).toBe(modelId)
    expect(await find(modelId)).toBe(modelId)
    expect(await find(modelId.toUpperCase().replace('0X', '0x'))).toBe(modelId)
    expect(await find(modelId.slice(0, 20))).toBe(modelId)
    expect(await find(null, { ...project, models: [source] })).toBe(modelId)
    expect((await listModels(world.place)).map((model) => model.modelId)).toContain(modelId)
  })

  it('says which models there are when a name is wrong or missing, or digits fit several', async () => {
    const [one, two] = [newSource(), newSource()]
    await world.register(one)
    await world.register(two)
    const project = { models: [one, two, newSource()], consumer: world.consumer }
    const failure = (reference: string | null) => caught(findModel(world.place, reference, project))

    expect(await failure('demo-x')).toMatchObject({ code: 'MODEL_NOT_FOUND' })
    expect(await failure(project.models[2]?.name ?? '')).toMatchObject({
      code: 'MODEL_NOT_FOUND',
      hint: `flock register-model ${project.models[2]?.name}`,
    })
    expect(await failure(null)).toMatchObject({ code: 'INPUT_MISSING' })
    expect((await failure('0x')).code).toBe('MODEL_NOT_FOUND')
    const ids = await listModelIds(world.place)
    const shared = ids.find((id, index) => ids.some((other, at) => at !== index && other[2] === id[2]))
    if (shared !== undefined) expect((await failure(shared.slice(0, 3))).code).toBe('USAGE_INVALID')
  })

  it('needs nothing the second time, and names what differs when something does', async () => {
    const host = world.nth('model-host')
    const source = newSource()
    const { modelId, listing } = await world.register(source)
    const current = await modelOf(modelId)
    const { modelRegistry } = world.place
    const wish = { host: host.address, listing, allowUpdate: false, signerGraceSec: 3600 }
    const changed = buildListing(
      { ...source, price: { ...source.price, request: '0.75' }, metadataUri: '', containers: ['other'] },
      { ...listing, receiptSigner: world.nth('spare').address },
    )

    expect(planRegistration(modelRegistry, current, wish).calls).toEqual([])
    const refused = await caught(() =>
      planRegistration(modelRegistry, current, { ...wish, listing: changed }),
    )
    expect(refused.code).toBe('MODEL_EXISTS')
    expect(refused.message).toContain('terms, metadata, containers, receiptSigner')

    const plan = planRegistration(modelRegistry, current, { ...wish, listing: changed, allowUpdate: true })
    await world.send(host, plan.calls)

    expect(await modelOf(modelId)).toMatchObject({ ...changed, previousSigner: listing.receiptSigner })
    expect(
      planRegistration(modelRegistry, await modelOf(modelId), { ...wish, listing: changed }).calls,
    ).toEqual([])
  })

  it('pauses, resumes and retires for its host alone', async () => {
    const host = world.nth('model-host')
    const { modelId, listing } = await world.register(newSource())
    const { modelRegistry } = world.place
    const change = async (action: 'pause' | 'resume' | 'retire') => {
      const call = planStatusChange(modelRegistry, await modelOf(modelId), action, host.address)
      if (call !== null) await world.send(host, [call])
      return (await modelOf(modelId)).status
    }

    expect(await change('pause')).toBe('paused')
    expect(planStatusChange(modelRegistry, await modelOf(modelId), 'pause', host.address)).toBeNull()
    const stranger = world.nth('spare').address
    const model = await modelOf(modelId)
    expect((await caught(() => planStatusChange(modelRegistry, model, 'resume', stranger))).code).toBe(
      'PERMISSION_DENIED',
    )
    expect(await change('resume')).toBe('active')
    expect(await change('retire')).toBe('retired')
    const retired = await modelOf(modelId)
    expect((await caught(() => planStatusChange(modelRegistry, retired, 'resume', host.address))).code).toBe(
      'STATE_CONFLICT',
    )
    const wish = {
      host: host.address,
      listing: { ...listing, containers: 'x' },
      allowUpdate: true,
      signerGraceSec: 0,
    }
    expect((await caught(() => planRegistration(modelRegistry, retired, wish))).code).toBe('STATE_CONFLICT')
  })

  it('refuses with the decoded Solidity error what was not checked before', async () => {
    const { modelId } = await world.register(newSource())
    const call = planStatusChange(
      world.place.modelRegistry,
      await modelOf(modelId),
      'pause',
      world.nth('model-host').address,
    )
    const error = await caught(
      quoteCalls(world.chain, world.nth('spare').address, call === null ? [] : [call]),
    )

    expect(error).toMatchObject({
      code: 'TX_REVERTED',
      details: { contract: 'ModelRegistry', error: 'NotModelHost', args: { modelId } },
    })
  })
})

describe('contributors', () => {
  const key = () => new SigningKey(world.nth('attester').privateKey)
  const members = () => ({
    training: [
      { account: world.nth('training-node', 1).address, weight: 5 },
      { account: world.nth('training-node', 0).address, weight: 1 },
    ],
    validators: [{ account: world.nth('validator').address, weight: 9 }],
  })
  const soon = () => Math.floor(Date.now() / 1000) + DAY_SEC

  it('are signed over the digest that the contract computes', async () => {
    const { modelId } = await world.register(newSource())
    const { rewardDistributor } = world.place
    const domain = { chainId: world.chain.chainId, rewardDistributor }
    const { table } = attestContributors(key(), members(), { domain, modelId, nonce: 3n, expiry: soon() })

    expect(
      await readContract(world.chain, rewardDistributorArtifact, rewardDistributor, 'tableDigest', [table]),
    ).toBe(tableDigest(table, domain))
  })

  it('come in force by an attestation that anybody brings, once', async () => {
    const { modelId } = await world.register(newSource())
    const { rewardDistributor } = world.place
    const domain = { chainId: world.chain.chainId, rewardDistributor }
    const attestation = attestContributors(key(), members(), { domain, modelId, nonce: 1n, expiry: soon() })
    const wish = {
      modelId,
      isNew: false,
      contributors: members(),
      attesterKey: null,
      nowSec: soon() - DAY_SEC,
    }

    await world.send(world.nth('spare'), await planContributors(world.place, { ...wish, attestation }))

    const inForce = await readContributors(world.chain, rewardDistributor, modelId)
    expect(inForce.nonce).toBe(1n)
    expect(sameContributors(inForce, members())).toBe(true)
    const afterExpiry = { ...wish, attestation, nowSec: soon() + DAY_SEC }
    expect(await planContributors(world.place, afterExpiry)).toEqual([])
    expect(await planContributors(world.place, { ...wish, attestation: null, attesterKey: key() })).toEqual(
      [],
    )
    const older = attestContributors(
      key(),
      { ...members(), validators: [] },
      {
        domain,
        modelId,
        nonce: 1n,
        expiry: soon(),
      },
    )
    const refused = await caught(planContributors(world.place, { ...wish, attestation: older }))
    expect(refused.message).toContain('has nonce 1, the table in force has 1')
  })

  it('of the largest table fit the gas that is budgeted when the model is still to be registered', async () => {
    const { modelId } = await world.register(newSource())
    const crowd = (from: number) =>
      Array.from({ length: MAX_CONTRIBUTORS }, (_, index) => ({
        account: addressOf(from + index),
        weight: Math.floor(MAX_WEIGHT_SUM / MAX_CONTRIBUTORS),
      }))
    const contributors = { training: crowd(1_000), validators: crowd(2_000) }
    const wish = { modelId, contributors, attestation: null, attesterKey: key(), nowSec: soon() - DAY_SEC }
    const [budgeted] = await planContributors(world.place, { ...wish, isNew: true })
    const [mined] = await world.send(
      world.nth('spare'),
      await planContributors(world.place, { ...wish, isNew: false }),
    )

    expect(mined?.gasUsed).toBeLessThan(budgeted?.gasBudget ?? 0n)
  })

  it('of somebody who is no attester are refused by the contract, by name', async () => {
    const { modelId } = await world.register(newSource())
    const attesterKey = new SigningKey(world.nth('spare').privateKey)
    const wish = {
      modelId,
      isNew: false,
      contributors: members(),
      attestation: null,
      attesterKey,
      nowSec: soon(),
    }
    const calls = await planContributors(world.place, wish)

    expect(await caught(quoteCalls(world.chain, world.nth('spare').address, calls))).toMatchObject({
      code: 'TX_REVERTED',
      details: { error: 'AttestationInvalid' },
    })
  })
})

describe('a request', () => {
  const watchOptions = (): WatchOptions => ({
    confirmations: 1,
    signal: new AbortController().signal,
    patience: AbortSignal.timeout(20_000),
  })
  const watch = async (request: OpenedRequest, options = watchOptions()): Promise<Answer[]> => {
    const answers: Answer[] = []
    for await (const answer of watchAnswers(world.chain, world.place.usageMeter, request, options)) {
      answers.push(answer)
    }
    return answers
  }
  const enough = { answer: 'South, mostly — 南へ.', promptTokens: 40n, completionTokens: 6n }

  it('is found again by its id, and its answer with text, usage and cost', async () => {
    const { modelId } = await world.register(newSource())
    const request = await world.ask(modelId)
    const waiting = watch(request)
    const { hash } = await world.deliver(request, enough)

    const found = await findRequest(world.chain, world.place.usageMeter, request.requestId, 0)
    expect(found).toEqual(request)
    // 0.5 + (40 * 100 + 6 * 200) / 1e6 FLOCK; caps 1000 and 100 tokens put 0.62 in escrow.
    const fee = 505_200_000_000_000_000n
    expect(await waiting).toEqual([
      {
        interval: 1,
        node: world.nth('infernet-node').address,
        text: enough.answer,
        promptTokens: 40n,
        completionTokens: 6n,
        fee,
        hostPart: fee,
        trainingPart: 0n,
        validatorPart: 0n,
        refund: 620_000_000_000_000_000n - fee,
        txHash: hash,
        blockNumber: expect.any(Number),
      },
    ])
    expect(request.escrow).toBe(620_000_000_000_000_000n)
  })

  it('gets an answer from each node and interval that was asked', async () => {
    const [first, second] = [world.nth('infernet-node'), world.nth('spare')]
    const { modelId } = await world.register(newSource({ nodes: [first.address, second.address] }))
    const request = await world.ask(modelId, { intervals: 2, periodSec: 60, redundancy: 2 })
    const waiting = watch(request)

    for (const interval of [1, 2]) {
      await world.advance(60)
      await world.deliver(request, { ...enough, interval, node: first })
      await world.deliver(request, { ...enough, interval, node: second })
    }

    const answers = await waiting
    expect(answers.map(({ interval, node }) => [interval, node])).toEqual([
      [1, first.address],
      [1, second.address],
      [2, first.address],
      [2, second.address],
    ])
  })

  it('is looked at once by who does not wait', async () => {
    const { modelId } = await world.register(newSource())
    const request = await world.ask(modelId)
    const once = { ...watchOptions(), patience: AbortSignal.abort() }

    expect(await watch(request, once)).toEqual([])
    await world.deliver(request, enough)
    expect(await watch(request, once)).toHaveLength(1)
  })

  it('is left alone when whoever waits stops', async () => {
    const { modelId } = await world.register(newSource())
    const request = await world.ask(modelId)
    const stop = new AbortController()
    const work = watch(request, { ...watchOptions(), signal: stop.signal })
    stop.abort(new Error('stopped'))

    await expect(work).rejects.toThrow('stopped')
    expect(await isOpen(world.chain, world.place.usageMeter, request.requestId)).toBe(true)
  })

  it('ends by itself for who waits beyond the deadline, and gives its escrow back to its requester', async () => {
    const { modelId } = await world.register(newSource())
    const request = await world.ask(modelId, { timeoutSec: 60 })
    const waiting = watch(request)
    await world.advance(120)
    expect(await waiting).toEqual([])

    const requester = world.nth('requester')
    const stranger = world.nth('spare').address
    expect((await caught(() => planCancel(request, stranger))).code).toBe('PERMISSION_DENIED')
    const mined = await world.send(requester, [planCancel(request, requester.address)])

    expect(
      refundFromLogs(
        world.place.usageMeter,
        mined.flatMap(({ logs }) => logs),
      ),
    ).toBe(request.escrow)
    expect(await isOpen(world.chain, world.place.usageMeter, request.requestId)).toBe(false)
  })

  it('is approved for exactly its cost, and not at all when enough is approved', async () => {
    const { modelId } = await world.register(newSource())
    const requester = world.nth('requester')
    const model = await modelOf(modelId)
    const plan = await planRequest(world.place, model, requester.address, choices)

    expect(plan.calls.map(({ fn }) => fn)).toEqual(['approve', 'request'])
    expect(plan.calls[0]?.args).toEqual([world.consumer, plan.escrow])
    await world.send(requester, [planApprove(world.paymentToken, world.consumer, plan.escrow)])
    const again = await planRequest(world.place, model, requester.address, choices)
    expect(again.calls.map(({ fn }) => fn)).toEqual(['request'])
    await world.send(requester, again.calls)
  })

  it('has gas enough in its budget, with the longest prompt and an unproven contract', async () => {
    const { modelId } = await world.register(newSource())
    const requester = world.nth('delegator', 2)
    const model = await modelOf(modelId)
    const long = { ...choices, payload: 'a'.repeat(20_000), intervals: 3, periodSec: 60, lazy: true }
    const plan = await planRequest(world.place, model, requester.address, long)
    const quote = await quoteCalls(world.chain, requester.address, plan.calls)
    const mined = await world.send(requester, plan.calls)

    expect(quote.calls.map(({ isSimulated }) => isSimulated)).toEqual([true, false])
    expect(mined[1]?.gasUsed).toBeLessThan(quote.calls[1]?.gasLimit ?? 0n)
  })

  it.each<[string, Partial<RequestChoices>, string, RegExp]>([
    ['a limit below its cost', { maxCost: 1n }, 'FEE_TOO_HIGH', /puts 0\.62 FLOCK in escrow, allowed are/],
    ['intervals without a period', { intervals: 2 }, 'USAGE_INVALID', /need a period/],
    ['a period for one answer', { periodSec: 5 }, 'USAGE_INVALID', /has no period/],
    ['more nodes than there are', { redundancy: 2 }, 'USAGE_INVALID', /the model lists 1/],
    ['an empty prompt', { payload: '' }, 'USAGE_INVALID', /is 0 bytes/],
    [
      'a prompt beyond what a contract holds',
      { payload: 'x'.repeat(24_576) },
      'USAGE_INVALID',
      /is 24576 bytes/,
    ],
  ])('with %s is refused before anything is sent', async (_what, change, code, message) => {
    const { modelId } = await world.register(newSource())
    const requester = world.nth('requester').address
    const wish = { ...choices, ...change }
    const error = await caught(planRequest(world.place, await modelOf(modelId), requester, wish))

    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  it('of somebody without tokens is refused before anything is sent', async () => {
    const { modelId } = await world.register(newSource())
    const poor = '0x000000000000000000000000000000000000dEaD'
    const error = await caught(planRequest(world.place, await modelOf(modelId), poor, choices))

    expect(error.code).toBe('FUNDS_INSUFFICIENT')
    expect(error.message).toContain('holds 0 of the payment token and needs 0.62 for the escrow')
  })

  it('to a paused model is refused before anything is sent', async () => {
    const host = world.nth('model-host')
    const { modelId } = await world.register(newSource())
    const call = planStatusChange(world.place.modelRegistry, await modelOf(modelId), 'pause', host.address)
    await world.send(host, call === null ? [] : [call])
    const requester = world.nth('requester').address
    const error = await caught(planRequest(world.place, await modelOf(modelId), requester, choices))

    expect(error).toMatchObject({ code: 'STATE_CONFLICT', details: { status: 'paused' } })
  })

  it('that nobody made is not found', async () => {
    const error = await caught(findRequest(world.chain, world.place.usageMeter, ZERO_BYTES32, 0))

    expect(error.code).toBe('REQUEST_NOT_FOUND')
  })

  it('cannot be answered with what its receipt does not prove', async () => {
    const { modelId } = await world.register(newSource())
    const request = await world.ask(modelId)
    const other = await world.ask(modelId)
    const refusal = async (change: Parameters<FlockWorld['deliver']>[1]) =>
      (await caught(world.deliver(request, change))).details['error']

    expect(await refusal({ ...enough, signingKey: world.nth('spare').privateKey })).toBe(
      'ReceiptSignatureInvalid',
    )
    expect(
      await refusal({ ...enough, change: (receipt) => ({ ...receipt, requestId: other.requestId }) }),
    ).toBe('ReceiptRequestMismatch')
    expect(await refusal({ ...enough, promptTokens: 1001n })).toBe('UsageAboveCap')
    expect(await refusal({ ...enough, completionTokens: 90n })).toBe('UsageAboveBytes')
    expect(await refusal({ ...enough, node: world.nth('spare') })).toBe('NodeNotListed')
    await world.deliver(request, enough)
    expect(await isOpen(world.chain, world.place.usageMeter, request.requestId)).toBe(false)
  })
})

describe('an address without a registry', () => {
  it('is told apart from an empty registry', async () => {
    const nowhere = { ...world.place, modelRegistry: world.nth('spare').address }

    expect((await caught(listModelIds(nowhere))).code).toBe('CONTRACT_MISSING')
  })
})
