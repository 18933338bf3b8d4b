import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { openChain } from '../../src/lib/chain/provider.js'
import type { DeployJson } from '../../src/lib/cli/views/deploy.js'
import type { DevnetJson } from '../../src/lib/cli/views/devnet.js'
import { readDeploymentRecord } from '../../src/lib/deploy/record.js'
import { sleep } from '../../src/lib/retry.js'
import { startHttpServer } from '../helpers/http-server.js'
import { runCommand, startCommand, type RunningCommand } from '../helpers/run-command.js'
import { createTempDir } from '../helpers/temp-dir.js'

let cwd: string
const running: RunningCommand[] = []

beforeEach(async () => {
  cwd = await createTempDir()
})

afterEach(async () => {
  for (const { child, result } of running.splice(0)) {
    child.kill('SIGKILL')
    await result
  }
  // A chain whose command was killed writes its state before it ends.
  rmSync(cwd, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 })
})

function start(...args: string[]): RunningCommand {
  const command = startCommand(['devnet', '--port', '0', ...args], { cwd })
  running.push(command)
  return command
}

async function ready(command: RunningCommand): Promise<DevnetJson> {
  const [line] = await command.waitFor(/^\{.*\}\n/m)
  return (JSON.parse(line) as { data: DevnetJson }).data
}

async function isAnswering(rpcUrl: string): Promise<boolean> {
  try {
    const chain = await openChain({ rpcUrl, expectedChainId: 31_337, timeoutMs: 2_000 })
    chain.close()
    return true
  } catch {
    return false
  }
}

async function deploy({ rpcUrl, accounts }: DevnetJson): Promise<DeployJson> {
  const host = accounts.find(({ role }) => role === 'model-host')
  const { json, stderr } = await runCommand(['deploy', '--rpc-url', rpcUrl, '--yes', '--json'], {
    cwd,
    env: { FLOCK_PRIVATE_KEY: host?.privateKey },
  })
  if (json?.success !== true) throw new Error(stderr)
  return json.data as DeployJson
}

describe('flock devnet', () => {
  it('prints addresses and keys, and ends with status 0 and without a chain on Ctrl-C', async () => {
    const command = start()

    await command.waitFor(/Press Ctrl-C/)
    const [, rpcUrl] = await command.waitFor(/RPC +(http:\S+)/)
    expect(await isAnswering(rpcUrl ?? '')).toBe(true)
    command.child.kill('SIGINT')
    const { code, stdout } = await command.result

    expect(code).toBe(0)
    expect(await isAnswering(rpcUrl ?? '')).toBe(false)
    expect(stdout).toMatch(/InfernetRegistry +0x663F3ad617193148711d28f5334eE4Ed07016602/)
    expect(stdout).toMatch(/Wallet of the node +0x60985ee8192B322c3CAbA97A9A9f7298bdc4335C/)
    expect(stdout).toMatch(/1 +infernet-node +0x70997970C51812dc3A010C7d01b50e0d17dc79C8 +0x59c6995e/)
    expect(stdout).toContain(join(cwd, 'deployments', '31337.json'))
  })

  it('prints one JSON document when it is ready, and nothing more until SIGTERM ends it', async () => {
    const command = start('--json')
    const devnet = await ready(command)

    const record = readDeploymentRecord(join(cwd, 'deployments'), 31_337)
    command.child.kill('SIGTERM')
    const { code, stdout } = await command.result

    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(devnet).toMatchObject({ chainId: 31_337, restored: false })
    expect(devnet.accounts).toHaveLength(16)
    expect(devnet.contracts.UsageMeter).toBe(record?.contracts.UsageMeter?.address)
    expect(await isAnswering(devnet.rpcUrl)).toBe(false)
  })

  it('leaves no chain behind when it is killed', async () => {
    const command = start('--json')
    const { rpcUrl } = await ready(command)

    command.child.kill('SIGKILL')
    await command.result

    while (await isAnswering(rpcUrl)) await sleep(20)
  })

  it('keeps the chain between runs with --state, also when it was killed', async () => {
    const state = join(cwd, 'kept', 'chain.json')
    const first = start('--json', '--state', state)
    const { consumer } = await deploy(await ready(first))
    first.child.kill('SIGKILL')
    await first.result
    while (!existsSync(state)) await sleep(20)

    const devnet = await ready(start('--json', '--state', state))
    const again = await deploy(devnet)

    expect(devnet.restored).toBe(true)
    expect(devnet.contracts.ModelHostConsumer).toBe(consumer)
    expect(again).toMatchObject({ changed: false, consumer })
  })

  it('begins anew without --state, so that the next deployment starts over', async () => {
    const first = start('--json')
    await deploy(await ready(first))
    first.child.kill('SIGTERM')
    await first.result

    const devnet = await ready(start('--json'))

    expect(devnet.contracts.ModelHostConsumer).toBeUndefined()
    expect((await deploy(devnet)).changed).toBe(true)
  })

  it('writes its record where it is told', async () => {
    const devnet = await ready(start('--json', '--deployments', join(cwd, 'elsewhere')))

    expect(devnet.recordFile).toBe(join(cwd, 'elsewhere', '31337.json'))
    expect(existsSync(devnet.recordFile)).toBe(true)
  })

  it('names a port that is taken', async () => {
    const server = await startHttpServer(() => undefined)

    const result = await runCommand(['devnet', '--port', String(server.port), '--json'], { cwd })
    await server.close()

    expect(result.code).toBe(8)
    expect(result.json?.errors[0]).toMatchObject({ code: 'PORT_IN_USE' })
    expect(result.json?.errors[0]?.message).toContain(String(server.port))
  })

  it.each([
    ['--port', '70000'],
    ['--port', 'http'],
    ['--block-time', '0'],
    ['--block-time', 'fast'],
  ])('refuses %s %s', async (flag, value) => {
    const result = await runCommand(['devnet', flag, value, '--json'], { cwd })

    expect(result.code).toBe(2)
    expect(result.json?.errors[0]).toMatchObject({ code: 'USAGE_INVALID' })
    expect(result.json?.errors[0]?.message).toContain(flag)
  })
})
