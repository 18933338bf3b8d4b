/**
 * The contracts on a local chain against the reference in src/lib/rewards/reference: the same random actions for both, and
 * after each of them everything that can be read of the money, to the last base unit. What one of them refuses the other has to
 * refuse by the same name.
 *
 * FLOCK_DIFFERENTIAL_ACTIONS: actions for each seed, 200 by default; 5,000 take some minutes.
 * FLOCK_DIFFERENTIAL_SEED: one seed instead of the usual ones; a failure names the seed and the place of the action.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createReference, type Reference } from '../../src/lib/rewards/reference/reference.js'
import { refusalName } from '../../src/lib/rewards/reference/refusal.js'
import { createDice } from '../helpers/dice.js'
import { createPlay, preparePlay, type Action, type Play } from '../helpers/reward-actions.js'
import { createRewardWorld, type Outcome, type RewardWorld } from '../helpers/reward-world.js'

const { FLOCK_DIFFERENTIAL_ACTIONS, FLOCK_DIFFERENTIAL_SEED } = process.env
const ACTIONS = Number(FLOCK_DIFFERENTIAL_ACTIONS ?? 200)
/** Chosen among the first dozen for what they notice: a carry, fraction or remainder lost, floors taken another way. */
const USUAL_SEEDS = [8, 9, 12]
const SEEDS = FLOCK_DIFFERENTIAL_SEED === undefined ? USUAL_SEEDS : [Number(FLOCK_DIFFERENTIAL_SEED)]

/** Generous for a busy machine: an action takes about 20 ms. */
const MS_PER_ACTION = 400

let world: RewardWorld
let start: Awaited<ReturnType<typeof preparePlay>>
let goBack: () => Promise<void>

beforeAll(async () => {
  world = await createRewardWorld()
  start = await preparePlay(world)
  goBack = await world.keep()
}, 180_000)

afterAll(() => world?.close())

/** A reference that knows what the chain started with. */
async function createStart(): Promise<Reference> {
  const { addresses, flock } = world
  const treasury = flock.nth('owner').address
  const reference = createReference({
    distributor: addresses.distributor,
    vault: addresses.vault,
    emissions: addresses.emissions,
    paymentToken: addresses.token,
    stakeToken: addresses.token,
    treasury,
    claimFees: { hostPpm: 0n, operatorPpm: 80_000n, delegatorPpm: 145_000n },
    gammaPpm: 100_000n,
  })
  for (const { address } of flock.devnet.accounts) {
    reference.mint(addresses.token, address, await flock.tokensOf(address))
  }
  const nodes = [flock.nth('infernet-node').address, flock.nth('infernet-deployer').address]
  for (const { modelId, host, terms } of start.models) {
    reference.putModel(modelId, { host: host.address, terms, isActive: true, nodes })
  }
  return reference
}

/** What the reference makes of an action: the name of its refusal, or what it says of itself. */
function repeat(
  action: Action,
  timeSec: bigint,
  outcome: Outcome,
): { refusal: string | null; result: unknown } {
  try {
    const { result } = action.repeat(timeSec, outcome.ok ? outcome.events : [])
    return { refusal: null, result }
  } catch (error) {
    const refusal = refusalName(error)
    if (refusal === null) throw error
    return { refusal, result: undefined }
  }
}

/** Every view that does not answer as the reference does. */
async function differences(play: Play, timeSec: bigint): Promise<string[]> {
  const expectations = play.expectations(timeSec)
  const answers = await world.read(expectations.map(({ view }) => view))
  return expectations.flatMap(({ label, words }, index) => {
    const answer = answers[index] ?? null
    const actual = answer?.slice(0, words?.length).join(', ') ?? 'refused'
    const expected = words?.join(', ') ?? 'refused'
    return actual === expected ? [] : [`${label}: chain ${actual}, reference ${expected}`]
  })
}

describe('contracts and reference', () => {
  it.each(SEEDS)(
    'agree on every amount after each action of seed %i',
    async (seed) => {
      await goBack()
      const play = createPlay(world, start, await createStart(), createDice(seed))
      let done = 0
      let now = await world.latestTime()
      for (let place = 1; place <= ACTIONS; place += 1) {
        now += play.pause()
        const timeSec = BigInt(now)
        const action = play.next(timeSec)

        const outcome = await world.send(action.call, now)
        const { refusal, result } = repeat(action, timeSec, outcome)

        const where = `FLOCK_DIFFERENTIAL_SEED=${seed}, action ${place} at ${now}: ${action.label}`
        expect({ where, refusal: outcome.ok ? null : outcome.error }).toEqual({ where, refusal })
        if (outcome.ok) {
          done += 1
          if (action.told)
            expect({ where, told: action.told(outcome.events) }).toEqual({ where, told: result })
          action.note?.(outcome.events, timeSec)
        }
        expect({ where, differences: await differences(play, timeSec) }).toEqual({ where, differences: [] })
      }

      // A play that is mostly refused would try little.
      expect(done).toBeGreaterThan(ACTIONS / 3)
    },
    60_000 + ACTIONS * MS_PER_ACTION,
  )
})
