import { describe, expect, it } from '@jest/globals'
import type { Share } from '../../../../src/lib/rewards/reference/emissions.js'
import { createDice } from '../../../helpers/dice.js'
import {
  ACCOUNTS,
  DAY,
  FLOCK,
  START,
  account,
  createStory,
  type AccountName,
  type Story,
} from '../../../helpers/reward-story.js'

const TO_TRAINERS = { trainingPpm: 1_000_000n, validatorPpm: 0n }
const NOBODY = { caller: account('funder'), to: null }
const TODAY = START / DAY
const TOMORROW = START + DAY
const AFTER = START + 2n * DAY

/** Funds tomorrow. */
function fund({ reference }: Story, amountEach: bigint, timeSec = START): void {
  const plan = { firstEpoch: timeSec / DAY + 1n, count: 1n, amountEach }
  reference.fundEmissions(account('funder'), plan, timeSec)
}

describe('vector T12 of FLock', () => {
  /** The vector's units times 1e17, so that the cap is far away. */
  function createT12(): Story & { readonly first: Share; readonly second: Share } {
    const story = createStory()
    story.stake('first trainer', 3_500n * FLOCK, 0n)
    story.stake('second trainer', 3_000n * FLOCK, 400_000n)
    story.stake('judge', 12_000n * FLOCK, 0n)
    story.delegate('ann', 'second trainer', 250n * FLOCK)
    story.delegate('ben', 'second trainer', 750n * FLOCK)
    fund(story, 1_000n * FLOCK)
    for (const index of [0, 1]) story.use(index, 1n, TO_TRAINERS)
    const weights = { 'first trainer': 14_000n, 'second trainer': 8_000n, 'third trainer': 2_000n }
    const [first, second] = [
      story.attest(0, weights, { judge: 1n }, TOMORROW),
      story.attest(1, { 'first trainer': 1n }, {}, TOMORROW),
    ].map((tableId) => ({ tableId, epoch: TODAY + 1n })) as [Share, Share]
    story.use(0, 75_000n * FLOCK, TO_TRAINERS, TOMORROW)
    story.use(1, 25_000n * FLOCK + FLOCK / 10n, TO_TRAINERS, TOMORROW)
    return { ...story, first, second }
  }

  it('shares the pool by units, a share by gamma and stake, and a part by weight', () => {
    const { reference, first, second } = createT12()
    const { views } = reference

    const { settlement } = views.shareOf(first, AFTER)
    const operators = ['first trainer', 'second trainer', 'third trainer', 'judge'] as const
    const dues = operators.map((name) => views.operatorEmissionDue(account(name), first, AFTER))
    reference.settleShare(first, AFTER)

    expect(settlement).toEqual({
      training: 305_768_925_000_305_768_925n,
      validators: 444_230_325_000_444_230_325n,
      isSettled: true,
    })
    expect(dues).toEqual([
      178_365_206_250_178_365_207n,
      86_634_528_750_086_634_529n,
      25_480_743_750_025_480_743n,
      444_230_325_000_444_230_325n,
    ])
    expect(views.shareOf(second, AFTER).settlement.training).toBe(250_000_749_999_250_000_750n)
  })

  it('pays the second node and its delegators to the last base unit, less their claim fees', () => {
    const { reference, first } = createT12()
    const operator = account('second trainer')
    const claim = (name: AccountName) =>
      reference.claimDelegatorEmission({ delegator: account(name), operator }, [first], NOBODY, AFTER).moves

    expect(reference.claimOperatorEmission(operator, [first], NOBODY, AFTER).result).toBe(
      79_703_766_450_079_703_767n,
    )
    const [ann, ben] = [claim('ann'), claim('ben')]

    // 3822111562503822111 and 11466334687511466335 before the claim fee: together the delegators' 15288446250015288446.
    expect([ann[0]?.amount, ben[0]?.amount]).toEqual([3_267_905_385_940_767_905n, 9_803_716_157_822_303_717n])
    expect(reference.views.emissionPurse.treasuryOwed()).toBe(
      6_930_762_300_006_930_762n + 554_206_176_563_054_206n + 1_662_618_529_689_162_618n,
    )
  })
})

describe('emissions', () => {
  it('stay below the claim fee of what they reward; tomorrow has the rest', () => {
    const story = createStory()
    const { views } = story.reference
    story.use(0, 1n, TO_TRAINERS)
    fund(story, 1_000n * FLOCK)
    const tableId = story.attest(0, { 'first trainer': 1n }, {}, TOMORROW)
    story.use(0, 1_000n, TO_TRAINERS, TOMORROW)

    story.reference.settleShare({ tableId, epoch: TODAY + 1n }, AFTER)

    expect(views.shareOf({ tableId, epoch: TODAY + 1n }, AFTER).settlement.training).toBe(80n)
    expect(views.poolOf(AFTER / DAY + 1n).amount).toBe(1_000n * FLOCK - 80n)
  })

  it('go by the stake that the day began with', () => {
    const story = createStory({ hostPpm: 0n, operatorPpm: 200_000n, delegatorPpm: 200_000n })
    const { views } = story.reference
    story.use(0, 1n, TO_TRAINERS)
    story.stake('first trainer', FLOCK, 0n)
    story.delegate('ann', 'first trainer', FLOCK)
    fund(story, FLOCK)
    const share = { tableId: story.attest(0, { 'first trainer': 1n }, {}, TOMORROW), epoch: TODAY + 1n }
    story.use(0, 100n * FLOCK, TO_TRAINERS, TOMORROW)

    story.delegate('ben', 'first trainer', 8n * FLOCK, TOMORROW)

    const due = (name: AccountName) =>
      views.delegatorEmissionDue(account(name), account('first trainer'), share, AFTER)
    expect([due('ann'), due('ben')]).toEqual([FLOCK / 2n, 0n])
    expect(views.operatorEmissionDue(account('first trainer'), share, AFTER)).toBe(FLOCK / 2n)
  })

  it('move on from days without usage, once they are over', () => {
    const story = createStory()
    const { reference } = story
    fund(story, 5n)
    const refusal = (error: string) =>
      expect.objectContaining({ details: expect.objectContaining({ error }) as unknown })

    expect(() => reference.rollOver(TODAY + 1n, TOMORROW)).toThrow(refusal('EpochNotOver'))
    reference.rollOver(TODAY + 1n, AFTER)

    expect(reference.views.poolOf(TODAY + 1n).amount).toBe(0n)
    expect(reference.views.poolOf(AFTER / DAY + 1n).amount).toBe(5n)
    expect(() => reference.rollOver(TODAY + 1n, AFTER)).toThrow(refusal('NothingToClaim'))
  })

  it.each([21, 22, 23])('pay out each settled share whole, in whatever order: seed %i', (seed) => {
    const dice = createDice(seed)
    const names: AccountName[] = ['first trainer', 'second trainer', 'third trainer', 'judge']
    const story = createStory({ hostPpm: 0n, operatorPpm: 0n, delegatorPpm: 0n })
    const { reference } = story
    for (const index of [0, 1]) story.use(index, 1n, TO_TRAINERS)
    for (const name of names) {
      story.stake(name, dice.amount(80), BigInt(dice.between(0, 1_000_000)))
      for (const delegator of ['ann', 'ben'] as const) story.delegate(delegator, name, dice.amount(80) + 1n)
    }
    fund(story, dice.amount(80) + 1n)
    const weights = () => Object.fromEntries(dice.some(names).map((name) => [name, dice.amount(16) + 1n]))
    const shares = [0, 1].map((index) => ({
      tableId: story.attest(index, weights(), weights(), TOMORROW),
      epoch: TODAY + 1n,
    }))
    for (const index of [0, 1]) {
      story.use(
        index,
        dice.amount(90) + 10n ** 12n,
        { trainingPpm: 500_000n, validatorPpm: 400_000n },
        TOMORROW,
      )
    }
    reference.setClaimFees({ hostPpm: 0n, operatorPpm: 200_000n, delegatorPpm: 200_000n }, TODAY * 86_400n)
    for (const share of shares) reference.settleShare(share, AFTER)
    reference.setClaimFees({ hostPpm: 0n, operatorPpm: 0n, delegatorPpm: 0n }, AFTER)
    const claims = names.flatMap((name) => [
      () => reference.claimOperatorEmission(account(name), shares, NOBODY, AFTER),
      ...(['ann', 'ben'] as const).map((delegator) => () => {
        const claim = { delegator: account(delegator), operator: account(name) }
        return reference.claimDelegatorEmission(claim, shares, NOBODY, AFTER)
      }),
    ])
    const settled = shares
      .map((share) => reference.views.shareOf(share, AFTER).settlement)
      .reduce((sum, { training, validators }) => sum + training + validators, 0n)
    const inPools = [1n, 3n].reduce((sum, ahead) => {
      const { amount, settledUnits } = reference.views.poolOf(TODAY + ahead)
      return settledUnits === 0n ? sum + amount : sum
    }, 0n)

    // Whose part was below a unit when it first asked may find that unit later.
    const round = dice.once(2) ? claims.toReversed() : claims
    for (const claim of [...round, ...round]) {
      try {
        claim()
      } catch (error) {
        expect(error).toMatchObject({ details: { error: 'NothingToClaim' } })
      }
    }

    const paid = ACCOUNTS.slice(3, 9).reduce(
      (sum, name) => sum + reference.views.tokensOf(account('fee token'), account(name)),
      0n,
    )
    expect(paid).toBe(settled)
    expect(reference.views.emissionPurse.reserves()).toBe(inPools)
  })
})
