import { describe, expect, it } from '@jest/globals'
import {
  feeUp,
  highestFee,
  type RequestWish,
  type Terms,
} from '../../../../src/lib/rewards/reference/requests.js'
import { START, account, createStory, type Story } from '../../../helpers/reward-story.js'

const TERMS: Terms = {
  requestPrice: 1_000n,
  promptPrice: 333_333n,
  completionPrice: 777_777n,
  maxPromptTokens: 100n,
  maxCompletionTokens: 200n,
  trainingPpm: 300_000n,
  validatorPpm: 0n,
}
const HIGHEST = 1_000n + 189n
const requester = account('requester')

function refusal(error: string): unknown {
  return expect.objectContaining({ details: expect.objectContaining({ error }) as unknown })
}

function wishOf({ modelId }: Story, change: Partial<RequestWish> = {}): RequestWish {
  return {
    requestId: modelId(50),
    modelId: modelId(0),
    requester,
    payloadBytes: 57n,
    intervals: 1n,
    periodSec: 0n,
    redundancy: 1n,
    timeoutSec: 600n,
    maxCost: HIGHEST * 100n,
    ...change,
  }
}

function createOffer(): Story {
  const story = createStory()
  story.offer(0, TERMS)
  return story
}

const USED = { node: account('node'), interval: 1n, promptTokens: 1n, completionTokens: 2n, outputBytes: 2n }

describe('a fee', () => {
  it.each([
    [0n, 0n, 1_000n],
    [1n, 0n, 1_001n],
    [3n, 0n, 1_001n],
    [4n, 0n, 1_002n],
    [100n, 200n, HIGHEST],
  ])('of %i prompt and %i completion tokens rounds up to %i', (promptTokens, completionTokens, fee) => {
    expect(feeUp(TERMS, promptTokens, completionTokens)).toBe(fee)
  })

  it('is highest when all caps are used', () => {
    expect(highestFee(TERMS)).toBe(HIGHEST)
  })
})

describe('a request', () => {
  it('puts the highest fee away and gives back what an answer leaves', () => {
    const story = createOffer()
    const { reference, modelId } = story

    const opened = reference.request(wishOf(story), START)
    const delivered = reference.deliver(modelId(50), USED, START)

    expect(opened).toEqual({
      result: HIGHEST,
      moves: [{ token: account('fee token'), from: requester, to: account('distributor'), amount: HIGHEST }],
    })
    expect(delivered).toEqual({
      moves: [],
      result: {
        fee: 1_002n,
        refund: HIGHEST - 1_002n,
        hostPart: 1_002n,
        trainingPart: 0n,
        validatorPart: 0n,
      },
    })
    expect(reference.views.balanceOf(requester)).toBe(HIGHEST - 1_002n)
    expect(reference.views.progressOf(modelId(50))).toEqual({ deliveriesLeft: 0n, interval: 1n })
  })

  it('keeps the terms it was made under', () => {
    const story = createOffer()
    story.reference.request(wishOf(story), START)
    story.offer(0, { ...TERMS, requestPrice: 5n })

    expect(story.reference.deliver(story.modelId(50), USED, START).result.fee).toBe(1_002n)
  })

  it('can be cancelled before it begins and once a whole interval passed without an answer, not while one may come', () => {
    const story = createOffer()
    const { reference, modelId } = story
    const recurring = { intervals: 3n, periodSec: 100n }
    for (const place of [50, 51, 52]) {
      reference.request(wishOf(story, { ...recurring, requestId: modelId(place) }), START)
    }

    const early = reference.cancel(modelId(50), requester, START + 99n).result
    reference.deliver(modelId(51), USED, START + 100n)
    expect(() => reference.cancel(modelId(51), requester, START + 200n)).toThrow(refusal('AnswerPending'))
    expect(() => reference.cancel(modelId(52), account('ben'), START + 200n)).toThrow(refusal('NotRequester'))
    const idle = reference.cancel(modelId(52), requester, START + 200n).result
    const late = reference.cancel(modelId(51), requester, START + 300n).result

    expect([early, idle, late]).toEqual([3n * HIGHEST, 3n * HIGHEST, 2n * HIGHEST])
    expect(() => reference.deliver(modelId(52), { ...USED, interval: 3n }, START + 300n)).toThrow(
      refusal('SubscriptionNotActive'),
    )
  })

  it('can be reclaimed once, after its deadline', () => {
    const story = createOffer()
    const { reference, modelId } = story
    reference.request(wishOf(story, { redundancy: 2n }), START)
    reference.deliver(modelId(50), USED, START + 600n)

    expect(() => reference.reclaim(modelId(50), START + 600n)).toThrow(refusal('DeadlineNotPassed'))
    expect(reference.reclaim(modelId(50), START + 601n).result).toBe(HIGHEST)
    expect(() => reference.reclaim(modelId(50), START + 601n)).toThrow(refusal('RequestNotOpen'))
  })

  it.each<[string, Partial<RequestWish>]>([
    ['ScheduleInvalid', { intervals: 2n }],
    ['ScheduleInvalid', { redundancy: 17n }],
    ['CostAboveLimit', { maxCost: HIGHEST - 1n }],
    ['TransferFromFailed', { requester: account('ann') }],
    ['PayloadSizeInvalid', { payloadBytes: 24_466n }],
    ['DeadlineInvalid', { timeoutSec: 0n }],
    ['ModelNotActive', { modelId: `0x${'ee'.repeat(32)}` }],
  ])('is refused with %s for %j', (error, change) => {
    const story = createOffer()

    expect(() => story.reference.request(wishOf(story, change), START)).toThrow(refusal(error))
    expect(story.reference.views.distributorPurse.reserves()).toBe(0n)
  })

  it.each<[string, Partial<typeof USED>, bigint]>([
    ['IntervalMismatch', { interval: 2n }, 0n],
    ['UsageAboveCap', { promptTokens: 101n }, 0n],
    ['UsageAboveCap', { completionTokens: 201n, outputBytes: 300n }, 0n],
    ['UsageAboveBytes', { outputBytes: 1n }, 0n],
    ['NodeNotListed', { node: account('ben') }, 0n],
    ['DeadlinePassed', {}, 601n],
  ])('takes no answer that the contracts refuse: %s', (error, change, afterSec) => {
    const story = createOffer()
    story.reference.request(wishOf(story), START)

    expect(() =>
      story.reference.deliver(story.modelId(50), { ...USED, ...change }, START + afterSec),
    ).toThrow(refusal(error))
    expect(story.reference.views.progressOf(story.modelId(50)).deliveriesLeft).toBe(1n)
  })
})

describe('a balance', () => {
  it('pays orders while it is locked, and is paid out afterwards', () => {
    const story = createOffer()
    const { reference } = story
    const call = { caller: account('ben'), to: null }
    story.use(0, 40n, { trainingPpm: 0n, validatorPpm: 0n })
    reference.deposit(account('funder'), requester, 100n)
    reference.lockBalance(requester, START + 50n, START)

    story.use(0, 40n, { trainingPpm: 0n, validatorPpm: 0n })
    expect(() => reference.withdrawBalance(requester, call, START + 49n)).toThrow(refusal('BalanceLocked'))
    expect(() => reference.lockBalance(requester, START + 49n, START)).toThrow(refusal('LockShortened'))

    expect(reference.withdrawBalance(requester, call, START + 50n)).toEqual({
      result: 100n,
      moves: [{ token: account('fee token'), from: account('distributor'), to: requester, amount: 100n }],
    })
  })
})
