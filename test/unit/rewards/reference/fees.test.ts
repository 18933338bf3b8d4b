import { describe, expect, it } from '@jest/globals'
import { afterClaimFee } from '../../../../src/lib/rewards/split.js'
import { createDice } from '../../../helpers/dice.js'
import {
  ACCOUNTS,
  DAY,
  FLOCK,
  START,
  account,
  createStory,
  flatTerms,
  type AccountName,
  type Story,
} from '../../../helpers/reward-story.js'

const NO_SPLIT = { trainingPpm: 0n, validatorPpm: 0n }
const TO_CONTRIBUTORS = { trainingPpm: 900_000n, validatorPpm: 0n }
const OPERATORS: readonly AccountName[] = ['first trainer', 'second trainer', 'third trainer', 'judge']
const DELEGATORS: readonly AccountName[] = ['ann', 'ben']
const NOBODY = { caller: account('funder'), to: null }

/** Everything that somebody could take out of the distributor now, claim fees included. */
function owed({ reference, modelId }: Story): bigint {
  const { views } = reference
  const accounts = ACCOUNTS.map(account)
  const dues = [
    ...[0, 1].map((index) => views.hostDue(modelId(index))),
    ...accounts.map((name) => views.operatorDue(name) + views.balanceOf(name)),
    ...DELEGATORS.flatMap((delegator) =>
      OPERATORS.map((operator) => views.delegatorDue(account(delegator), account(operator))),
    ),
  ]
  return dues.reduce((sum, due) => sum + due, views.distributorPurse.treasuryOwed())
}

describe('fees of a model', () => {
  it('are split with delegators as in vector T5 of FLock', () => {
    const story = createStory()
    const { reference } = story
    story.offer(0, flatTerms(1n, { trainingPpm: 500_000n, validatorPpm: 0n }))
    story.attest(0, { 'first trainer': 1n })
    story.stake('first trainer', 3_000n * FLOCK, 400_000n)
    story.delegate('ann', 'first trainer', 1_000n * FLOCK)

    story.use(0, 2n * 58_084n * FLOCK, { trainingPpm: 500_000n, validatorPpm: 0n })

    expect(reference.views.delegatorDue(account('ann'), account('first trainer'))).toBe(87_126n * 10n ** 17n)
    expect(reference.views.operatorDue(account('first trainer'))).toBe(493_714n * 10n ** 17n)
    expect(reference.views.hostDue(story.modelId(0))).toBe(58_084n * FLOCK)
  })

  it('lose the claim fees of vector T6 when they are claimed, rounded down', () => {
    const gross = 1_234_567_890_123_456_789_012n
    const story = createStory()
    const { reference } = story
    story.offer(0, flatTerms(1n, NO_SPLIT))
    story.attest(0, { 'first trainer': 1n, 'second trainer': 1n })
    story.stake('second trainer', 0n, 0n)
    story.delegate('ann', 'second trainer', 1n)
    story.use(0, 4n * gross, { trainingPpm: 500_000n, validatorPpm: 0n })

    const operator = reference.claimOperator([account('first trainer')], NOBODY)
    const delegator = reference.claimDelegator(account('ann'), [account('second trainer')], NOBODY)

    expect(operator.result).toBe(1_135_802_458_913_580_245_892n)
    expect(delegator.result).toBe(1_055_555_546_055_555_554_606n)
    const claimFees = afterClaimFee(gross, 80_000n).fee + afterClaimFee(gross, 145_000n).fee
    expect(reference.views.distributorPurse.treasuryOwed()).toBe(claimFees)
    expect(reference.payTreasury().moves).toEqual([
      {
        token: account('fee token'),
        from: account('distributor'),
        to: account('treasury'),
        amount: claimFees,
      },
    ])
  })

  it('give a contributor the same in many small deliveries as in one large one', () => {
    const [many, one] = [createStory(), createStory()]
    for (const story of [many, one]) {
      story.offer(0, flatTerms(1n, NO_SPLIT))
      story.attest(0, { 'first trainer': 7n, 'second trainer': 2n }, { judge: 1n })
    }
    const split = { trainingPpm: 333_333n, validatorPpm: 123_457n }

    for (let delivery = 0; delivery < 100; delivery += 1) many.use(0, 1_000_003n, split)
    one.use(0, 100_000_300n, split)

    for (const name of OPERATORS) {
      expect(many.reference.views.operatorDue(account(name))).toBe(
        one.reference.views.operatorDue(account(name)),
      )
    }
    expect(many.reference.views.hostDue(many.modelId(0))).toBe(one.reference.views.hostDue(one.modelId(0)))
  })

  it('leave what weights do not divide to the host, once the table ends', () => {
    const story = createStory()
    const { views } = story.reference
    story.offer(0, flatTerms(1n, NO_SPLIT))
    story.attest(0, { 'first trainer': 1n, 'second trainer': 1n, 'third trainer': 1n })
    story.use(0, 1_000n, { trainingPpm: 500_000n, validatorPpm: 0n })
    expect(views.hostDue(story.modelId(0))).toBe(500n)

    story.attest(0, {})

    expect(OPERATORS.map((name) => views.operatorDue(account(name)))).toEqual([166n, 166n, 166n, 0n])
    expect(views.hostDue(story.modelId(0))).toBe(502n)
  })

  it('stay with the host for a role without members, and for usage before there was a table', () => {
    const story = createStory()
    const { views } = story.reference
    story.use(0, 1_000n, { trainingPpm: 300_000n, validatorPpm: 200_000n })
    story.attest(0, {}, { judge: 1n })

    story.use(0, 1_000n, { trainingPpm: 300_000n, validatorPpm: 200_000n })

    expect(views.hostDue(story.modelId(0))).toBe(1_800n)
    expect(views.operatorDue(account('judge'))).toBe(200n)
  })
})

describe('delegators', () => {
  it('earn from usage since their delegation alone', () => {
    const story = createStory()
    const { views } = story.reference
    story.offer(0, flatTerms(1n, NO_SPLIT))
    story.attest(0, { 'first trainer': 1n })
    story.stake('first trainer', FLOCK, 0n)
    story.use(0, FLOCK, TO_CONTRIBUTORS)

    story.delegate('ann', 'first trainer', FLOCK)
    expect(views.delegatorDue(account('ann'), account('first trainer'))).toBe(0n)
    story.use(0, FLOCK, TO_CONTRIBUTORS)

    expect(views.delegatorDue(account('ann'), account('first trainer'))).toBe(450_000_000_000_000_000n)
    expect(views.operatorDue(account('first trainer'))).toBe(1_350_000_000_000_000_000n)
  })

  it('are not paid twice when a table ends between two claims of theirs', () => {
    const story = createStory({ hostPpm: 0n, operatorPpm: 0n, delegatorPpm: 0n })
    const { reference, modelId } = story
    for (const index of [0, 1]) {
      story.offer(index, flatTerms(1n, NO_SPLIT))
      story.attest(index, { 'first trainer': 1n })
    }
    story.stake('first trainer', 1n, 0n)
    story.delegate('ann', 'first trainer', 1n)
    // Half of 7 + 7 is 7, but 3 and 3 when they are halved one by one.
    story.use(0, 14n, { trainingPpm: 500_000n, validatorPpm: 0n })
    story.use(1, 14n, { trainingPpm: 500_000n, validatorPpm: 0n })

    const first = reference.claimDelegator(account('ann'), [account('first trainer')], NOBODY)
    story.attest(0, {})
    const due = reference.views.delegatorDue(account('ann'), account('first trainer'))

    expect([first.result, due]).toEqual([7n, 0n])
    expect(reference.claimOperator([account('first trainer')], NOBODY).result).toBe(7n)
    expect(reference.views.hostDue(modelId(0))).toBe(7n)
  })

  it('leave to the operator what their pool has no room for', () => {
    const story = createStory({ hostPpm: 0n, operatorPpm: 0n, delegatorPpm: 0n })
    const { views } = story.reference
    story.offer(0, flatTerms(1n, NO_SPLIT))
    story.attest(0, { 'first trainer': 1n })
    story.stake('first trainer', 0n, 0n)
    story.delegate('ann', 'first trainer', 1n)
    const fee = 60n * 10n ** 24n

    story.use(0, fee, TO_CONTRIBUTORS)

    // 2^144 - 1 units of 1e-18 for the one base unit delegated.
    const spread = (2n ** 144n - 1n) / 10n ** 18n
    expect(views.delegatorDue(account('ann'), account('first trainer'))).toBe(spread)
    const operator = views.operatorDue(account('first trainer'))
    expect(operator + spread === 54n * 10n ** 24n || operator + spread === 54n * 10n ** 24n - 1n).toBe(true)
  })
})

describe('random courses of fees, stake and claims', () => {
  const SEEDS = [11, 12, 13, 14]

  it.each(SEEDS)('owe no more than is held, and hold no more than rounding keeps: seed %i', (seed) => {
    const dice = createDice(seed)
    const story = createStory()
    const { reference, modelId } = story
    for (const index of [0, 1]) story.offer(index, flatTerms(1n, NO_SPLIT))
    for (const name of OPERATORS) story.stake(name, dice.amount(80), BigInt(dice.between(0, 1_000_000)))
    const refusable = (act: () => unknown) => {
      try {
        act()
      } catch (error) {
        expect(error).toMatchObject({ code: 'TX_REVERTED' })
      }
    }

    for (let step = 0; step < 300; step += 1) {
      const [operator, delegator, index] = [dice.pick(OPERATORS), dice.pick(DELEGATORS), dice.between(0, 1)]
      const weights = () =>
        Object.fromEntries(dice.some(OPERATORS).map((name) => [name, dice.amount(16) + 1n]))
      dice.pick<() => void>([
        () => story.use(index, dice.amount(70) + 10n ** 6n, dice.pick(SPLITS)),
        () => story.use(index, dice.amount(70) + 10n ** 6n, dice.pick(SPLITS)),
        () => story.attest(index, weights(), weights()),
        () => refusable(() => story.delegate(delegator, operator, dice.amount(80))),
        () =>
          refusable(() =>
            reference.undelegate(account(delegator), account(operator), dice.amount(70), START),
          ),
        () => refusable(() => reference.requestWithdrawal(account(operator), dice.amount(70), START)),
        () => refusable(() => reference.claimOperator([account(operator)], NOBODY)),
        () => refusable(() => reference.claimDelegator(account(delegator), OPERATORS.map(account), NOBODY)),
        () => refusable(() => reference.claimHost([modelId(index)], NOBODY)),
      ])()

      const reserves = reference.views.distributorPurse.reserves()
      expect(reference.views.tokensOf(account('fee token'), account('distributor'))).toBe(reserves)
      const kept = reserves - owed(story)
      // Floors of weights, fractions of delegators, and carries below one unit for each 1e18 delegated.
      expect(kept >= 0n && kept < 2n * 10n ** 7n).toBe(true)
    }
  })

  it.each(SEEDS)('pay the same whoever claims first: seed %i', (seed) => {
    const totals = [false, true].map((isBackwards) => {
      const dice = createDice(seed)
      const story = createStory()
      const { reference } = story
      story.offer(0, flatTerms(1n, NO_SPLIT))
      story.attest(0, { 'first trainer': 3n, 'second trainer': 5n }, { judge: 1n })
      for (const name of OPERATORS) story.stake(name, dice.amount(80), BigInt(dice.between(0, 999_999)))
      for (const delegator of DELEGATORS) {
        for (const name of OPERATORS) story.delegate(delegator, name, dice.amount(80) + 1n)
      }
      for (let step = 0; step < 5; step += 1) story.use(0, dice.amount(80) + 10n ** 6n, dice.pick(SPLITS))
      const claims = [
        ...OPERATORS.slice(0, 2).map((name) => () => reference.claimOperator([account(name)], NOBODY)),
        ...DELEGATORS.map(
          (name) => () => reference.claimDelegator(account(name), OPERATORS.map(account), NOBODY),
        ),
      ]
      for (const claim of isBackwards ? claims.toReversed() : claims) claim()
      return ACCOUNTS.map((name) => reference.views.tokensOf(account('fee token'), account(name)))
    })

    expect(totals[1]).toEqual(totals[0])
  })
})

describe('refused actions', () => {
  it('leave nothing behind, whatever they had settled', () => {
    const story = createStory()
    const { reference } = story
    story.offer(0, flatTerms(1n, NO_SPLIT))
    story.attest(0, { 'first trainer': 1n })
    story.stake('first trainer', FLOCK, 500_000n)
    story.use(0, FLOCK, TO_CONTRIBUTORS)
    const operator = account('first trainer')
    const before = [reference.views.operatorDue(operator), reference.views.stakeOf(operator)]

    expect(() => reference.depositStake(operator, 2n ** 96n, START)).toThrow(
      expect.objectContaining({
        code: 'TX_REVERTED',
        details: { contract: 'StakeVault', error: 'AmountInvalid', args: { amount: String(2n ** 96n) } },
      }),
    )

    expect([reference.views.operatorDue(operator), reference.views.stakeOf(operator)]).toEqual(before)
    expect(reference.depositStake(operator, 1n, START + DAY).moves).toHaveLength(1)
  })

  it.each<[string, (story: Story) => unknown]>([
    ['NothingToClaim', ({ reference }) => reference.payTreasury()],
    ['NothingToClaim', ({ reference, modelId }) => reference.claimHost([modelId(0)], NOBODY)],
    [
      'NotBeneficiary',
      ({ reference }) => reference.claimOperator([account('judge')], { ...NOBODY, to: account('ben') }),
    ],
    ['BalanceInsufficient', (story) => story.reference.deliverOrder(unpaidOrder(story), START)],
    [
      'TermsChanged',
      (story) =>
        story.reference.deliverOrder({ ...unpaidOrder(story), terms: flatTerms(2n, NO_SPLIT) }, START),
    ],
    ['WeightsTooLarge', (story) => story.attest(0, { judge: 2n ** 24n })],
    ['ContributorInvalid', (story) => story.attest(0, { judge: 0n })],
    ['LockTooLong', ({ reference }) => reference.lockBalance(account('ann'), START + 31n * DAY, START)],
    [
      'ClaimFeeTooHigh',
      ({ reference }) => reference.setClaimFees({ ...NO_CLAIM_FEES, hostPpm: 200_001n }, 0n),
    ],
    ['SelfDelegation', (story) => story.delegate('ann', 'ann', 1n)],
    ['DelegationNotAccepted', (story) => story.delegate('ann', 'judge', 1n)],
    ['AmountTooLarge', ({ reference }) => reference.deposit(account('funder'), account('ann'), 2n ** 104n)],
  ])('have the name that the contracts give them: %s', (error, attempt) => {
    const story = createStory()
    story.offer(0, flatTerms(1n, NO_SPLIT))
    story.reference.mint(account('fee token'), account('funder'), 2n ** 105n)

    expect(() => attempt(story)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ error }) as unknown }),
    )
  })
})

const NO_CLAIM_FEES = { hostPpm: 0n, operatorPpm: 0n, delegatorPpm: 0n }

const SPLITS = [
  TO_CONTRIBUTORS,
  { trainingPpm: 333_333n, validatorPpm: 333_333n },
  { trainingPpm: 1n, validatorPpm: 899_999n },
  NO_SPLIT,
]

function unpaidOrder({ modelId }: Story) {
  return {
    orderId: modelId(9),
    modelId: modelId(0),
    requester: account('requester'),
    terms: flatTerms(1n, NO_SPLIT),
    payloadBytes: 1n,
    deadlineSec: START,
    node: account('node'),
    interval: 1n,
    promptTokens: 1n,
    completionTokens: 1n,
    outputBytes: 1n,
  }
}
