import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getCreateAddress } from 'ethers/address'
import { Wallet } from 'ethers/wallet'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { DeployJson } from '../../src/lib/cli/views/deploy.js'
import { deployedAddress, readDeploymentRecord } from '../../src/lib/deploy/record.js'
import type { Address, Hex } from '../../src/lib/hex.js'
import { startTestDevnet, type TestDevnet } from '../helpers/devnet.js'
import { closedPort, startHttpServer } from '../helpers/http-server.js'
import { startRpcProxy, type RpcCall, type RpcFate, type RpcProxy } from '../helpers/rpc-proxy.js'
import { runCommand, startCommand, type CommandResult } from '../helpers/run-command.js'
import { createTempDir } from '../helpers/temp-dir.js'

interface Account {
  readonly address: Address
  readonly privateKey: Hex
}

const SEND = 'eth_sendRawTransaction'
const RECEIPT = 'eth_getTransactionReceipt'
const CODE = 'eth_getCode'

let shared: TestDevnet
let proxy: RpcProxy
let cwd: string
let token: Address
/** Who deploys; each test takes a fresh account, so that its nonces begin at 0. */
let account: Account
let made = 0

beforeAll(async () => {
  shared = await startTestDevnet()
  proxy = await startRpcProxy(shared.devnet.rpcUrl)
  token = deployedAddress(shared.devnet.record, 'PaymentToken')
}, 60_000)

afterAll(async () => {
  await proxy.close()
  await shared.close()
})

beforeEach(async () => {
  cwd = await createTempDir()
  account = await freshAccount()
})

afterEach(() => {
  proxy.decide(() => 'pass')
  rmSync(cwd, { recursive: true, force: true })
})

/** A funded account that never sent anything. */
async function freshAccount(): Promise<Account> {
  const wallet = new Wallet(`0x${(0xf10c + made).toString(16).padStart(64, '0')}`)
  made += 1
  await shared.chain.provider.send('anvil_setBalance', [wallet.address, '0x56bc75e2d63100000'])
  return { address: wallet.address as Address, privateKey: wallet.privateKey as Hex }
}

const env = (changes: Record<string, string | undefined> = {}) => ({
  FLOCK_PRIVATE_KEY: account.privateKey,
  ...changes,
})
const core = () => ['deploy', '--core', '--payment-token', token, '--rpc-url', proxy.url]
const run = (args: readonly string[], changes?: Record<string, string | undefined>) =>
  runCommand(args, { cwd, env: env(changes) })
const nonce = () => shared.chain.provider.getTransactionCount(account.address)

/** The deployments folder of the devnet, as a project that uses it has it. */
function useDevnetRecord(): void {
  const folder = join(cwd, 'deployments')
  const text = readFileSync(join(shared.recordDir, '31337.json'), 'utf8')
  rmSync(folder, { recursive: true, force: true })
  writeRecord(folder, text)
}

function writeRecord(folder: string, text: string): void {
  if (!existsSync(folder)) mkdirSync(folder)
  writeFileSync(join(folder, '31337.json'), text)
}

function dataOf(result: CommandResult): DeployJson {
  return result.json?.data as DeployJson
}

function failure(result: CommandResult): { code: number | null; error: string | undefined; message: string } {
  const first = result.json?.errors[0]
  return { code: result.code, error: first?.code, message: first?.message ?? '' }
}

describe('flock deploy', () => {
  it('deploys core and consumer, prints the address of the consumer alone, and records everything', async () => {
    const result = await run([...core(), '--yes'])

    expect(result.code).toBe(0)
    const record = readDeploymentRecord(join(cwd, 'deployments'), 31_337)
    expect(result.stdout).toBe(`${record?.contracts.ModelHostConsumer?.address}\n`)
    expect(Object.keys(record?.contracts ?? {})).toEqual([
      'ModelRegistry',
      'RewardDistributor',
      'UsageMeter',
      'StakeVault',
      'EmissionProgram',
      'ModelHostConsumer',
    ])
    expect(result.stderr).toMatch(/Network +local \(chain 31337\)/)
    expect(result.stderr).toMatch(/Highest cost +0\.\d+ in native token/)
    expect(result.stderr + result.stdout).not.toContain(account.privateKey.slice(2))
  })

  it('sends nothing the second time', async () => {
    await run([...core(), '--yes'])
    const sent = proxy.calls.length

    const result = await run([...core(), '--json'])

    expect(result.code).toBe(0)
    expect(dataOf(result)).toMatchObject({ changed: false, dryRun: false, cost: null })
    expect(proxy.calls.slice(sent).map(({ method }) => method)).not.toContain('eth_sendRawTransaction')
    expect(await nonce()).toBe(3)
  })

  it('deploys the consumer alone where the core is recorded', async () => {
    useDevnetRecord()

    const result = await run(['deploy', '--rpc-url', proxy.url, '--yes', '--json'])

    expect(dataOf(result)).toMatchObject({
      changed: true,
      consumer: getCreateAddress({ from: account.address, nonce: 0 }),
      steps: [{ contract: 'ModelHostConsumer', action: 'deploy' }],
    })
  })

  it('shows the plan in a dry run, without a key and without writing anything', async () => {
    const result = await run([...core(), '--dry-run', '--from', account.address, '--json'], {
      FLOCK_PRIVATE_KEY: undefined,
    })

    expect(result.code).toBe(0)
    expect(dataOf(result)).toMatchObject({ changed: false, dryRun: true, consumer: null })
    expect(dataOf(result).cost).toMatchObject({ from: account.address })
    expect(readdirSync(cwd)).toEqual([])
    expect(await nonce()).toBe(0)
  })
})

describe('flock deploy, killed and run again', () => {
  /** Calls of the second deployment: what the process is killed at, and whether the call still reaches the chain. */
  const moments: [string, (call: RpcCall, sends: number) => RpcFate | null][] = [
    [
      'before its second transaction left',
      ({ method }, sends) => (method === SEND && sends === 2 ? 'hang' : null),
    ],
    [
      'when its second transaction was taken',
      ({ method }, sends) => (method === SEND && sends === 2 ? 'drop' : null),
    ],
    [
      'while it waited for its second transaction',
      ({ method }, sends) => (method === RECEIPT && sends === 2 ? 'hang' : null),
    ],
    [
      'when its second transaction was mined and not recorded',
      ({ method }, sends) => (method === CODE && sends === 2 ? 'hang' : null),
    ],
    [
      'before its third transaction left',
      ({ method }, sends) => (method === SEND && sends === 3 ? 'hang' : null),
    ],
    [
      'when its third transaction was taken',
      ({ method }, sends) => (method === SEND && sends === 3 ? 'drop' : null),
    ],
  ]

  it.each(moments)('completes without a duplicate when SIGKILL came %s', async (_when, at) => {
    await killAt(at)

    const result = await run([...core(), '--yes', '--json'])

    expect(result.code).toBe(0)
    expect(dataOf(result).changed).toBe(true)
    expect(await nonce()).toBe(3)
    const created = [0, 1, 2].map((each) => getCreateAddress({ from: account.address, nonce: each }))
    expect(dataOf(result).contracts).toMatchObject({
      ModelRegistry: created[0],
      RewardDistributor: created[1],
      ModelHostConsumer: created[2],
    })
    expect(dataOf(await run([...core(), '--json'])).changed).toBe(false)
  })

  it('goes on after Ctrl-C, which exits with 130', async () => {
    const first = startCommand([...core(), '--yes', '--json'], { cwd, env: env() })
    proxy.decide(({ method }) => {
      if (method !== RECEIPT) return 'pass'
      first.child.kill('SIGINT')
      return 'hang'
    })
    const stopped = await first.result
    proxy.decide(() => 'pass')

    const result = await run([...core(), '--yes', '--json'])

    expect(failure(stopped)).toMatchObject({ code: 130, error: 'INTERRUPTED' })
    expect(dataOf(result).changed).toBe(true)
    expect(await nonce()).toBe(3)
  })

  it('refuses to run beside another deployment', async () => {
    const first = startCommand([...core(), '--yes'], { cwd, env: env() })
    const waiting = new Promise<void>((resolve) => {
      proxy.decide(({ method }) => {
        if (method !== RECEIPT) return 'pass'
        resolve()
        return 'hang'
      })
    })
    await waiting

    const second = await runCommand([...core().slice(0, -1), shared.devnet.rpcUrl, '--yes', '--json'], {
      cwd,
      env: env(),
    })
    first.child.kill('SIGKILL')
    await first.result

    expect(failure(second)).toMatchObject({ code: 7, error: 'STATE_CONFLICT' })
  })

  async function killAt(at: (call: RpcCall, sends: number) => RpcFate | null): Promise<void> {
    const victim = startCommand([...core(), '--yes'], { cwd, env: env() })
    let sends = 0
    proxy.decide((call) => {
      if (call.method === SEND) sends += 1
      const fate = at(call, sends)
      if (fate === null) return 'pass'
      victim.child.kill('SIGKILL')
      return fate
    })
    const { signal } = await victim.result
    proxy.decide(() => 'pass')
    expect(signal).toBe('SIGKILL')
  }
})

describe('flock deploy refuses', () => {
  it('other input for a finished step, and deploys anew with --restart beside the old record', async () => {
    useDevnetRecord()
    const args = ['deploy', '--rpc-url', proxy.url, '--yes', '--json']
    const first = await run(args)

    const changed = await run([...args, '--host', token])
    const again = await run([...args, '--host', token, '--restart'])

    expect(failure(changed)).toMatchObject({ code: 7, error: 'DEPLOYMENT_CHANGED' })
    expect(failure(changed).message).toContain(`host was ${account.address} and is ${token}`)
    expect(again.code).toBe(0)
    expect(dataOf(again).consumer).not.toBe(dataOf(first).consumer)
    expect(readdirSync(join(cwd, 'deployments')).sort()).toEqual([
      '.journal-31337.1.ndjson',
      '.journal-31337.ndjson',
      '31337.1.json',
      '31337.json',
    ])
  })

  it('an RPC endpoint that does not answer, naming its host and no key', async () => {
    const port = await closedPort()
    const rpcUrl = `http://user:hunter2@127.0.0.1:${port}/v2/secret-key-123`

    const result = await run(['deploy', '--rpc-url', rpcUrl, '--yes', '--json', '-v'])

    expect(failure(result)).toMatchObject({ code: 5, error: 'RPC_UNREACHABLE' })
    expect(result.stdout + result.stderr).toContain(`127.0.0.1:${port}`)
    expect(result.stdout + result.stderr).not.toMatch(/hunter2|secret-key-123/)
  })

  it('an endpoint that is no Ethereum node', async () => {
    const server = await startHttpServer((_body, response) => response.end('<html></html>'))

    const result = await run(['deploy', '--rpc-url', server.url, '--yes', '--json'])
    await server.close()

    expect(failure(result)).toMatchObject({ code: 5, error: 'RPC_FAILED' })
  })

  it('an endpoint of another chain, naming both', async () => {
    const result = await run([
      'deploy',
      '--network',
      'base-sepolia',
      '--rpc-url',
      proxy.url,
      '--yes',
      '--json',
    ])

    expect(failure(result)).toMatchObject({ code: 6, error: 'CHAIN_MISMATCH' })
    expect(failure(result).message).toMatch(/chain 31337.*chain 84532/)
  })

  it('a malformed key, without repeating it', async () => {
    const result = await run([...core(), '--yes', '--json'], { FLOCK_PRIVATE_KEY: '0x1234beef' })

    expect(failure(result)).toMatchObject({ code: 4, error: 'KEY_INVALID' })
    expect(result.stdout + result.stderr).not.toContain('1234beef')
  })

  it('to sign without a key', async () => {
    const result = await run([...core(), '--yes', '--json'], { FLOCK_PRIVATE_KEY: undefined })

    expect(failure(result)).toMatchObject({ code: 4, error: 'KEY_MISSING' })
  })

  it('an account without funds, before anything is sent or written', async () => {
    const result = await run([...core(), '--yes', '--json'], { FLOCK_PRIVATE_KEY: `0x${'07'.repeat(32)}` })

    expect(failure(result)).toMatchObject({ code: 6, error: 'FUNDS_INSUFFICIENT' })
    expect(readdirSync(cwd)).toEqual([])
  })

  it('a cost above --max-cost', async () => {
    const result = await run([...core(), '--yes', '--max-cost', '0.000001', '--json'])

    expect(failure(result)).toMatchObject({ code: 6, error: 'FEE_TOO_HIGH' })
    expect(await nonce()).toBe(0)
  })

  it('to send unasked: without a terminal it needs --yes', async () => {
    const result = await run([...core(), '--json'])

    expect(failure(result)).toMatchObject({ code: 2, error: 'INPUT_MISSING' })
    expect(failure(result).message).toContain('--yes')
    expect(await nonce()).toBe(0)
  })

  it('a consumer without a core, and says what to run', async () => {
    const result = await run(['deploy', '--rpc-url', proxy.url, '--yes', '--json'])

    expect(failure(result)).toMatchObject({ code: 7, error: 'DEPLOYMENT_NOT_FOUND' })
    expect(result.json?.errors[0]?.next).toContain('--core')
  })

  it('a payment token that is no contract', async () => {
    const args = [
      'deploy',
      '--core',
      '--payment-token',
      account.address,
      '--rpc-url',
      proxy.url,
      '--yes',
      '--json',
    ]

    const result = await run(args)

    expect(failure(result)).toMatchObject({ code: 7, error: 'CONTRACT_MISSING' })
    expect(failure(result).message).toContain('Payment token')
  })

  it('a malformed address', async () => {
    const result = await run(['deploy', '--host', '0x12', '--json'])

    expect(failure(result)).toMatchObject({ code: 2, error: 'ADDRESS_INVALID' })
    expect(failure(result).message).toContain('--host')
  })

  it('a record that cannot be read', async () => {
    writeRecord(join(cwd, 'deployments'), '{')

    const result = await run([...core(), '--yes', '--json'])

    expect(failure(result)).toMatchObject({ code: 3, error: 'RECORD_INVALID' })
  })
})
