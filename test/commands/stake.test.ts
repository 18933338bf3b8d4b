import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { dataOf } from '../helpers/data.js'
import { createTestProject, type TestProject } from '../helpers/project.js'
import { closedPort } from '../helpers/http-server.js'
import { expectRefusal } from '../helpers/refusal.js'
import { runCommand, type RunOptions } from '../helpers/run-command.js'
import { withTempDir } from '../helpers/temp-dir.js'

const DAY_SEC = 86_400

let project: TestProject

beforeAll(async () => {
  project = await createTestProject()
}, 180_000)

afterAll(() => project?.close())

const trainer = () => project.world.nth('training-node').address

describe('flock stake', () => {
  it('lets a training node take delegation, and shows both sides of it', async () => {
    const node = project.as('training-node')
    const delegator = project.as('delegator')
    const sigma = await runCommand(['stake', 'set-sigma', '40%', '--yes', '--json'], node)
    const again = await runCommand(['stake', 'set-sigma', '400000', '--yes', '--json'], node)
    const deposit = await runCommand(['stake', 'deposit', '3000', '--yes', '--json'], node)
    const delegate = await runCommand(['stake', 'delegate', trainer(), '12.5', '--yes', '--json'], delegator)

    expect(dataOf(sigma)).toMatchObject({ changed: true, stake: { sigmaPpm: '400000' } })
    expect(dataOf(again)).toMatchObject({ changed: false, transactions: [] })
    expect(dataOf(deposit).stake).toMatchObject({ own: `3000${'0'.repeat(18)}`, delegated: '0' })
    expect(dataOf(deposit).transactions.map(({ label }) => label)).toEqual([
      'approve 3000 FLOCK',
      'deposit 3000 FLOCK of own stake',
    ])
    expect(dataOf(delegate).stake.delegations).toEqual([
      { operator: trainer(), amount: '12500000000000000000' },
    ])

    const byKey = await runCommand(['stake', 'status'], node)
    const byAddress = await runCommand(['stake', 'status', '--account', trainer()], project.as())
    expect(byAddress.stdout).toBe(byKey.stdout)
    expect(byKey.stdout).toContain('Sigma            40% kept, 60% shared with delegators')
    expect(byKey.stdout).toContain('Delegated to it  12.5 FLOCK')
  })

  it('announces a later sigma, and applies it after the cooldown', async () => {
    const node = project.as('validator')
    const setSigma = async (sigma: string) => {
      const { changed, stake } = dataOf(
        await runCommand(['stake', 'set-sigma', sigma, '--yes', '--json'], node),
      )
      return [changed, stake.sigmaPpm, stake.pendingSigma?.sigmaPpm ?? null]
    }

    expect(await setSigma('100%')).toEqual([true, '1000000', null])
    expect(await setSigma('0.01%')).toEqual([true, '1000000', '100'])
    expect(await setSigma('0.01%')).toEqual([false, '1000000', '100'])
    await project.world.advance(DAY_SEC)
    expect(await setSigma('0.01%')).toEqual([true, '100', null])
  })

  it('takes stake out of earning at once and pays it after the cooldown', async () => {
    const node = project.as('training-node', 1)
    const operator = project.world.nth('training-node', 1).address
    const delegator = project.as('delegator', 2)
    const staking = async (words: readonly string[], as: RunOptions) =>
      dataOf(await runCommand(['stake', ...words, '--yes', '--json'], as))
    await staking(['set-sigma', '50%'], node)
    await staking(['deposit', '100'], node)
    const before = (await staking(['delegate', operator, '10'], delegator)).stake

    const own = await staking(['withdraw', '70'], node)
    const left = await staking(['withdraw', '4', '--operator', operator], delegator)
    const early = await staking(['withdraw'], delegator)
    await project.world.advance(DAY_SEC)
    const paid = await staking(['withdraw'], delegator)
    const again = await staking(['withdraw'], delegator)

    expect(own.stake).toMatchObject({ own: `30${'0'.repeat(18)}`, delegated: `10${'0'.repeat(18)}` })
    expect(left.stake.delegations).toEqual([{ operator, amount: `6${'0'.repeat(18)}` }])
    expect(left.stake.withdrawals).toMatchObject([{ operator, amount: `4${'0'.repeat(18)}` }])
    expect(early).toMatchObject({ changed: false, transactions: [] })
    expect(paid.transactions.map(({ label }) => label)).toEqual(['pay out 4 FLOCK'])
    expect(BigInt(paid.stake.balance)).toBe(BigInt(before.balance) + 4n * 10n ** 18n)
    expect(paid.stake.withdrawals).toEqual([])
    expect(again).toMatchObject({ changed: false, transactions: [] })
  })

  it('shows what would be sent in a dry run, without a key', async () => {
    const from = project.world.nth('delegator', 1).address
    const args = ['stake', 'delegate', trainer(), '1', '--dry-run', '--from', from]
    const { code, stdout } = await runCommand(args, project.as())
    const after = await runCommand(['stake', 'status', '--account', from, '--json'], project.as())

    expect(code).toBe(0)
    expect(stdout).toContain('1. approve 1 FLOCK')
    expect(stdout).toContain(`2. delegate 1 FLOCK to ${trainer()}`)
    expect(dataOf(after).delegations).toEqual([])
  })

  it.each<[string, string[], string, number, RegExp]>([
    ['no amount', ['deposit'], 'INPUT_MISSING', 2, /amount/],
    ['an amount with a comma', ['deposit', '1,5', '--yes'], 'AMOUNT_INVALID', 2, /amount: "1,5"/],
    ['nothing', ['deposit', '0', '--yes'], 'AMOUNT_INVALID', 2, /more than 0/],
    [
      'more decimals than the token has',
      ['deposit', `0.${'1'.repeat(19)}`],
      'AMOUNT_INVALID',
      2,
      /18 decimals/,
    ],
    [
      'more than the account has',
      ['deposit', '1000001', '--yes'],
      'FUNDS_INSUFFICIENT',
      6,
      /of the stake token/,
    ],
    [
      'to take out more than is staked',
      ['withdraw', '1', '--yes'],
      'FUNDS_INSUFFICIENT',
      6,
      /0 FLOCK of own stake/,
    ],
    ['to take out nothing', ['withdraw', '0', '--yes'], 'AMOUNT_INVALID', 2, /more than 0/],
    [
      'an operator to leave that is no address',
      ['withdraw', '1', '--operator', 'x'],
      'ADDRESS_INVALID',
      2,
      /--operator/,
    ],
    ['no operator', ['delegate'], 'INPUT_MISSING', 2, /operator, amount/],
    ['an operator that is no address', ['delegate', 'anna', '1'], 'ADDRESS_INVALID', 2, /operator/],
    ['no sigma', ['set-sigma'], 'INPUT_MISSING', 2, /sigma/],
    ['a sigma as fraction', ['set-sigma', '0.4'], 'AMOUNT_INVALID', 2, /sigma: "0\.4" is not a rate/],
    ['a sigma above the whole', ['set-sigma', '101%'], 'AMOUNT_INVALID', 2, /between 0% and 100%/],
    ['a topic without a command', [], 'INPUT_MISSING', 2, /needs a command/],
    ['a command that is none', ['deposti', '1'], 'USAGE_INVALID', 2, /deposti/],
  ])('refuses %s', async (_what, args, code, status, message) => {
    await expectRefusal(['stake', ...args], { code, status, message }, project.as('spare'))
  })

  it('refuses a delegation to oneself and to who takes none', async () => {
    const own = project.world.nth('spare').address
    const closed = project.world.nth('requester').address
    const to = (operator: string) => ['stake', 'delegate', operator, '1', '--yes']
    const takesNone = { code: 'STATE_CONFLICT', status: 7, message: /never set sigma/, next: /set-sigma/ }

    await expectRefusal(to(own), { code: 'USAGE_INVALID', status: 2 }, project.as('spare'))
    await expectRefusal(to(closed), takesNone, project.as('spare'))
  })

  it('refuses to work without key, account, chain or deployment', async () => {
    const deposit = ['stake', 'deposit', '1', '--yes']
    const rpcUrl = `http://127.0.0.1:${await closedPort()}`
    const noAccount = { code: 'INPUT_MISSING', status: 2, message: /--account \(or FLOCK_ACCOUNT\)/ }

    await expectRefusal(deposit, { code: 'KEY_MISSING', status: 4 }, project.as())
    await expectRefusal(['stake', 'status'], noAccount, project.as())
    await expectRefusal(
      ['stake', 'status', '--account', '../x'],
      { code: 'KEYSTORE_INVALID', status: 4 },
      project.as(),
    )
    await expectRefusal(
      [...deposit, '--rpc-url', rpcUrl],
      { code: 'RPC_UNREACHABLE', status: 5 },
      project.as('spare'),
    )
    await withTempDir((cwd) =>
      expectRefusal(deposit, { code: 'DEPLOYMENT_NOT_FOUND', status: 7 }, { ...project.as('spare'), cwd }),
    )
  })
})
