import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { encodeCall } from '../../../src/lib/chain/contracts.js'
import { erc20Artifact } from '../../../src/lib/chain/erc20.js'
import { readWords } from '../../../src/lib/chain/read-words.js'
import { devnetAccounts } from '../../../src/lib/devnet/accounts.js'
import type { Address, Hex } from '../../../src/lib/hex.js'
import { anvilRequest, startAnvil, type TestChain } from '../../helpers/anvil.js'

let test: TestChain

beforeAll(async () => {
  test = await startAnvil()
}, 60_000)

afterAll(() => test.close())

/** Puts code at an address of its own. */
async function place(index: number, code: Hex): Promise<Address> {
  const address = `0x${index.toString(16).padStart(40, '0')}` as const
  await anvilRequest(test.chain, 'anvil_setCode', [address, code])
  return address
}

describe('readWords', () => {
  it('answers in the order of the questions, and null where there is no whole word', async () => {
    const data = encodeCall(erc20Artifact, 'balanceOf', [devnetAccounts()[0]?.address])
    // Returns the last word of what it was called with; reverts; returns one byte; loops for ever.
    const echo = await place(0x1001, '0x60043560005260206000f3')
    const refusing = await place(0x1002, '0x60006000fd')
    const short = await place(0x1003, '0x60016000f3')
    const burning = await place(0x1004, '0x5b600056')
    const account = devnetAccounts()[0]?.address as Address

    const answers = await readWords(test.chain, [
      { to: echo, data },
      { to: refusing, data },
      { balanceOf: account },
      { to: short, data },
      { to: burning, data },
      { to: account, data },
      { to: echo, data },
    ])

    const balance = await test.chain.provider.getBalance(account)
    expect(answers).toEqual([BigInt(account), null, balance, null, null, null, BigInt(account)])
  })

  it('takes more questions than one call may hold', async () => {
    const account = devnetAccounts()[0]?.address as Address

    const answers = await readWords(
      test.chain,
      Array.from({ length: 300 }, () => ({ balanceOf: account })),
    )

    expect(new Set(answers)).toEqual(new Set([await test.chain.provider.getBalance(account)]))
    expect(answers).toHaveLength(300)
  })

  it('answers as of a block', async () => {
    const to = devnetAccounts()[7]?.address as Address
    const before = await test.chain.provider.getBlockNumber()
    await anvilRequest(test.chain, 'evm_mine')
    await anvilRequest(test.chain, 'anvil_setBalance', [to, '0x0'])
    await anvilRequest(test.chain, 'evm_mine')

    const [then] = await readWords(test.chain, [{ balanceOf: to }], before)
    const [now] = await readWords(test.chain, [{ balanceOf: to }])

    expect(then).toBeGreaterThan(0n)
    expect(now).toBe(0n)
  })
})
