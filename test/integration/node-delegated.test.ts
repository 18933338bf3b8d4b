import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { SigningKey } from 'ethers/crypto'
import { ZERO_ADDRESS } from '../../src/lib/hex.js'
import { containerIdOf } from '../../src/lib/infernet/container-id.js'
import { signDelegateSubscription } from '../../src/lib/infernet/delegated.js'
import type { DelegatedRequest } from '../../src/lib/infernet/delegated-request.js'
import type { Subscription } from '../../src/lib/infernet/subscription.js'
import { openPaidStage, type PaidStage } from '../helpers/paid-stage.js'
import { createPaidWorld, type PaidWorld } from '../helpers/paid-world.js'

let world: PaidWorld
let stage: PaidStage

beforeAll(async () => {
  world = await createPaidWorld()
}, 240_000)

afterAll(() => world.close())

beforeEach(async () => {
  stage = await openPaidStage(world)
})

afterEach(() => stage.close())

const EXPIRY = 4_102_444_800
let nonce = 100

async function nowSec(): Promise<number> {
  return (await world.chain.provider.getBlock('latest'))?.timestamp ?? 0
}

async function signed(
  changes: Partial<Subscription> = {},
  { key = world.signerKey, expiry = EXPIRY, dataJson = '{"prompt":"hi","big":12345678901234567890}' } = {},
): Promise<DelegatedRequest> {
  nonce += 1
  const subscription: Subscription = {
    owner: world.recorder,
    activeAt: await nowSec(),
    period: 0,
    frequency: 1,
    redundancy: 1,
    containerId: containerIdOf(['echo']),
    lazy: false,
    verifier: ZERO_ADDRESS,
    paymentAmount: 0n,
    paymentToken: ZERO_ADDRESS,
    wallet: ZERO_ADDRESS,
    ...changes,
  }
  const domain = { chainId: world.chain.chainId, coordinator: world.coordinator }
  const { v, r, s } = signDelegateSubscription({ nonce, expiry, subscription }, domain, new SigningKey(key))
  const signature = { v, r: BigInt(r), s: BigInt(s) }
  return { nonce, expiry, subscription, signature, dataJson, requiresProof: false }
}

describe('a delegated subscription', () => {
  it('is created and answered in one transaction, with the data that came along', async () => {
    const node = await stage.start()
    const request = await signed()

    const refusal = await node.intake.accept(request)
    const delivered = await node.waitFor('delivered')
    await node.waitFor('subscriptionDropped', ({ id }) => id === delivered.id)

    expect(refusal).toBeNull()
    expect(delivered.id).toBeLessThan(0)
    expect(stage.asked).toMatchObject([
      { source: 1, destination: 0, data: { prompt: 'hi' }, requires_proof: false },
    ])
    expect(await world.lastAnswer()).toMatchObject({ interval: 1n, redundancy: 1n, node: node.address })
  })

  it('goes on under its id on chain: later intervals get what the consumer gives', async () => {
    const node = await stage.start()
    const before = stage.asked.length

    await node.intake.accept(await signed({ period: 3600, frequency: 2 }))
    const first = await node.waitFor('delivered')
    const taken = await node.waitFor('subscriptionAccepted')
    await world.advance(3600)
    const second = await node.waitFor('delivered', ({ id }) => id === taken.id)

    expect([first.interval, second.interval]).toEqual([1, 2])
    expect(stage.asked.slice(before)).toMatchObject([{ source: 1 }, { source: 0, data: '' }])
  })

  it('survives a restart before it is due', async () => {
    const first = await stage.start()
    const request = await signed({ activeAt: (await nowSec()) + 3600 })
    await first.intake.accept(request)
    await first.stop()

    const node = await stage.start()
    await node.waitFor('delegatedAccepted', (event) => event.nonce === request.nonce)
    await world.advance(3600)
    await node.waitFor('delivered')

    expect(stage.asked).toMatchObject([{ data: { prompt: 'hi' } }])
  })

  it('is answered once when it comes twice, and by other nodes as long as it wants answers', async () => {
    const node = await stage.start()
    const other = await stage.start({ account: 4 })
    const request = await signed({ redundancy: 2 })

    await Promise.all([node.intake.accept(request), node.intake.accept(request)])
    await node.waitFor('delivered')
    const known = await other.intake.accept(request)
    await other.waitFor('delivered')
    await node.intake.accept(request)
    await node.waitFor('intervalClosed', ({ reason }) => reason === 'answered')

    expect(known).toBeNull()
    expect(node.countOf('delivered')).toBe(1)
    expect(other.countOf('delivered')).toBe(1)
  })

  it('is paid for like one on chain', async () => {
    const node = await stage.start({ container: { accepted_payments: { [world.paymentToken]: 50 } } })
    const terms = { paymentToken: world.paymentToken, wallet: world.wallet }
    const before = await world.balanceOf(world.nodeWallet, world.paymentToken)

    const cheap = await node.intake.accept(await signed({ ...terms, paymentAmount: 49n }))
    const accepted = await node.intake.accept(await signed({ ...terms, paymentAmount: 100n }))
    await node.waitFor('paymentAwaited')
    await world.fund(world.paymentToken, 100n)
    await node.waitFor('delivered')

    expect(cheap).toMatchObject({ error: 'Invalid payment' })
    expect(accepted).toBeNull()
    expect((await world.balanceOf(world.nodeWallet, world.paymentToken)) - before).toBe(90n)
  })

  it('is refused, with a reason, when the chain would refuse it', async () => {
    const node = await stage.start()
    const request = await signed()
    const used = await signed()
    await node.intake.accept(used)
    await node.waitFor('delivered')
    const stranger = `0x${'11'.repeat(32)}` as const
    const elsewhere = containerIdOf(['elsewhere'])

    const refusals = await Promise.all([
      node.intake.accept(await signed({}, { expiry: await nowSec() })),
      node.intake.accept(await signed({ containerId: elsewhere })),
      node.intake.accept(await signed({}, { key: stranger })),
      node.intake.accept(await signed({ owner: world.wallet })),
      node.intake.accept({ ...request, nonce: request.nonce + 1_000 }),
      node.intake.accept({ ...request, signature: { ...request.signature, v: 5 } }),
      node.intake.accept(await signed({ frequency: 0 })),
    ])

    expect(refusals.map((refusal) => refusal?.error)).toEqual([
      'Signature expired',
      'Container not supported',
      'Signer mismatch',
      'Signer mismatch',
      'Signer mismatch',
      'Invalid signature',
      'Subscription takes no answers: frequency or redundancy is 0',
    ])
  })
})
