import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { testTokenArtifact } from '../../src/lib/abi/test-token.js'
import { planCall } from '../../src/lib/chain/calls.js'
import { findRequest } from '../../src/lib/models/answers.js'
import type { Address, Hex } from '../../src/lib/hex.js'
import { dataOf } from '../helpers/data.js'
import { closedPort } from '../helpers/http-server.js'
import { MODEL_NAME, createTestProject, type TestProject } from '../helpers/project.js'
import { expectRefusal } from '../helpers/refusal.js'
import { runCommand, startCommand } from '../helpers/run-command.js'

let project: TestProject

beforeAll(async () => {
  project = await createTestProject()
  await runCommand(['register-model', '--yes'], project.as('model-host'))
}, 180_000)

afterAll(() => project?.close())

const ask = (...args: string[]) => [
  'request',
  MODEL_NAME,
  '--prompt',
  'Where do geese fly?',
  '--yes',
  ...args,
]
const answer = { answer: 'South\u001b[2J, mostly.', promptTokens: 40n, completionTokens: 6n }

/** Delivers the answer to a request by its id, as a node would. */
async function deliver(requestId: string): Promise<void> {
  const { chain, place } = project.world
  await project.world.deliver(await findRequest(chain, place.usageMeter, requestId as Hex, 0), answer)
}

describe('flock request', () => {
  it('prints the answer alone on stdout, what it cost beside it', async () => {
    const running = startCommand(ask(), project.as('requester'))
    const [, requestId = ''] = await running.waitFor(/Request (0x[0-9a-f]{64}), subscription \d+\./)
    await deliver(requestId)
    const { code, stdout, stderr } = await running.result

    // Characters that would clear the reader's terminal are taken out.
    expect([code, stdout]).toEqual([0, 'South[2J, mostly.\n'])
    expect(stderr).toContain('Escrow                    0.62 FLOCK; what is not used comes back')
    expect(stderr).toContain('0.5052 FLOCK for 40 + 6 tokens, 0.1148 FLOCK refunded')
  })

  it('gives answer, usage, fee and transactions as JSON', async () => {
    const running = startCommand(ask('--json', '--system', 'Be brief.'), project.as('requester'))
    const [, requestId = ''] = await running.waitFor(/Request (0x[0-9a-f]{64}), subscription \d+\./)
    await deliver(requestId)
    const result = await running.result
    const data = dataOf(result)

    expect(result.code).toBe(0)
    expect(data).toMatchObject({
      requestId,
      status: 'answered',
      answer: answer.answer,
      usage: { prompt_tokens: '40', completion_tokens: '6' },
      fee: { total: '505200000000000000', host: '505200000000000000', training: '0', validators: '0' },
      escrow: '620000000000000000',
      refund: '114800000000000000',
      changed: true,
    })
    expect(data.transactions.map(({ label }) => label)).toEqual(['approve 0.62 FLOCK', 'make the request'])
    expect(data.answers[0]?.txHash).toMatch(/^0x[0-9a-f]{64}$/)
  })

  it('can be looked at again, after it was left waiting', async () => {
    const running = startCommand(ask(), project.as('requester'))
    const [, requestId = ''] = await running.waitFor(/Request (0x[0-9a-f]{64}), subscription \d+\./)
    await running.waitFor(/Waiting for an answer/)
    running.child.kill('SIGINT')
    const stopped = await running.result
    const before = await runCommand(['request', 'show', requestId, '--json'], project.as())
    await deliver(requestId)
    const after = await runCommand(['request', 'show', requestId], project.as())

    expect(stopped.code).toBe(130)
    expect(stopped.stderr).toContain(`flock request show ${requestId} --wait`)
    expect(dataOf(before)).toMatchObject({ requestId, status: 'open', answers: [] })
    expect([after.code, after.stdout]).toEqual([0, 'South[2J, mostly.\n'])
  })

  it('prints the id when nobody waits, and waits for it later', async () => {
    const { stdout } = await runCommand(ask('--no-wait'), project.as('requester'))
    const requestId = stdout.trim()
    const waiting = startCommand(['request', 'show', requestId, '--wait'], project.as())
    await waiting.waitFor(/Waiting for an answer/)
    await deliver(requestId)

    expect(await waiting.result).toMatchObject({ code: 0, stdout: 'South[2J, mostly.\n' })
  })

  it('takes the prompt from a file or stdin', async () => {
    await writeFile(join(project.dir, 'prompt.txt'), 'From a file')
    const args = ['request', '--dry-run', '--from', project.world.nth('requester').address, '--json']
    const file = await runCommand([...args, '--prompt-file', 'prompt.txt'], project.as())
    const stdin = await runCommand([...args, '--prompt-file', '-'], { ...project.as(), stdin: 'From stdin' })

    expect([file.code, stdin.code]).toEqual([0, 0])
    expect(dataOf(file)).toMatchObject({
      status: 'planned',
      requestId: null,
      escrow: '620000000000000000',
    })
  })

  it('gives the escrow back when it is cancelled after its deadline', async () => {
    const { stdout } = await runCommand(ask('--no-wait', '--deadline', '60'), project.as('requester'))
    const requestId = stdout.trim()
    const cancel = ['request', 'cancel', requestId, '--yes']

    const pending = { code: 'TX_REVERTED', status: 6, message: /AnswerPending/ }
    await expectRefusal(cancel, pending, project.as('requester'))
    await project.world.advance(120)
    const unanswered = { code: 'ANSWER_TIMEOUT', status: 5, next: /flock request cancel/ }
    await expectRefusal(['request', 'show', requestId, '--wait'], unanswered, project.as())
    const first = await runCommand([...cancel, '--json'], project.as('requester'))
    const second = await runCommand([...cancel, '--json'], project.as('requester'))

    expect(dataOf(first)).toMatchObject({ changed: true, refund: '620000000000000000' })
    expect(dataOf(second)).toMatchObject({ changed: false, refund: '0', transactions: [] })
  })

  it.each<[string, string[], string, number, RegExp]>([
    ['no prompt', ['request', MODEL_NAME], 'INPUT_MISSING', 2, /--prompt/],
    ['an empty prompt', ['request', '--prompt', ' '], 'INPUT_MISSING', 2, /--prompt/],
    ['two prompts', ask('--prompt-file', 'x'), 'USAGE_INVALID', 2, /prompt/],
    [
      'a prompt file that is missing',
      ['request', '--prompt-file', 'none'],
      'USAGE_INVALID',
      2,
      /none cannot be read/,
    ],
    ['too many nodes', ask('--redundancy', '17'), 'USAGE_INVALID', 2, /redundancy/],
    ['more nodes than the model has', ask('--redundancy', '2'), 'USAGE_INVALID', 2, /the model lists 1/],
    ['intervals without a period', ask('--intervals', '3'), 'USAGE_INVALID', 2, /need a period/],
    ['a period in words', ask('--period', 'daily'), 'USAGE_INVALID', 2, /period/],
    ['no time', ask('--deadline', '0'), 'USAGE_INVALID', 2, /deadline/],
    ['a limit that is no amount', ask('--max-escrow', '1,5'), 'AMOUNT_INVALID', 2, /--max-escrow/],
    [
      'a limit below the cost',
      ask('--max-escrow', '0.1'),
      'FEE_TOO_HIGH',
      6,
      /0\.62 FLOCK in escrow, allowed are 0\.1/,
    ],
    ['an unknown model', ['request', 'dmeo', '--prompt', 'x'], 'MODEL_NOT_FOUND', 7, /dmeo/],
  ])('refuses %s', async (_what, args, code, status, message) => {
    await expectRefusal(args, { code, status, message }, project.as('requester'))
  })

  it('refuses a requester without tokens, without gas, without a key', async () => {
    const poor = (digit: string) => ({ ...project.as(), env: { FLOCK_PRIVATE_KEY: digit.repeat(64) } })
    const { chain } = project.world
    const tokenless = { code: 'FUNDS_INSUFFICIENT', status: 6, message: /holds 0 of the payment token/ }
    await expectRefusal(ask(), tokenless, poor('1'))

    // The address of the key that is all twos; it gets tokens and no coin to pay gas with.
    const gasless: Address = '0x1563915e194D8CfBA1943570603F7606A3115508'
    await mintTo(gasless)
    expect(await chain.provider.getBalance(gasless)).toBe(0n)
    expect(await project.world.tokensOf(gasless)).toBeGreaterThan(0n)
    const coinless = { code: 'FUNDS_INSUFFICIENT', status: 6, message: /holds 0 in native token/ }
    await expectRefusal(ask(), coinless, poor('2'))
    await expectRefusal(ask(), { code: 'KEY_MISSING', status: 4 }, project.as())
  })

  it('refuses an endpoint that is down', async () => {
    const rpcUrl = `http://127.0.0.1:${await closedPort()}`

    await expectRefusal(
      ask('--rpc-url', rpcUrl),
      { code: 'RPC_UNREACHABLE', status: 5 },
      project.as('requester'),
    )
  })

  it('refuses a paused model', async () => {
    await runCommand(['models', 'pause', '--yes'], project.as('model-host'))
    try {
      const refusal = { code: 'STATE_CONFLICT', status: 7, message: /is paused and takes no requests/ }
      await expectRefusal(ask(), refusal, project.as('requester'))
    } finally {
      await runCommand(['models', 'resume', '--yes'], project.as('model-host'))
    }
  })

  it.each(['show', 'cancel'])('refuses bad ids: %s', async (action) => {
    const nobodys = `0x${'77'.repeat(32)}`
    const signed = project.as('requester')

    await expectRefusal(['request', action], { code: 'INPUT_MISSING', status: 2, message: /request/ }, signed)
    await expectRefusal(['request', action, '0x12'], { code: 'HEX_INVALID', status: 2 }, signed)
    await expectRefusal(['request', action, nobodys], { code: 'REQUEST_NOT_FOUND', status: 7 }, signed)
  })
})

async function mintTo(account: Address): Promise<void> {
  const { world } = project
  const call = planCall('mint', testTokenArtifact, world.paymentToken, 'mint', [account, 10n ** 21n])
  await world.send(world.nth('owner'), [call])
}
