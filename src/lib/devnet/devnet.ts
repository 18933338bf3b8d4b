/** Starts and stops the local chain with everything that FLock needs on it. */
import { accessSync, constants, mkdirSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { openChain, type Chain } from '../chain/provider.js'
import { journalPath } from '../deploy/journal.js'
import {
  contractAddresses,
  emptyRecord,
  readDeploymentRecord,
  recordPath,
  writeDeploymentRecord,
  type ContractName,
  type DeploymentRecord,
} from '../deploy/record.js'
import { FlockError, messageOf } from '../errors.js'
import type { Address } from '../hex.js'
import type { Logger } from '../log.js'
import { devnetAccounts, type DevnetAccount } from './accounts.js'
import { assembleDevnet, recoverDevnet } from './assemble.js'
import { LOCAL_CHAIN_ID, startChainProcess, type ChainProcess } from './chain-process.js'
import { STARTER_KIT_NODE_WALLET } from './devnet-contracts.js'

export interface DevnetOptions {
  /** 0 takes a free one. */
  readonly port: number
  readonly host?: string
  /** Seconds between blocks; without it each transaction is mined at once. */
  readonly blockTimeSec?: number
  /** File that keeps the chain between runs. */
  readonly statePath?: string
  /** Folder of deployment records. */
  readonly recordDir: string
  readonly log: Logger
  /** Ends the start; a devnet that runs is ended by `close`. */
  readonly signal?: AbortSignal
}

export interface Devnet {
  readonly chainId: number
  readonly port: number
  readonly rpcUrl: string
  readonly accounts: readonly DevnetAccount[]
  readonly record: DeploymentRecord
  readonly contracts: Readonly<Partial<Record<ContractName, Address>>>
  readonly recordFile: string
  /** Infernet wallet of the node account. */
  readonly nodeWallet: Address
  /** True when the chain was kept from an earlier run. */
  readonly isRestored: boolean
  /** Settles when the chain is gone, wanted or not. */
  readonly exited: Promise<number | null>
  readonly close: () => Promise<void>
}

const RPC_TIMEOUT_MS = 10_000
const NETWORK_NAME = 'local'

/**
 * Starts a chain, puts everything on it and records where it stands.
 * @throws ANVIL_MISSING, PORT_IN_USE, CHAIN_START_FAILED, PATH_UNWRITABLE, RECORD_INVALID, INTERRUPTED
 */
export async function startDevnet(options: DevnetOptions): Promise<Devnet> {
  const { log, recordDir, signal } = options
  if (options.statePath !== undefined) requireWritable(options.statePath)
  const running = await startChainProcess({
    port: options.port,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.statePath === undefined ? {} : { statePath: resolve(options.statePath) }),
    ...(signal === undefined ? {} : { signal }),
  })
  log.info('chain started', { rpcUrl: running.rpcUrl })
  try {
    const accounts = devnetAccounts()
    const { record, isRestored } = await withChain(running, signal, async (chain) => {
      const furnished = await furnish(chain, accounts, options)
      await mineAtIntervals(chain, options.blockTimeSec)
      return furnished
    })
    const recordFile = recordPath(recordDir, LOCAL_CHAIN_ID)
    log.info(isRestored ? 'contracts found' : 'contracts deployed', { recordFile })
    const { port, rpcUrl, exited, close } = running
    return {
      chainId: LOCAL_CHAIN_ID,
      port,
      rpcUrl,
      accounts,
      record,
      contracts: contractAddresses(record),
      recordFile,
      nodeWallet: STARTER_KIT_NODE_WALLET,
      isRestored,
      exited,
      close,
    }
  } catch (error) {
    await running.close()
    throw error
  }
}

async function withChain<T>(
  { rpcUrl }: ChainProcess,
  signal: AbortSignal | undefined,
  work: (chain: Chain) => Promise<T>,
): Promise<T> {
  const chain = await openChain({
    rpcUrl,
    expectedChainId: LOCAL_CHAIN_ID,
    timeoutMs: RPC_TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  })
  try {
    return await work(chain)
  } finally {
    chain.close()
  }
}

async function furnish(
  chain: Chain,
  accounts: readonly DevnetAccount[],
  { recordDir, signal }: DevnetOptions,
): Promise<{ record: DeploymentRecord; isRestored: boolean }> {
  const workshop = { chain, accounts, ...(signal === undefined ? {} : { signal }) }
  const isRestored = (await chain.provider.getBlockNumber()) > 0
  const empty = emptyRecord(LOCAL_CHAIN_ID, NETWORK_NAME)
  const record = isRestored
    ? await recoverDevnet(workshop, readDeploymentRecord(recordDir, LOCAL_CHAIN_ID) ?? empty)
    : await assembleDevnet(workshop, empty)
  // What was written down about an earlier chain would only mislead.
  if (!isRestored) rmSync(journalPath(recordDir, LOCAL_CHAIN_ID), { force: true })
  writeDeploymentRecord(recordDir, record)
  return { record, isRestored }
}

/** Everything was mined at once until here, which is what makes the start quick. */
async function mineAtIntervals(chain: Chain, blockTimeSec: number | undefined): Promise<void> {
  if (blockTimeSec !== undefined) await chain.provider.send('evm_setIntervalMining', [blockTimeSec])
}

/** The chain writes its state when it ends, too late to tell that it cannot. */
function requireWritable(statePath: string): void {
  try {
    const folder = dirname(resolve(statePath))
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
  } catch (error) {
    throw new FlockError('PATH_UNWRITABLE', `${statePath} cannot be written: ${messageOf(error)}.`, {
      cause: error,
      details: { file: statePath },
    })
  }
}
