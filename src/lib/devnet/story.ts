/** The whole line, told by running flock's own commands: from an empty folder to claimed rewards. */
import { FlockError } from '../errors.js'
import { FLOCK_DECIMALS, formatAmount } from '../units.js'
import type { DevnetAccount, DevnetRole } from './accounts.js'
import type { CommandRunner } from './command-runner.js'
import { freePorts } from './free-ports.js'
import { amountAt, listAt, textAt } from './json-path.js'
import type { StoryClaim, StoryEvent, StoryResult } from './story-events.js'

/** What stands once everything runs. */
export interface Line {
  readonly rpcUrl: string
  readonly consumer: string
  readonly modelId: string
}

export interface StoryOptions {
  readonly runner: CommandRunner
  readonly accounts: readonly DevnetAccount[]
  /** Folder that the commands run in; the project is made below it. */
  readonly folder: string
}

const MODEL = 'flock-demo'
const PROMPT = 'Which way do the geese fly when winter comes?'

/** Everything up to the first request: project, chain, contracts, model, contributors, stake, service and node. */
export async function* buildLine(options: StoryOptions): AsyncGenerator<StoryEvent, Line> {
  const { runner } = options
  const account = (role: DevnetRole, nth = 0) => accountOf(options.accounts, role, nth)
  const [chainPort, hostPort, servicePort, nodePort] = await freePorts(4)
  const rpcUrl = `http://127.0.0.1:${chainPort}`
  const onChain = { FLOCK_RPC_URL: rpcUrl }
  const as = keysOn(options.accounts, rpcUrl)

  const contributor = (flag: string, role: DevnetRole, weights: readonly number[]) =>
    weights.flatMap((weight, nth) => [flag, `${account(role, nth).address}=${weight}`])

  const init = [
    ...['init', '.', '--name', 'quickstart', '--network', 'local', '--model-name', MODEL],
    ...['--hg-repo-id', 'flock-io/demo', '--revision', 'main', '--base-model', 'flock-demo-ngram'],
    ...['--price-request', '0.05', '--price-prompt', '120', '--price-completion', '480'],
    ...['--training-ppm', '300000', '--validator-ppm', '200000', '--max-completion-tokens', '64'],
    ...contributor('--training', 'training-node', [7, 2]),
    ...contributor('--validator', 'validator', [3, 1]),
    ...['--node', account('infernet-node').address, '--receipt-signer', account('receipt-signer').address],
    ...['--host-url', `http://127.0.0.1:${hostPort}/v1`, '--host-model', MODEL],
  ]
  yield step('Make a project', init)
  await runner.run(init, onChain)
  yield facts({ Folder: options.folder })

  const devnet = ['devnet', '--port', String(chainPort)]
  yield step('Start a local chain with Infernet and FLock on it', devnet)
  await runner.start(devnet)
  const demoHost = ['devnet', 'demo-host', '--port', String(hostPort), '--model', MODEL]
  yield step('Start a model server', demoHost)
  await runner.start(demoHost)

  const deploy = ['deploy']
  yield step('Deploy the host contract', deploy, ['FLOCK_PRIVATE_KEY'])
  const deployed = await runner.run(deploy, as('model-host'))
  const consumer = textAt(deployed, 'consumer')
  yield facts({ 'Consumer contract': consumer })

  const register = ['register-model', MODEL]
  yield step('Register the model, once its endpoint has answered', register, ['FLOCK_PRIVATE_KEY'])
  const modelId = textAt(await runner.run(register, as('model-host')), 'modelId')
  yield facts({ Model: modelId })

  const attest = ['models', 'attest', MODEL, '--out', 'attestation.json']
  yield step('Attest who trained and validated it', attest, ['FLOCK_ATTESTER_KEY'])
  await runner.run(attest, { ...onChain, FLOCK_ATTESTER_KEY: account('attester').privateKey })
  const contribute = [...register, '--attestation', 'attestation.json']
  yield step('Put the attested contributors in force', contribute, ['FLOCK_PRIVATE_KEY'])
  await runner.run(contribute, as('model-host'))

  yield* stakes(options, as)

  const serve = ['workflow', 'serve', '--port', String(servicePort)]
  yield step('Start the FlockWorkflow service', serve, ['FLOCK_RECEIPT_KEY'])
  await runner.start(serve, { FLOCK_RECEIPT_KEY: account('receipt-signer').privateKey })
  const node = ['node', 'start', '--port', String(nodePort)]
  const containers = ['--containers', `flock-workflow=http://127.0.0.1:${servicePort}`]
  yield step('Start an Infernet node', [...node, ...containers], ['FLOCK_NODE_KEY'])
  await runner.start([...node, ...containers], {
    ...onChain,
    FLOCK_NODE_KEY: account('infernet-node').privateKey,
  })

  return { rpcUrl, consumer, modelId }
}

/** Tells the story and returns what it came to. Stopping what it started is the caller's: `runner.close()`. */
export async function* tellStory(options: StoryOptions): AsyncGenerator<StoryEvent, StoryResult> {
  const { runner } = options
  const line = yield* buildLine(options)
  const onChain = { FLOCK_RPC_URL: line.rpcUrl }
  const as = keysOn(options.accounts, line.rpcUrl)

  const ask = ['request', MODEL, '--prompt', PROMPT]
  yield step('Ask the model, as a user would', ask, ['FLOCK_PRIVATE_KEY'])
  const asked = await runner.run(ask, as('requester'))
  const fee = {
    total: amountAt(asked, 'fee.total'),
    host: amountAt(asked, 'fee.host'),
    training: amountAt(asked, 'fee.training'),
    validators: amountAt(asked, 'fee.validators'),
  }
  const usage = {
    prompt_tokens: textAt(asked, 'usage.prompt_tokens'),
    completion_tokens: textAt(asked, 'usage.completion_tokens'),
  }
  const deliveryTx = textAt(asked, 'answers.0.txHash')
  yield facts({
    Question: PROMPT,
    Answer: textAt(asked, 'answer'),
    Delivered: deliveryTx,
    Usage: `${usage.prompt_tokens} prompt and ${usage.completion_tokens} completion tokens`,
    Fee: tokens(fee.total),
    '  for the host': tokens(fee.host),
    '  for training nodes': tokens(fee.training),
    '  for validators': tokens(fee.validators),
    'Returned escrow': tokens(amountAt(asked, 'refund')),
  })
  requireSum(fee.total, fee.host + fee.training + fee.validators, 'The parts of the fee')

  const usageList = ['usage', 'list']
  yield step('See the usage record on chain', usageList)
  const records = listAt(await runner.run(usageList, onChain), 'records')
  const requestId = textAt(asked, 'requestId')
  const record = records.find((item) => textAt(item, 'requestId') === requestId)
  if (record === undefined)
    throw new FlockError('INTERNAL', 'The usage record of the request is not on the chain.')
  yield facts({ Request: requestId, 'Fee on chain': tokens(amountAt(record, 'fee')) })

  const { claims, claimed, carried } = yield* claim(options, as, fee.total)
  return {
    ...line,
    folder: options.folder,
    requestId,
    prompt: PROMPT,
    answer: textAt(asked, 'answer'),
    usage,
    deliveryTx,
    fee,
    claims,
    claimed,
    carried,
  }
}

type KeyOf = (role: DevnetRole, nth?: number) => Record<string, string>

/** The environment of a command that an account of the devnet runs. */
function keysOn(accounts: readonly DevnetAccount[], rpcUrl: string): KeyOf {
  return (role, nth = 0) => ({
    FLOCK_RPC_URL: rpcUrl,
    FLOCK_PRIVATE_KEY: accountOf(accounts, role, nth).privateKey,
  })
}

/** Training node 1 takes delegations and keeps 40 % of what they earn; one delegator trusts it. */
async function* stakes({ runner, accounts }: StoryOptions, as: KeyOf): AsyncGenerator<StoryEvent, void> {
  const operator = accountOf(accounts, 'training-node', 0).address
  const steps: readonly { title: string; args: string[]; role: DevnetRole }[] = [
    {
      title: 'Open the training node for delegation',
      args: ['stake', 'set-sigma', '40%'],
      role: 'training-node',
    },
    { title: 'Stake as the training node', args: ['stake', 'deposit', '3000'], role: 'training-node' },
    { title: 'Delegate to it', args: ['stake', 'delegate', operator, '1000'], role: 'delegator' },
  ]
  for (const { title, args, role } of steps) {
    yield step(title, args, ['FLOCK_PRIVATE_KEY'])
    await runner.run(args, as(role))
  }
}

/** Everyone claims. Earned amounts are compared with the fee before anything is paid. */
async function* claim(
  { runner, accounts }: StoryOptions,
  as: KeyOf,
  fee: bigint,
): AsyncGenerator<StoryEvent, Pick<StoryResult, 'claims' | 'claimed' | 'carried'>> {
  const payees: readonly [role: DevnetRole, nth: number][] = [
    ['model-host', 0],
    ['training-node', 0],
    ['training-node', 1],
    ['validator', 0],
    ['validator', 1],
    ['delegator', 0],
  ]
  const hostAddress = accountOf(accounts, 'model-host', 0).address
  const statusOf = ['rewards', 'status', '--account', hostAddress]
  yield step('Look at the rewards', statusOf)
  await runner.run(statusOf, as('model-host'))

  const claims: StoryClaim[] = []
  for (const [role, nth] of payees) {
    const args = ['rewards', 'claim']
    yield step(`Claim as ${role.replace('-', ' ')} ${accountOf(accounts, role, nth).address}`, args, [
      'FLOCK_PRIVATE_KEY',
    ])
    const done = listAt(await runner.run(args, as(role, nth)), 'claimed').map((item) => ({
      role,
      account: textAt(item, 'account'),
      gross: amountAt(item, 'amounts.gross'),
      claimFee: amountAt(item, 'amounts.fee'),
      net: amountAt(item, 'amounts.net'),
      txHash: textAt(item, 'txHash'),
    }))
    claims.push(...done)
    yield facts(
      Object.fromEntries(
        done.map((item) => [
          `Paid in ${item.txHash}`,
          `${tokens(item.net)} (claim fee ${tokens(item.claimFee)})`,
        ]),
      ),
    )
  }
  const claimed = claims.reduce((sum, { gross }) => sum + gross, 0n)
  const carried = fee - claimed
  // Below one unit for each of six who round down, and one per token delegated.
  if (carried < 0n || carried > 1_006n) requireSum(fee, claimed, 'The claims')
  yield facts({
    'Fee of the answer': tokens(fee),
    'Claimed in all': tokens(claimed),
    'Carried to the next reward': `${carried} base units`,
  })
  return { claims, claimed, carried }
}

function step(title: string, command: readonly string[], keys: readonly string[] = []): StoryEvent {
  return { type: 'step', title, command, keys }
}

function facts(values: Readonly<Record<string, string>>): StoryEvent {
  return { type: 'facts', facts: Object.entries(values).map(([label, value]) => ({ label, value })) }
}

function tokens(amount: bigint): string {
  return `${formatAmount(amount, FLOCK_DECIMALS)} tFLOCK`
}

function requireSum(expected: bigint, sum: bigint, what: string): void {
  if (expected === sum) return
  throw new FlockError('INTERNAL', `${what} add up to ${sum} base units, expected ${expected}.`)
}

function accountOf(accounts: readonly DevnetAccount[], role: DevnetRole, nth: number): DevnetAccount {
  const account = accounts.filter((item) => item.role === role)[nth]
  if (account === undefined) throw new FlockError('INTERNAL', `The devnet has no ${role} number ${nth}.`)
  return account
}
