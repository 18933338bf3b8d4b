import { describe, expect, it } from '@jest/globals'
import { ZERO_ADDRESS, ZERO_BYTES32, type Hex } from '../../../src/lib/hex.js'
import type { Subscription } from '../../../src/lib/infernet/subscription.js'
import { fingerprintOf } from '../../../src/lib/node/coordinator.js'
import type { DelegatedWork } from '../../../src/lib/node/delegated-work.js'
import { keyOf, type JournaledAnswer } from '../../../src/lib/node/journal.js'
import { planRestore } from '../../../src/lib/node/restore.js'

const START = 1_700_000_000
const SUBSCRIPTION: Subscription = {
  owner: '0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e',
  activeAt: START,
  period: 60,
  frequency: 9,
  redundancy: 1,
  containerId: ZERO_BYTES32,
  lazy: false,
  verifier: ZERO_ADDRESS,
  paymentAmount: 0n,
  paymentToken: ZERO_ADDRESS,
  wallet: ZERO_ADDRESS,
}
const FOUND = [1, 2, 3].map((id) => ({ id, subscription: SUBSCRIPTION }))

function answer(
  id: number,
  interval: number,
  nonce: number | null,
  fingerprint = fingerprintOf(SUBSCRIPTION),
) {
  const signed = nonce === null ? null : { hash: ZERO_BYTES32, raw: '0x' as Hex, nonce }
  const delivery = { input: '0x', output: '0x', proof: '0x' } as const
  return { id, interval, fingerprint, delivery, signed } satisfies JournaledAnswer
}

function journaled(answers: readonly JournaledAnswer[], delegated: readonly DelegatedWork[] = []) {
  return {
    answers: new Map(answers.map((one) => [keyOf(one), one])),
    delegated: new Map(delegated.map((work) => [work.id, { ...work, isDone: false }])),
  }
}

describe('planRestore', () => {
  it('sees signed answers through in the order of their nonces, whatever became of their interval', () => {
    const answers = [answer(1, 9, 12), answer(2, 1, 11), answer(3, 2, 10)]

    const plan = planRestore(journaled(answers), { found: FOUND, nowSec: START + 70 })

    expect(plan.resume.map(({ answer: { id } }) => id)).toEqual([3, 2, 1])
    expect(plan.close).toEqual([])
  })

  it('knows a subscription that changed from the one that was answered', () => {
    const signed = answer(1, 1, 5, ZERO_BYTES32)
    const unsigned = answer(2, 1, null, ZERO_BYTES32)

    const plan = planRestore(journaled([signed, unsigned]), { found: FOUND, nowSec: START })

    expect(plan.resume).toEqual([{ answer: signed, subscription: null }])
    expect(plan.close).toEqual([{ answer: unsigned, reason: 'reorged' }])
  })

  it('closes unsigned answers whose interval is over and keeps the others', () => {
    const plan = planRestore(journaled([answer(1, 1, null), answer(2, 2, null), answer(3, 2, null)]), {
      found: FOUND,
      nowSec: START + 119,
    })

    expect(plan.close.map(({ answer: { id }, reason }) => [id, reason])).toEqual([[1, 'tooLate']])
  })

  it('knows what a delegated subscription asked for, which the chain may not know yet', () => {
    const signature = { v: 27, r: 1n, s: 1n }
    const request = { nonce: 1, expiry: START, signature, subscription: SUBSCRIPTION }
    const works = [{ id: -1, request: { ...request, dataJson: '{}', requiresProof: false } }]

    const plan = planRestore(journaled([answer(-1, 1, 4)], works), { found: [], nowSec: START })

    expect(plan.resume).toMatchObject([{ subscription: SUBSCRIPTION }])
  })

  it('closes answers to subscriptions that are gone', () => {
    const plan = planRestore(journaled([answer(4, 1, null)]), { found: FOUND, nowSec: START })

    expect(plan.close).toMatchObject([{ reason: 'reorged' }])
  })
})
