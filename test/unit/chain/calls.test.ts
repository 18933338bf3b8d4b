import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { testTokenArtifact } from '../../../src/lib/abi/test-token.js'
import {
  createCallRunner,
  openSender,
  planCall,
  quoteCalls,
  sendCalls,
  type CallEvent,
  type PlannedCall,
} from '../../../src/lib/chain/calls.js'
import { encodeDeploy } from '../../../src/lib/chain/contracts.js'
import { erc20Artifact, planApprove, readAllowance, readTokenBalance } from '../../../src/lib/chain/erc20.js'
import { createSigner, type ChainSigner } from '../../../src/lib/chain/signer.js'
import { requireAffordable, sendTransaction } from '../../../src/lib/chain/transact.js'
import { devnetAccounts } from '../../../src/lib/devnet/accounts.js'
import type { Address } from '../../../src/lib/hex.js'
import { startAnvil, type TestChain } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'

const WAIT = { confirmations: 1, timeoutMs: 20_000 }
const friend: Address = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

let test: TestChain
let signer: ChainSigner
let token: Address

beforeAll(async () => {
  test = await startAnvil()
  const [account] = devnetAccounts()
  if (account === undefined) throw new Error('there is no account')
  signer = createSigner(account.privateKey, test.chain)
  const data = encodeDeploy(testTokenArtifact, ['Test', 'TST'])
  const mined = await sendTransaction(
    test.chain,
    signer,
    { to: null, data },
    { ...WAIT, revertInterfaces: [testTokenArtifact] },
  )
  token = mined.contractAddress as Address
  await send([mint(1_000n)])
}, 60_000)

afterAll(() => test?.close())

const mint = (amount: bigint) => planCall('mint', testTokenArtifact, token, 'mint', [signer.address, amount])
const transfer = (amount: bigint, gasBudget?: bigint): PlannedCall =>
  planCall('transfer', testTokenArtifact, token, 'transfer', [friend, amount], {
    alsoReverts: [erc20Artifact],
    ...(gasBudget === undefined ? {} : { gasBudget }),
  })

async function send(calls: readonly PlannedCall[], events: CallEvent[] = []): Promise<CallEvent[]> {
  for await (const event of sendCalls(test.chain, signer, calls, WAIT)) events.push(event)
  return events
}

describe('quoteCalls', () => {
  it('tries each call, takes the budget of one that depends on others, and adds up the cost', async () => {
    const calls = [transfer(1n), transfer(10n ** 30n, 123_456n)]
    const quote = await quoteCalls(test.chain, signer.address, calls)

    expect(quote.calls.map(({ isSimulated }) => isSimulated)).toEqual([true, false])
    expect(quote.calls[1]?.gasLimit).toBe(123_456n)
    const gas = quote.calls.reduce((sum, { gasLimit }) => sum + gasLimit, 0n)
    expect(quote.maxCostWei).toBe(gas * quote.maxFeePerGas)
  })

  it('fails with the decoded error of the call that would fail', async () => {
    const error = await caught(quoteCalls(test.chain, signer.address, [transfer(1n), transfer(10n ** 30n)]))

    expect(error).toMatchObject({ code: 'TX_REVERTED', details: { error: 'InsufficientBalance' } })
  })

  it('tells what is above the limit from what the account cannot pay', async () => {
    const quote = await quoteCalls(test.chain, signer.address, [transfer(1n)])

    expect(() => requireAffordable(quote, quote.maxCostWei)).not.toThrow()
    expect((await caught(() => requireAffordable(quote, quote.maxCostWei - 1n))).code).toBe('FEE_TOO_HIGH')
    const poor = { ...quote, balanceWei: quote.maxCostWei - 1n }
    expect((await caught(() => requireAffordable(poor, null))).code).toBe('FUNDS_INSUFFICIENT')
  })
})

describe('sendCalls', () => {
  it('sends one after the other, each when the one before is mined', async () => {
    const before = await readTokenBalance(test.chain, token, friend)
    const events = await send([transfer(1n), transfer(2n)])

    expect(events.map(({ type, index }) => [type, index])).toEqual([
      ['callSent', 0],
      ['callMined', 0],
      ['callSent', 1],
      ['callMined', 1],
    ])
    expect((await readTokenBalance(test.chain, token, friend)) - before).toBe(3n)
  })

  it('fails as the first call fails when nothing was mined', async () => {
    expect((await caught(send([transfer(10n ** 30n), transfer(1n)]))).code).toBe('TX_REVERTED')
  })

  it('tells which transactions were mined when a later call fails', async () => {
    const events: CallEvent[] = []
    const error = await caught(send([transfer(1n), transfer(10n ** 30n), transfer(1n)], events))

    const mined = events.flatMap((event) => (event.type === 'callMined' ? [event.transaction.hash] : []))
    expect(mined).toHaveLength(1)
    expect(error).toMatchObject({
      code: 'PARTIAL',
      details: { code: 'TX_REVERTED', error: 'InsufficientBalance', failed: 'transfer', transactions: mined },
    })
    expect(error.message).toMatch(/^1 sent, then "transfer" failed: /)
  })

  it('stops with the signal, and says so', async () => {
    const stop = new AbortController()
    const work = async () => {
      for await (const event of sendCalls(test.chain, signer, [transfer(1n), transfer(1n)], {
        ...WAIT,
        signal: stop.signal,
      })) {
        if (event.type === 'callMined') stop.abort(new Error('stopped'))
      }
    }

    expect((await caught(work())).code).toBe('INTERRUPTED')
  })

  it('approves exactly what was asked, replacing what was allowed before', async () => {
    await send([planApprove(token, friend, 500n), planApprove(token, friend, 7n)])

    expect(await readAllowance(test.chain, token, signer.address, friend)).toBe(7n)
  })
})

describe('a call runner', () => {
  it('prices for an account without a key, and does not send for it', async () => {
    const sender = openSender(test.chain, null, signer.address)
    const runner = createCallRunner(test.chain, sender, [transfer(1n)])

    expect((await runner.quote()).from).toBe(signer.address)
    expect((await caught(() => runner.send(WAIT))).code).toBe('KEY_MISSING')
  })

  it('needs somebody who sends', async () => {
    expect((await caught(() => openSender(test.chain, null, null))).code).toBe('KEY_MISSING')
  })
})
