import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { openChain } from '../../../src/lib/chain/provider.js'
import { devnetAccounts } from '../../../src/lib/devnet/accounts.js'
import { resolveAnvil, startChainProcess } from '../../../src/lib/devnet/chain-process.js'
import { sleep } from '../../../src/lib/retry.js'
import { anvilRequest, startAnvil } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'
import { closedPort, startHttpServer } from '../../helpers/http-server.js'

const holder = new URL('../../fixtures/programs/hold-chain.mjs', import.meta.url).pathname

let folder: string
const children: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flock-chain-'))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

describe('startChainProcess', () => {
  it('starts a chain with the funded accounts of the devnet on a free port', async () => {
    const { chain, close } = await startAnvil()

    expect(chain.chainId).toBe(31_337)
    const balances = await Promise.all(
      devnetAccounts().map(({ address }) => chain.provider.getBalance(address)),
    )
    expect(balances).toHaveLength(16)
    expect(balances.every((balance) => balance > 0n)).toBe(true)
    await close()
  })

  it('is gone when it was closed', async () => {
    const chain = await startChainProcess({ port: 0 })

    await chain.close()

    await chain.exited
    expect(await isAnswering(chain.rpcUrl)).toBe(false)
  })

  it('mines at intervals when a block time is given', async () => {
    const { chain, close } = await startAnvil({ blockTimeSec: 1 })

    while ((await chain.provider.getBlockNumber()) < 2) await sleep(50)

    await close()
  })

  it('keeps the chain between runs in a state file', async () => {
    const statePath = join(folder, 'state.json')
    const first = await startAnvil({ statePath })
    await anvilRequest(first.chain, 'anvil_mine', ['0x7'])
    await first.close()

    const second = await startAnvil({ statePath })

    expect(await second.chain.provider.getBlockNumber()).toBe(7)
    await second.close()
  })

  it('names the port that is taken', async () => {
    const server = await startHttpServer(() => undefined)

    const error = await caught(startChainProcess({ port: server.port }))

    expect(error.code).toBe('PORT_IN_USE')
    expect(error.message).toContain(`Port ${server.port} on 127.0.0.1 is taken`)
    await server.close()
  })

  it('names an address that is not of this machine', async () => {
    const error = await caught(startChainProcess({ port: await closedPort(), host: '192.0.2.1' }))

    expect(error.code).toBe('CHAIN_START_FAILED')
    expect(error.message).toContain('192.0.2.1')
  })

  it('passes on why the chain did not start', async () => {
    const statePath = join(folder, 'state.json')
    writeFileSync(statePath, 'no state at all')

    const error = await caught(startChainProcess({ port: 0, statePath }))

    expect(error.code).toBe('CHAIN_START_FAILED')
    expect(error.hint).toContain('state file')
  })

  it('tells when the program to run is missing', async () => {
    const error = await caught(startChainProcess({ port: 0, anvilPath: join(folder, 'anvil') }))

    expect(error.code).toBe('CHAIN_START_FAILED')
  })

  it('stops a chain that is being started when the signal aborts', async () => {
    const silent = join(folder, 'silent-anvil')
    writeFileSync(silent, '#!/bin/sh\nexec sleep 60\n')
    chmodSync(silent, 0o755)
    const stop = new AbortController()

    const start = caught(startChainProcess({ port: 0, anvilPath: silent, signal: stop.signal }))
    stop.abort()

    expect((await start).code).toBe('INTERRUPTED')
  })

  it('finds the binary itself, not the script in front of it', () => {
    expect(resolveAnvil()).toMatch(/anvil-[a-z0-9]+-[a-z0-9]+\/bin\/anvil/)
  })
})

describe('a chain whose starter dies', () => {
  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('ends and saves its state after %s', async (signal) => {
    const statePath = join(folder, 'state.json')
    const child = spawn(process.execPath, [holder, JSON.stringify({ port: 0, statePath })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const rpcUrl = line.toString('utf8').trim()
    expect(await isAnswering(rpcUrl)).toBe(true)

    child.kill(signal)
    await once(child, 'exit')

    while (await isAnswering(rpcUrl)) await sleep(20)
    while (!existsSync(statePath)) await sleep(20)
  })
})

async function isAnswering(rpcUrl: string): Promise<boolean> {
  try {
    const chain = await openChain({ rpcUrl, expectedChainId: 31_337, timeoutMs: 2_000 })
    chain.close()
    return true
  } catch {
    return false
  }
}
