import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { eip712CoordinatorArtifact } from '../../src/lib/abi/eip712-coordinator.js'
import { inboxArtifact } from '../../src/lib/abi/inbox.js'
import { infernetRegistryArtifact } from '../../src/lib/abi/infernet-registry.js'
import { parseLogs } from '../../src/lib/chain/contracts.js'
import { ZERO_ADDRESS, type Address, type Hex } from '../../src/lib/hex.js'
import { containerIdOf } from '../../src/lib/infernet/container-id.js'
import { decodeDelivered } from '../../src/lib/infernet/payload.js'
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

/** Sends a call that creates a subscription and returns its id. */
async function askOf(consumer: Address, name: string, args: readonly unknown[]): Promise<number> {
  const mined = await world.sendTo(consumer, world.artifactOf(name), 'ask', args)
  return Number(parseLogs(eip712CoordinatorArtifact, mined.logs)[0]?.args.id)
}

describe('a consumer', () => {
  it('that asks by callback is given the answer to the inputs it stored', async () => {
    const consumer = await world.deploy('AskingCallbackConsumer', [world.registry])
    const node = await stage.start()

    const args = ['echo', '0xabcd', 1, ZERO_ADDRESS, 0n, ZERO_ADDRESS, ZERO_ADDRESS]
    const id = await askOf(consumer, 'AskingCallbackConsumer', args)
    await node.waitFor('delivered', (event) => event.id === id)

    expect(stage.asked).toMatchObject([{ source: 0, destination: 0, data: 'abcd', requires_proof: false }])
    const artifact = world.artifactOf('AskingCallbackConsumer')
    const output = await world.read<Hex>(consumer, artifact, 'lastOutput')
    expect(decodeDelivered(output)).toEqual({ kind: 'fields', raw: '0xc0de', processed: '0x' })
  })

  it('that asks lazily finds the answer in the Inbox', async () => {
    const inbox = await world.read<Address>(world.registry, infernetRegistryArtifact, 'INBOX')
    const node = await stage.start()

    const id = await world.create({ lazy: true })
    await node.waitFor('delivered', (event) => event.id === id)

    const { containerId, index, output } = await world.lastAnswer()
    expect([containerId, output]).toEqual([containerIdOf(['echo']), '0x'])
    const args = [containerId, node.address, index]
    const item = await world.read<{ output: Hex; proof: Hex }>(inbox, inboxArtifact, 'read', args)
    expect(decodeDelivered(item.output)).toMatchObject({ raw: '0xc0de' })
    expect(item.proof).toBe('0xbeef')
  })

  it('that lists nodes is answered by those, and costs no other one a transaction', async () => {
    const containers = { 'some-llm': stage.container.url }
    const listed = await stage.start({ containers })
    const other = await stage.start({ containers, account: 4 })
    const consumer = await world.deploy('ListingConsumer', [world.registry, [listed.address]])

    const id = await askOf(consumer, 'ListingConsumer', [])
    await listed.waitFor('delivered', (event) => event.id === id)
    const closed = await other.waitFor('intervalClosed', (event) => event.id === id)

    expect(closed.reason).toBe('deliveryRefused')
    expect(other.countOf('deliverySent')).toBe(0)
    expect(await world.read(consumer, world.artifactOf('ListingConsumer'), 'answers')).toBe(1n)
  })

  it('with a recurring subscription is answered in each interval that other nodes leave open', async () => {
    const first = await stage.start()
    const id = await world.create({ frequency: 2, period: 3600 })
    await first.waitFor('subscriptionAccepted', (event) => event.id === id)
    await world.advance(3600)
    await first.waitFor('delivered', (event) => event.id === id && event.interval === 1)
    const askedBefore = stage.asked.length

    const second = await stage.start({ account: 4 })
    const closed = await second.waitFor('intervalClosed', (event) => event.id === id)
    await first.stop()
    await world.advance(3600)
    await second.waitFor('delivered', (event) => event.id === id && event.interval === 2)

    expect(closed).toMatchObject({ interval: 1, reason: 'filled' })
    expect(stage.asked.length - askedBefore).toBe(1)
  })
})
