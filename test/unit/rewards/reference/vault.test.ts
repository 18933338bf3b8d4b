import { describe, expect, it } from '@jest/globals'
import { DAY, FLOCK, START, account, createStory } from '../../../helpers/reward-story.js'

const trainer = account('first trainer')

function refusal(error: string, args: Readonly<Record<string, string>> = {}): unknown {
  return expect.objectContaining({ details: { contract: 'StakeVault', error, args } })
}

describe('stake', () => {
  it('waits a day on its way out, anew after each request', () => {
    const { reference } = createStory()
    reference.depositStake(trainer, 10n, START)
    reference.requestWithdrawal(trainer, 3n, START)
    reference.requestWithdrawal(trainer, 4n, START + 100n)

    const availableAt = START + 100n + DAY
    expect(() => reference.withdrawStake(trainer, trainer, trainer, availableAt - 1n)).toThrow(
      refusal('CooldownNotOver', { availableAt: String(availableAt) }),
    )
    const { moves } = reference.withdrawStake(trainer, trainer, account('ben'), availableAt)

    expect(moves).toEqual([
      { token: account('stake token'), from: account('vault'), to: account('ben'), amount: 7n },
    ])
    expect(reference.views.stakeOf(trainer).own).toBe(3n)
    expect(() => reference.withdrawStake(trainer, trainer, trainer, availableAt)).toThrow(
      refusal('NothingPending'),
    )
  })

  it('is remembered as it was when each day began', () => {
    const story = createStory()
    const { views } = story.reference
    story.stake('first trainer', 5n, 1n, START)
    story.delegate('ann', 'first trainer', 7n, START + 1n)
    story.delegate('ann', 'first trainer', 8n, START + 3n * DAY)

    const days = [0n, 1n, 3n, 4n].map((after) => {
      const epoch = START / DAY + after
      const { own, delegated } = views.stakeAt(trainer, epoch)
      return [own, delegated, views.delegationAt(account('ann'), trainer, epoch)]
    })

    expect(days).toEqual([
      [0n, 0n, 0n],
      [5n, 7n, 7n],
      [5n, 7n, 7n],
      [5n, 15n, 15n],
    ])
  })

  it('is refused beyond what is there and beyond 96 bits', () => {
    const story = createStory()
    story.stake('first trainer', 5n, 0n)

    expect(() => story.reference.requestWithdrawal(trainer, 6n, START)).toThrow(
      refusal('StakeInsufficient', { requested: '6', available: '5' }),
    )
    expect(() => story.reference.depositStake(trainer, 2n ** 96n - 5n, START)).toThrow(
      refusal('AmountInvalid', { amount: String(2n ** 96n - 5n) }),
    )
    expect(() => story.reference.undelegate(account('ann'), trainer, 0n, START)).toThrow(
      refusal('AmountInvalid', { amount: '0' }),
    )
  })
})

describe('sigma', () => {
  it('holds at once the first time; later ones can be applied for a week after a day', () => {
    const { reference } = createStory()
    reference.setSigma(trainer, 1n, START)
    expect(reference.views.stakeOf(trainer)).toMatchObject({ sigmaPpm: 1n, acceptsDelegation: true })

    reference.setSigma(trainer, 2n, START)

    expect(reference.views.stakeOf(trainer).sigmaPpm).toBe(1n)
    const availableAt = START + DAY
    const expiredAt = availableAt + 7n * DAY
    expect(() => reference.applySigma(trainer, availableAt - 1n)).toThrow(
      refusal('CooldownNotOver', { availableAt: String(availableAt) }),
    )
    expect(() => reference.applySigma(trainer, expiredAt + 1n)).toThrow(
      refusal('AnnouncementExpired', { expiredAt: String(expiredAt) }),
    )
    reference.applySigma(trainer, expiredAt)
    expect(reference.views.stakeOf(trainer).sigmaPpm).toBe(2n)
    expect(() => reference.applySigma(trainer, expiredAt)).toThrow(refusal('NothingPending'))
  })

  it('that is announced does not touch what was earned before it is applied', () => {
    const story = createStory()
    const { reference } = story
    const split = { trainingPpm: 1_000_000n, validatorPpm: 0n }
    story.use(0, 1n, split)
    story.attest(0, { 'first trainer': 1n })
    story.stake('first trainer', 0n, 0n)
    story.delegate('ann', 'first trainer', FLOCK)
    story.use(0, 100n, split)
    reference.setSigma(trainer, 1_000_000n, START)
    reference.applySigma(trainer, START + DAY)

    story.use(0, 100n, split, START + DAY)

    expect(reference.views.delegatorDue(account('ann'), trainer)).toBe(100n)
    expect(reference.views.operatorDue(trainer)).toBe(100n)
  })
})
