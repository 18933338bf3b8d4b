import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { walletArtifact } from '../../src/lib/abi/wallet.js'
import { ZERO_ADDRESS } from '../../src/lib/hex.js'
import { startHttpServer } from '../helpers/http-server.js'
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

describe('a paid subscription', () => {
  it.each(['the native token', 'an ERC-20'])(
    'in %s is paid to the payment wallet of the node',
    async (kind) => {
      const paymentToken = kind === 'an ERC-20' ? world.paymentToken : ZERO_ADDRESS
      await world.fund(paymentToken, 1_000_000n)
      const before = await world.balanceOf(world.nodeWallet, paymentToken)
      const node = await stage.start({
        container: { accepted_payments: { [paymentToken.toLowerCase()]: 1_000_000 } },
      })

      const id = await world.create({ amount: 1_000_000n, paymentToken })
      await node.waitFor('delivered', (event) => event.id === id)

      // Twice 5 % go to the protocol.
      expect((await world.balanceOf(world.nodeWallet, paymentToken)) - before).toBe(900_000n)
      expect(await world.lastAnswer()).toMatchObject({ subscriptionId: BigInt(id), node: node.address })
      expect(node.countOf('paymentAwaited')).toBe(0)
    },
  )

  it('waits for a wallet that holds or allows too little, and is answered once it does', async () => {
    const node = await stage.start()

    const id = await world.create({ amount: 7n, paymentToken: world.paymentToken })
    const held = await node.waitFor('paymentAwaited', (event) => event.id === id)
    const askedBefore = stage.asked.length
    await world.fund(world.paymentToken, 7n)
    await node.waitFor('delivered', (event) => event.id === id)

    expect(held.message).toContain('spend 0 of 7')
    expect(askedBefore).toBe(0)
  })

  it('waits on after a restart', async () => {
    const first = await stage.start()
    const id = await world.create({ amount: 11n, paymentToken: world.paymentToken })
    await first.waitFor('paymentAwaited', (event) => event.id === id)
    await first.stop()

    const node = await stage.start()
    await node.waitFor('paymentAwaited', (event) => event.id === id)
    await world.fund(world.paymentToken, 11n)
    const delivered = await node.waitFor('delivered', (event) => event.id === id)

    expect(delivered.interval).toBe(1)
  })

  it('is dropped when its wallet is none of the factory', async () => {
    const node = await stage.start()

    const id = await world.create({ amount: 1n, wallet: world.consumer })
    const dropped = await node.waitFor('subscriptionDropped', (event) => event.id === id)

    expect(dropped).toMatchObject({ reason: 'paymentInvalid' })
    expect(dropped.message).toContain('was not made by the WalletFactory')
  })

  it('keeps its answer when the wallet is emptied while it is computed, and delivers it once it is filled', async () => {
    await world.fund(world.paymentToken, 13n)
    let isEmptied = false
    const slow = await startHttpServer((_body, response) => {
      void (async () => {
        if (!isEmptied)
          await world.sendTo(world.wallet, walletArtifact, 'approve', [
            world.recorder,
            world.paymentToken,
            0n,
          ])
        isEmptied = true
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end('{"output":"kept"}')
      })()
    })
    const node = await stage.start({ containers: { echo: slow.url } })

    const id = await world.create({ amount: 13n, paymentToken: world.paymentToken })
    await node.waitFor('paymentAwaited', (event) => event.id === id)
    await world.fund(world.paymentToken, 13n)
    await node.waitFor('delivered', (event) => event.id === id)
    await slow.close()

    expect(node.countOf('computed')).toBe(1)
  })
})
