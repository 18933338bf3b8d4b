import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openChain, type Chain } from '../../src/lib/chain/provider.js'
import type { DevnetAccount, DevnetRole } from '../../src/lib/devnet/accounts.js'
import { accountOf } from '../../src/lib/devnet/assemble.js'
import { startDevnet, type Devnet, type DevnetOptions } from '../../src/lib/devnet/devnet.js'
import { silentLogger } from '../../src/lib/log.js'

export interface TestDevnet {
  readonly devnet: Devnet
  readonly chain: Chain
  readonly recordDir: string
  /** The first account of a role. */
  readonly account: (role: DevnetRole) => DevnetAccount
  readonly close: () => Promise<void>
}

/** A devnet on a free port with a folder of its own for records, and a connection to it. */
export async function startTestDevnet(options: Partial<DevnetOptions> = {}): Promise<TestDevnet> {
  const folder = options.recordDir === undefined ? mkdtempSync(join(tmpdir(), 'flock-devnet-')) : null
  const recordDir = options.recordDir ?? join(folder ?? '', 'deployments')
  const devnet = await startDevnet({ port: 0, log: silentLogger, ...options, recordDir })
  const chain = await openChain({ rpcUrl: devnet.rpcUrl, expectedChainId: devnet.chainId, timeoutMs: 10_000 })
  const close = async () => {
    chain.close()
    await devnet.close()
    if (folder !== null) rmSync(folder, { recursive: true, force: true })
  }
  return { devnet, chain, recordDir, account: (role) => accountOf(devnet.accounts, role), close }
}
