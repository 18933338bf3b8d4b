import { describe, expect, it } from '@jest/globals'
import { claimLines, rewardsStatusLines } from '../../../../src/lib/cli/views/rewards.js'
import { sigmaText, stakeStatusLines } from '../../../../src/lib/cli/views/stake.js'
import type { Address, Hex } from '../../../../src/lib/hex.js'
import { addAmounts, afterClaimFee } from '../../../../src/lib/rewards/split.js'
import type { RewardsStatus } from '../../../../src/lib/rewards/status.js'

const FLOCK = 10n ** 18n
const account: Address = '0x14dC79964da2C08b23698B3D3cc7Ca32193d9955'
const operator: Address = '0xa0Ee7A142d267C1f36714E4a8F75612F20a79720'
const modelId: Hex = `0x${'ab'.repeat(32)}`

const own = afterClaimFee(100n * FLOCK, 0n)
const earned = afterClaimFee(10n * FLOCK, 80_000n)
const delegated = afterClaimFee(2n * FLOCK, 145_000n)
const unused = { gross: FLOCK / 2n, fee: 0n, net: FLOCK / 2n }

const status: RewardsStatus = {
  account,
  chainId: 31_337,
  blockNumber: 77,
  claimFees: { hostPpm: 0n, operatorPpm: 80_000n, delegatorPpm: 145_000n },
  models: [{ modelId, claimable: own }],
  operator: { own: 3000n * FLOCK, delegated: 0n, sigmaPpm: 400_000n, tables: 2, claimable: earned },
  delegations: [{ operator, amount: 250n * FLOCK, sigmaPpm: null, claimable: delegated }],
  balance: FLOCK / 2n,
  totals: addAmounts([own, earned, delegated, unused]),
}

describe('rewardsStatusLines', () => {
  it('gives each source a line, with its claim fee and a sum', () => {
    const lines = rewardsStatusLines(status, null)

    expect(lines.slice(0, 2)).toEqual([`Account  ${account}`, 'Block    77 of chain 31337'])
    expect(lines).toContain('Sigma               40% kept, 60% shared with delegators')
    const rows = lines.slice(lines.findIndex((line) => line.startsWith('Role')) + 1)
    expect(rows.map((row) => row.split(/ {2,}/).slice(-3))).toEqual([
      ['100', '0', '100'],
      ['10', '0.8', '9.2'],
      ['2', '0.29', '1.71'],
      ['0.5', '0', '0.5'],
      ['112.5', '1.09', '111.41'],
    ])
  })

  it('shortens sources on a terminal of 110 columns, and gives each source a block on one of 60', () => {
    const table = (width: number) => rewardsStatusLines({ ...status, operator: null }, width).slice(3)

    expect(Math.max(...table(110).map((line) => line.length))).toBeLessThanOrEqual(110)
    expect(table(110)[1]).toContain('0xabababa')
    expect(table(110)[1]).toContain('…')
    expect(table(60)).toContain(`Source     ${modelId}`)
  })

  it('says that nothing was earned', () => {
    const nothing = { ...status, models: [], operator: null, delegations: [], balance: 0n }

    expect(rewardsStatusLines(nothing, null).at(-1)).toMatch(/^Nothing earned/)
  })
})

describe('claimLines', () => {
  it('name the role and what it is claimed from', () => {
    const items = [
      { role: 'host' as const, account, source: modelId, amounts: own },
      { role: 'balance' as const, account, source: null, amounts: unused },
    ]
    const lines = claimLines(items, addAmounts([own, unused]), null)

    expect(lines[1]).toMatch(new RegExp(`^model host +${modelId} +100 +0 +100$`))
    expect(lines[2]).toMatch(/^unused escrow +0\.5 +0 +0\.5$/)
    expect(lines[3]).toMatch(/^total +100\.5 +0 +100\.5$/)
  })
})

describe('stakeStatusLines', () => {
  it('names what is announced and what is on its way out', () => {
    const lines = stakeStatusLines(
      {
        account,
        own: FLOCK,
        delegated: 0n,
        sigmaPpm: 1_000_000n,
        pendingSigma: { sigmaPpm: 123_456n, availableAt: 1_750_000_000 },
        delegations: [{ operator, amount: FLOCK }],
        withdrawals: [{ operator: account, amount: 2n * FLOCK, availableAt: 1_750_000_000 }],
        balance: 0n,
        stakeToken: operator,
      },
      null,
    )

    expect(lines).toContain(
      'Announced sigma  12.3456% kept, 87.6544% shared with delegators, from 2025-06-15T15:06:40Z',
    )
    expect(lines.at(-1)).toBe(`${account}  2 FLOCK  2025-06-15T15:06:40Z`)
    expect(sigmaText(null)).toBe('not set: takes no delegation')
  })
})
