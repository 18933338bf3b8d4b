import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { walletArtifact } from '../../src/lib/abi/wallet.js'
import type { WatchedNode } from '../helpers/node-world.js'
import { openPaidStage, type PaidStage } from '../helpers/paid-stage.js'
import { createPaidWorld, NODE, type PaidWorld } from '../helpers/paid-world.js'

let world: PaidWorld
let stage: PaidStage

beforeAll(async () => {
  world = await createPaidWorld()
}, 240_000)

afterAll(() => world.close())

beforeEach(async () => {
  stage = await openPaidStage(world, { container: { generates_proofs: true } })
})

afterEach(() => stage.close())

enum Verdict {
  Silent,
  Valid,
  Invalid,
}

const WEEK_SEC = 7 * 24 * 3600
const PRICE = 1_000_000n
const VERIFIER_FEE = 100_000n

async function setVerifier(mode: Verdict): Promise<void> {
  const artifact = world.artifactOf('MockVerifier')
  await world.sendTo(world.verifier, artifact, 'set', [world.paymentToken, true, VERIFIER_FEE])
  await world.sendTo(world.verifier, artifact, 'setMode', [mode])
}

/** Asks for one answer with a proof, which the consumer can pay for. */
async function askVerified(): Promise<number> {
  const { paymentToken, verifier } = world
  await world.fund(paymentToken, PRICE)
  return world.create({ amount: PRICE, paymentToken, verifier })
}

async function fillNode(amount: bigint): Promise<void> {
  await world.fill(world.nodeWallet, world.paymentToken, amount)
}

function balances(): Promise<bigint[]> {
  const { nodeWallet, wallet, paymentToken } = world
  return Promise.all([nodeWallet, wallet].map((address) => world.balanceOf(address, paymentToken)))
}

async function resetNodeWallet(): Promise<void> {
  const { nodeWallet, paymentToken } = world
  const node = await world.read(nodeWallet, walletArtifact, 'owner')
  const balance = await world.balanceOf(nodeWallet, paymentToken)
  await world.sendTo(nodeWallet, walletArtifact, 'withdraw', [paymentToken, balance], NODE)
  await world.sendTo(nodeWallet, walletArtifact, 'approve', [node, paymentToken, 0n], NODE)
}

describe('an answer with a proof', () => {
  beforeEach(resetNodeWallet)

  it('is bonded, and paid for when the verifier releases it at once', async () => {
    await setVerifier(Verdict.Valid)
    await fillNode(PRICE)
    const node = await stage.start()

    const id = await askVerified()
    await node.waitFor('delivered', (event) => event.id === id)
    const settled = await node.waitFor('proofSettled', (event) => event.id === id)

    expect(stage.asked).toMatchObject([{ requires_proof: true }])
    expect(settled.isPaid).toBe(true)
    // Without twice 5 % for the protocol, and the verifier's fee.
    expect((await balances())[0]).toBe(PRICE + 800_000n)
  })

  it('loses its bond when the verifier slashes it, and the operator hears of it', async () => {
    await setVerifier(Verdict.Invalid)
    await fillNode(PRICE)
    const node = await stage.start()

    const id = await askVerified()
    await node.waitFor('delivered', (event) => event.id === id)
    const settled = await node.waitFor('proofSettled', (event) => event.id === id)

    expect(settled.isPaid).toBe(false)
    expect((await balances())[0]).toBe(0n)
  })

  it('is not computed before the wallet of the node holds the bond', async () => {
    await setVerifier(Verdict.Valid)
    const node = await stage.start()

    const id = await askVerified()
    const held = await node.waitFor('paymentAwaited', (event) => event.id === id)
    const askedBefore = stage.asked.length
    await fillNode(PRICE)
    await node.waitFor('delivered', (event) => event.id === id)

    expect(held.message).toContain(`free for a bond of ${PRICE}`)
    expect(askedBefore).toBe(0)
  })

  it('is bonded together with others: several are delivered at a time', async () => {
    await setVerifier(Verdict.Silent)
    await fillNode(3n * PRICE)
    const { paymentToken, verifier } = world
    await world.fund(paymentToken, 3n * PRICE)
    const node = await stage.start()
    await world.send('evm_setAutomine', [false])

    try {
      const asking = [1, 2, 3].map(() => world.create({ amount: PRICE, paymentToken, verifier }))
      const timer = setInterval(() => void world.mine(), 200)
      const ids = await Promise.all(asking)
      await Promise.all(ids.map((id) => node.waitFor('delivered', (event) => event.id === id)))
      clearInterval(timer)
      expect(ids).toHaveLength(3)
    } finally {
      await world.send('evm_setAutomine', [true])
    }

    expect(node.countOf('deliveryFailed')).toBe(0)
    const approved = node.events.flatMap((event) => (event.type === 'bondApproved' ? [event.amount] : []))
    expect(approved.at(-1)).toBeGreaterThanOrEqual(PRICE)
    // All of it is locked, so that nothing can be withdrawn.
    const withdrawal = world.sendTo(world.nodeWallet, walletArtifact, 'withdraw', [paymentToken, 1n], NODE)
    await expect(withdrawal).rejects.toMatchObject({ code: 'TX_REVERTED' })
    await finalizeAll(node)
  })

  it('whose verifier stays silent is finalised by the node after a week when it is told to', async () => {
    await setVerifier(Verdict.Silent)
    await fillNode(PRICE)
    const first = await stage.start({ wallet: { finalize_expired_proofs: true } })
    const id = await askVerified()
    await first.waitFor('delivered', (event) => event.id === id)
    await first.stop()

    await world.advance(WEEK_SEC)
    const node = await stage.start({ wallet: { finalize_expired_proofs: true } })
    const settled = await settle(node, id)

    expect(settled.isPaid).toBe(true)
    expect((await balances())[0]).toBe(PRICE + 800_000n)
  })

  it('whose verifier stays silent is reported after a week when the node is not told to finalise it', async () => {
    await setVerifier(Verdict.Silent)
    await fillNode(PRICE)
    const first = await stage.start()
    const id = await askVerified()
    await first.waitFor('delivered', (event) => event.id === id)
    await first.stop()

    await world.advance(WEEK_SEC)
    const node = await stage.start()
    const expired = await node.waitFor('proofExpired', (event) => event.id === id)

    expect(expired.interval).toBe(1)
    expect((await balances())[0]).toBe(PRICE)
  })
})

/** Mines until the node has looked at the proof again. */
async function settle(node: WatchedNode, id: number) {
  const timer = setInterval(() => void world.mine(), 50)
  try {
    return await node.waitFor('proofSettled', (event) => event.id === id)
  } finally {
    clearInterval(timer)
  }
}

async function finalizeAll(node: WatchedNode): Promise<void> {
  const artifact = world.artifactOf('MockVerifier')
  for (const event of node.events)
    if (event.type === 'delivered')
      await world.sendTo(world.verifier, artifact, 'finalize', [event.id, 1, node.address, true])
}
