import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Hex } from '../../src/lib/hex.js'
import { dataOf } from '../helpers/data.js'
import { closedPort } from '../helpers/http-server.js'
import { MODEL_NAME, createTestProject, type TestProject } from '../helpers/project.js'
import { expectRefusal } from '../helpers/refusal.js'
import { runCommand } from '../helpers/run-command.js'
import { withTempDir } from '../helpers/temp-dir.js'

let project: TestProject
let modelId: Hex

beforeAll(async () => {
  project = await createTestProject()
  const attester = { FLOCK_ATTESTER_KEY: project.world.nth('attester').privateKey }
  const args = ['register-model', '--yes', '--json']
  const registered = await runCommand(args, project.as('model-host', 0, attester))
  modelId = dataOf(registered).modelId
  await runCommand(['stake', 'set-sigma', '40%', '--yes'], project.as('training-node'))
  await runCommand(['stake', 'deposit', '3000', '--yes'], project.as('training-node'))
  const trainer = project.world.nth('training-node').address
  await runCommand(['stake', 'delegate', trainer, '1000', '--yes'], project.as('delegator'))
  await use()
}, 180_000)

afterAll(() => project?.close())

// 0.5 + (40 * 100 + 6 * 200) / 1e6 FLOCK, of which 30 % go to the training node and 10 % to the validator.
const FEE = 505_200_000_000_000_000n

async function use(): Promise<void> {
  const request = await project.world.ask(modelId)
  await project.world.deliver(request, { answer: 'South, mostly.', promptTokens: 40n, completionTokens: 6n })
}

const amounts = (gross: bigint, feePpm: bigint) => {
  const fee = (gross * feePpm) / 1_000_000n
  return { gross: `${gross}`, fee: `${fee}`, net: `${gross - fee}` }
}

describe('flock rewards', () => {
  const training = (FEE * 300_000n) / 1_000_000n
  const validators = (FEE * 100_000n) / 1_000_000n
  // Sigma 0.4 and a quarter of the stake delegated: 15 % of what the training node earned.
  const delegators = (training * 600_000n * 1000n) / (1_000_000n * 4000n)

  it('shows the host of the project, and any account by address, with claim fees', async () => {
    const host = await runCommand(['rewards', 'status', '--json'], project.as())
    const trainer = project.world.nth('training-node').address
    const node = await runCommand(['rewards', 'status', '--account', trainer, '--json'], project.as())
    const text = await runCommand(['rewards', 'status', '--account', trainer], project.as())
    const delegator = await runCommand(['rewards', 'status', '--json'], project.as('delegator'))

    expect(dataOf(host)).toMatchObject({
      account: project.world.nth('model-host').address,
      models: [{ modelId, claimable: amounts(FEE - training - validators, 0n) }],
      operator: null,
      delegations: [],
    })
    expect(dataOf(node).operator).toMatchObject({
      sigmaPpm: '400000',
      tables: 1,
      claimable: amounts(training - delegators, 80_000n),
    })
    expect(dataOf(delegator).delegations).toEqual([
      expect.objectContaining({ operator: trainer, claimable: amounts(delegators, 145_000n) }),
    ])
    expect(text.stdout).toContain('Sigma               40% kept, 60% shared with delegators')
    expect(text.stdout).toMatch(
      /training node \/ validator +claim fee 8% +0\.128826 +0\.01030608 +0\.11851992/,
    )
  })

  it('says that nothing was earned', async () => {
    const { code, stdout } = await runCommand(['rewards', 'status'], project.as('spare'))

    expect(code).toBe(0)
    expect(stdout).toContain('Nothing earned: no model, no contribution, no delegation, no refund.')
  })

  it('claims once, and sends nothing the second time', async () => {
    const delegator = project.world.nth('delegator').address
    const before = await project.world.tokensOf(delegator)
    const dry = await runCommand(
      ['rewards', 'claim', '--dry-run', '--from', delegator, '--json'],
      project.as(),
    )
    const first = await runCommand(['rewards', 'claim', '--yes', '--json'], project.as('delegator'))
    const second = await runCommand(['rewards', 'claim', '--yes', '--json'], project.as('delegator'))

    const expected = amounts(delegators, 145_000n)
    expect(dataOf(dry)).toMatchObject({ dryRun: true, changed: false, claimed: [], totals: expected })
    expect(dataOf(first)).toMatchObject({ changed: true, account: delegator, totals: expected })
    expect(dataOf(first).claimed).toEqual([
      {
        role: 'delegator',
        account: delegator,
        source: project.world.nth('training-node').address,
        amounts: expected,
        to: delegator,
        txHash: dataOf(first).transactions[0]?.hash,
      },
    ])
    expect((await project.world.tokensOf(delegator)) - before).toBe(BigInt(expected.net))
    expect(dataOf(second)).toMatchObject({ changed: false, claimed: [], claimable: [], transactions: [] })
  })

  it('pays another account when told to, and claims for others to their own account', async () => {
    const [spare, validator] = [project.world.nth('spare'), project.world.nth('validator')]
    const before = await Promise.all([spare, validator].map(({ address }) => project.world.tokensOf(address)))
    const sent = await runCommand(
      ['rewards', 'claim', '--to', spare.address, '--yes'],
      project.as('model-host'),
    )
    const helped = await runCommand(
      ['rewards', 'claim', '--for', validator.address, '--yes'],
      project.as('spare'),
    )
    const after = await Promise.all([spare, validator].map(({ address }) => project.world.tokensOf(address)))

    expect([sent.code, helped.code]).toEqual([0, 0])
    expect((after[0] ?? 0n) - (before[0] ?? 0n)).toBe(FEE - training - validators)
    expect((after[1] ?? 0n) - (before[1] ?? 0n)).toBe(validators - (validators * 80_000n) / 1_000_000n)
  })

  it.each<[string, string[], string, RegExp]>([
    ['a receiver that is no address', ['claim', '--to', 'me'], 'ADDRESS_INVALID', /--to/],
    [
      'a receiver for somebody else',
      ['claim', '--to', `0x${'11'.repeat(20)}`, '--for', `0x${'22'.repeat(20)}`],
      'USAGE_INVALID',
      /--for/,
    ],
    ['a limit that is no amount', ['claim', '--max-cost', '-1'], 'AMOUNT_INVALID', /--max-cost/],
    ['too many confirmations', ['claim', '--confirmations', '65'], 'USAGE_INVALID', /confirmations/],
    ['an argument', ['status', 'all'], 'USAGE_INVALID', /all/],
  ])('refuses %s', async (_what, args, code, message) => {
    await expectRefusal(['rewards', ...args], { code, status: 2, message }, project.as('spare'))
  })

  it('refuses to work without key, chain or deployment, or with a network that is none', async () => {
    const rpcUrl = `http://127.0.0.1:${await closedPort()}`
    const down = { code: 'RPC_UNREACHABLE', status: 5 }

    await expectRefusal(['rewards', 'claim', '--yes'], { code: 'KEY_MISSING', status: 4 }, project.as())
    await expectRefusal(
      ['rewards', 'claim', '--yes'],
      { code: 'KEY_INVALID', status: 4 },
      project.as(undefined, 0, { FLOCK_PRIVATE_KEY: '0' }),
    )
    await expectRefusal(['rewards', 'claim', '--yes', '--rpc-url', rpcUrl], down, project.as('spare'))
    await expectRefusal(['rewards', 'status', '--rpc-url', rpcUrl], down, project.as())
    await expectRefusal(
      ['rewards', 'status', '--network', '5'],
      { code: 'NETWORK_UNKNOWN', status: 2 },
      project.as(),
    )
    await withTempDir((cwd) =>
      expectRefusal(['rewards', 'status'], { code: 'DEPLOYMENT_NOT_FOUND', status: 7 }, { cwd }),
    )
  })

  it('refuses to claim without a confirmation when nobody can be asked', async () => {
    await use()

    const refusal = { code: 'INPUT_MISSING', status: 2, message: /--yes/ }
    await expectRefusal(['rewards', 'claim'], refusal, project.as('model-host'))
  })
})

describe('flock usage list', () => {
  it('lists what was paid, newest first, with its parts', async () => {
    const text = await runCommand(['usage', 'list', '--model', MODEL_NAME], project.as())
    const listed = await runCommand(['usage', 'list', '--json'], project.as())

    const [record] = dataOf(listed).records
    expect(record).toMatchObject({
      modelId,
      node: project.world.nth('infernet-node').address,
      requester: project.world.nth('requester').address,
      promptTokens: '40',
      completionTokens: '6',
      fee: `${FEE}`,
    })
    const parts = [record?.hostPart, record?.trainingPart, record?.validatorPart].map((part) =>
      BigInt(part ?? 0),
    )
    expect(parts.reduce((sum, part) => sum + part, 0n)).toBe(FEE)
    expect(text.stdout.split('\n')[1]).toContain(' 0.5052 ')
  })

  it('leaves out older blocks and more than was asked for', async () => {
    const one = await runCommand(['usage', 'list', '--limit', '1', '--json'], project.as())
    const none = await runCommand(['usage', 'list', '--from-block', '1000000', '--json'], project.as())

    expect(dataOf(one).records).toHaveLength(1)
    expect(dataOf(none).records).toEqual([])
  })

  it.each<[string, string[], string, number]>([
    ['a negative block', ['--from-block=-1'], 'USAGE_INVALID', 2],
    ['a limit of nothing', ['--limit', '0'], 'USAGE_INVALID', 2],
    ['a limit beyond all measure', ['--limit', '10001'], 'USAGE_INVALID', 2],
    ['an unknown model', ['--model', '0xffffff'], 'MODEL_NOT_FOUND', 7],
  ])('refuses %s', async (_what, args, code, status) => {
    await expectRefusal(['usage', 'list', ...args], { code, status }, project.as())
  })
})
