import { describe, expect, it } from '@jest/globals'
import { ZERO_ADDRESS, type Address } from '../../../src/lib/hex.js'
import { containerIdOf } from '../../../src/lib/infernet/container-id.js'
import { parseNodeConfig } from '../../../src/lib/infernet/node-config.js'
import { CANCELLED_ACTIVE_AT, type Subscription } from '../../../src/lib/infernet/subscription.js'
import { createContainerIndex } from '../../../src/lib/node/container-index.js'
import { guardSubscription, type GuardContext } from '../../../src/lib/node/guard.js'

const OWNER: Address = '0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e'
const OTHER: Address = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const TOKEN: Address = '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913'
const NOW = 1_700_000_000

const { config } = parseNodeConfig({
  manage_containers: false,
  containers: [
    { id: 'open' },
    { id: 'internal', external: false },
    { id: 'closed', allowed_addresses: [OTHER.toLowerCase()] },
    { id: 'prover', generates_proofs: true },
    { id: 'delegates', allowed_delegate_addresses: [OTHER.toLowerCase()] },
    { id: 'priced', accepted_payments: { [ZERO_ADDRESS]: 100, [TOKEN]: '7' } },
    { id: 'dear', accepted_payments: { [ZERO_ADDRESS]: 50 } },
    { id: 'free-too', accepted_payments: { [ZERO_ADDRESS]: 0 } },
  ],
})

function subscription(containers: string[], changes: Partial<Subscription> = {}): Subscription {
  return {
    owner: OWNER,
    activeAt: NOW - 10,
    period: 0,
    frequency: 1,
    redundancy: 1,
    containerId: containerIdOf(containers),
    lazy: false,
    verifier: ZERO_ADDRESS,
    paymentAmount: 0n,
    paymentToken: ZERO_ADDRESS,
    wallet: ZERO_ADDRESS,
    ...changes,
  }
}

function judge(given: Subscription, changes: Partial<GuardContext> = {}) {
  const index = createContainerIndex(config.containers)
  return guardSubscription(given, {
    nowSec: NOW,
    responses: null,
    paymentAddress: null,
    findContainers: (id) => index.find(id),
    delegated: null,
    ...changes,
  })
}

describe('guardSubscription', () => {
  it('accepts free work for a container, and names the containers in order', () => {
    const verdict = judge(subscription(['prover', 'open']))

    expect(verdict).toMatchObject({ accepted: true, containers: [{ id: 'prover' }, { id: 'open' }] })
  })

  it('accepts work that becomes active later', () => {
    expect(judge(subscription(['open'], { activeAt: NOW + 60, period: 60, frequency: 3 })).accepted).toBe(
      true,
    )
  })

  it.each<[string, Subscription, Partial<GuardContext>, string, string]>([
    ['missing', subscription(['open'], { owner: ZERO_ADDRESS }), {}, 'missing', 'not found'],
    ['cancelled', subscription(['open'], { activeAt: CANCELLED_ACTIVE_AT }), {}, 'cancelled', 'cancelled'],
    ['filled on its last interval', subscription(['open']), { responses: 1 }, 'completed', 'completed'],
    [
      'past its last interval',
      subscription(['open'], { activeAt: NOW - 61, period: 30, frequency: 2 }),
      {},
      'expired',
      'expired',
    ],
    ['without intervals', subscription(['open'], { frequency: 0 }), {}, 'completed', 'takes no answers'],
    ['without redundancy', subscription(['open'], { redundancy: 0 }), {}, 'completed', 'takes no answers'],
    [
      'for other containers',
      subscription(['elsewhere']),
      {},
      'containersUnknown',
      'Container-set not supported',
    ],
    [
      'that begins with an internal container',
      subscription(['internal', 'open']),
      {},
      'containerNotExternal',
      'First container must be external: internal',
    ],
    [
      'of an owner that a later container does not allow',
      subscription(['open', 'closed']),
      {},
      'ownerNotAllowed',
      'Container not allowed for address: closed',
    ],
    [
      'with a verifier, where the last container proves nothing',
      subscription(['prover', 'open'], { verifier: OTHER }),
      {},
      'proofNotSupported',
      'Container does not generate proof: open',
    ],
    [
      'that pays a node without a wallet',
      subscription(['open'], { paymentAmount: 5n }),
      {},
      'paymentInvalid',
      'the node has no wallet',
    ],
    [
      'that pays in a token which a container does not take',
      subscription(['priced'], { paymentAmount: 5n, paymentToken: OTHER }),
      { paymentAddress: OTHER },
      'paymentInvalid',
      'priced takes no payment in',
    ],
    [
      'that pays in a token which only one of the containers takes',
      subscription(['priced', 'dear'], { paymentAmount: 900n, paymentToken: TOKEN }),
      { paymentAddress: OTHER },
      'paymentInvalid',
      'dear takes no payment in',
    ],
    [
      'that pays less than the sum of the prices',
      subscription(['priced', 'dear', 'open'], { paymentAmount: 149n }),
      { paymentAddress: OTHER },
      'paymentInvalid',
      'the price is 150',
    ],
    ['for free, where a price is set', subscription(['priced']), {}, 'paymentInvalid', 'the price is 100'],
  ])('refuses work %s', (_, given, context, reason, message) => {
    const verdict = judge(given, context)

    expect(verdict).toMatchObject({
      accepted: false,
      reason,
      message: expect.stringContaining(message) as unknown,
    })
  })

  it('accepts paid work at the sum of the prices', () => {
    const given = subscription(['priced', 'dear'], { paymentAmount: 150n })

    expect(judge(given, { paymentAddress: OTHER }).accepted).toBe(true)
  })

  it('looks at the list for delegated work when it is delegated, and at the proof that is asked for', () => {
    const plain = { requiresProof: false }
    const verdicts = [
      judge(subscription(['delegates'])),
      judge(subscription(['delegates']), { delegated: plain }),
      judge(subscription(['delegates'], { owner: OTHER }), { delegated: plain }),
      judge(subscription(['closed']), { delegated: plain }),
      judge(subscription(['open']), { delegated: { requiresProof: true } }),
      judge(subscription(['priced']), { delegated: plain }),
      judge(subscription(['elsewhere']), { delegated: plain }),
    ]

    expect(verdicts.map((verdict) => (verdict.accepted ? null : verdict.refusal))).toEqual([
      null,
      { error: 'Container not allowed for address', params: { container: 'delegates', address: OWNER } },
      null,
      null,
      { error: 'Container does not generate proof', params: { container: 'open' } },
      { error: 'Invalid payment', params: { amount: '0', token: ZERO_ADDRESS } },
      { error: 'Container not supported', params: { container: containerIdOf(['elsewhere']) } },
    ])
  })

  it('takes free work where the native token is listed at price 0', () => {
    expect(judge(subscription(['free-too'])).accepted).toBe(true)
  })

  it('accepts the last container’s proof for a verifier', () => {
    expect(judge(subscription(['open', 'prover'], { verifier: OTHER })).accepted).toBe(true)
  })

  it('compares owners without regard to casing', () => {
    expect(judge(subscription(['closed'], { owner: OTHER })).accepted).toBe(true)
  })

  it('applies the rules in the reference node’s order when several are broken', () => {
    const everything = { verifier: OTHER, paymentAmount: 1n, activeAt: NOW - 100 }
    const reasons = [
      judge(subscription(['elsewhere'], everything), { responses: 1 }),
      judge(subscription(['elsewhere'], everything)),
      judge(subscription(['internal', 'closed'], everything)),
      judge(subscription(['open', 'closed', 'internal'], everything)),
      judge(subscription(['prover', 'open'], everything)),
      judge(subscription(['open', 'prover'], everything)),
      judge(subscription(['open', 'prover'], everything), { paymentAddress: OTHER }),
    ].map((verdict) => (verdict.accepted ? 'accepted' : verdict.reason))

    expect(reasons).toEqual([
      'completed',
      'containersUnknown',
      'containerNotExternal',
      'ownerNotAllowed',
      'proofNotSupported',
      'paymentInvalid',
      'accepted',
    ])
  })
})
