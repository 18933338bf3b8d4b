import { getCreateAddress } from 'ethers/address'
import { eip712CoordinatorArtifact } from '../../src/lib/abi/eip712-coordinator.js'
import { feeArtifact } from '../../src/lib/abi/fee.js'
import { inboxArtifact } from '../../src/lib/abi/inbox.js'
import { infernetRegistryArtifact } from '../../src/lib/abi/infernet-registry.js'
import { readerArtifact } from '../../src/lib/abi/reader.js'
import { walletFactoryArtifact } from '../../src/lib/abi/wallet-factory.js'
import type { ContractArtifact } from '../../src/lib/chain/artifact.js'
import { encodeCall, encodeDeploy, parseLogs, readContract } from '../../src/lib/chain/contracts.js'
import { createSigner, type ChainSigner } from '../../src/lib/chain/signer.js'
import { sendTransaction, type TransactionRequest } from '../../src/lib/chain/transact.js'
import type { MinedTransaction } from '../../src/lib/chain/wait.js'
import { devnetAccounts } from '../../src/lib/devnet/accounts.js'
import type { ChainProcessOptions } from '../../src/lib/devnet/chain-process.js'
import type { Address, Hex } from '../../src/lib/hex.js'
import { parseNodeConfig } from '../../src/lib/infernet/node-config.js'
import type { DelegatedIntake } from '../../src/lib/node/delegated-intake.js'
import { createInfernetNode } from '../../src/lib/node/node.js'
import type { InfernetNodeOptions } from '../../src/lib/node/node-options.js'
import type { NodeEvent } from '../../src/lib/node/events.js'
import { anvilRequest, startAnvil, type TestChain } from './anvil.js'
import { compileContract } from './compile.js'

export interface ConsumerAnswer {
  readonly subscriptionId: bigint
  readonly interval: bigint
  readonly node: Address
  readonly output: Hex
}

/** A local chain with the Infernet contracts and a consumer that asks for whatever a test wants. */
export interface NodeWorld extends TestChain {
  readonly registry: Address
  readonly coordinator: Address
  readonly consumer: Address
  /** Sends a call of the consumer from the requester's account. */
  call(fn: string, args: readonly unknown[]): Promise<MinedTransaction>
  /** Creates a subscription owned by the requester's account, by the Coordinator's own arguments. */
  subscribe(args: readonly unknown[]): Promise<MinedTransaction>
  /** Creates a subscription and returns its id. */
  ask(containers: string, options?: Partial<AskOptions>): Promise<number>
  answers(): Promise<ConsumerAnswer[]>
  /** Moves the chain's time and mines a block. */
  advance(seconds: number): Promise<void>
  mine(): Promise<void>
  send(method: string, params?: readonly unknown[]): Promise<unknown>
}

export interface AskOptions {
  readonly frequency: number
  readonly period: number
  readonly redundancy: number
  readonly inputs: Hex
}

const DEPLOYER = 2
const REQUESTER = 3
const WAIT = { confirmations: 1, timeoutMs: 20_000, revertInterfaces: [] as ContractArtifact[] }

export function privateKeyOf(index: number): Hex {
  const account = devnetAccounts()[index]
  if (account === undefined) throw new Error(`there is no account ${index}`)
  return account.privateKey
}

/** Compiled once for all worlds of a test file. */
let consumerArtifact: ContractArtifact | undefined

export async function createNodeWorld(options: Partial<ChainProcessOptions> = {}): Promise<NodeWorld> {
  const test = await startAnvil(options)
  const { chain } = test
  consumerArtifact ??= compileContract('contracts/test/mocks/node/NodeTestConsumer.sol')
  const artifact = consumerArtifact
  const interfaces = [artifact, eip712CoordinatorArtifact]
  const deployer = createSigner(privateKeyOf(DEPLOYER), chain)
  const requester = createSigner(privateKeyOf(REQUESTER), chain)
  const transact = (signer: ChainSigner, request: TransactionRequest) =>
    sendTransaction(chain, signer, request, { ...WAIT, revertInterfaces: interfaces })
  const deploy = async (contract: ContractArtifact, args: readonly unknown[]): Promise<Address> => {
    const mined = await transact(deployer, { to: null, data: encodeDeploy(contract, args) })
    return mined.contractAddress as Address
  }

  const planned = [1, 2, 3, 4, 5].map((nonce) => getCreateAddress({ from: deployer.address, nonce }))
  const registry = await deploy(infernetRegistryArtifact, planned)
  const coordinator = await deploy(eip712CoordinatorArtifact, [registry])
  await deploy(inboxArtifact, [registry])
  await deploy(readerArtifact, [registry])
  await deploy(feeArtifact, [deployer.address, 0])
  await deploy(walletFactoryArtifact, [registry])
  const consumer = await deploy(artifact, [registry])

  const call = (fn: string, args: readonly unknown[]) =>
    transact(requester, { to: consumer, data: encodeCall(artifact, fn, args) })
  const send = (method: string, params: readonly unknown[] = []) => anvilRequest(chain, method, params)
  const mine = async () => {
    await send('evm_mine')
  }
  return {
    ...test,
    registry,
    coordinator,
    consumer,
    call,
    subscribe: (args) =>
      transact(requester, {
        to: coordinator,
        data: encodeCall(eip712CoordinatorArtifact, 'createSubscription', args),
      }),
    ask: async (containers, { frequency = 1, period = 0, redundancy = 1, inputs = '0x' } = {}) => {
      const mined = await call('ask', [containers, frequency, period, redundancy, inputs])
      const [created] = parseLogs(eip712CoordinatorArtifact, mined.logs)
      return Number(created?.args.id)
    },
    answers: async () => {
      const count = await readContract<bigint>(chain, artifact, consumer, 'answerCount')
      const positions = Array.from({ length: Number(count) }, (_, position) => position)
      return Promise.all(
        positions.map((position) =>
          readContract<ConsumerAnswer>(chain, artifact, consumer, 'answerAt', [position]),
        ),
      )
    },
    advance: async (seconds) => {
      await send('evm_increaseTime', [seconds])
      await mine()
    },
    mine,
    send,
  }
}

/** A node at work whose events can be waited for. */
export interface WatchedNode {
  readonly address: Address
  readonly port: number
  readonly events: readonly NodeEvent[]
  readonly intake: DelegatedIntake
  /** The first event so far or to come that fits. */
  waitFor<T extends NodeEvent['type']>(
    type: T,
    fits?: (event: Extract<NodeEvent, { type: T }>) => boolean,
  ): Promise<Extract<NodeEvent, { type: T }>>
  countOf(type: NodeEvent['type']): number
  stop(): Promise<void>
}

export interface NodeSettings {
  readonly journalPath: string
  /** Container id -> base URL. */
  readonly containers: Readonly<Record<string, string>>
  /** Number of the devnet account that signs. */
  readonly account?: number
  /** Merged into each container of the configuration. */
  readonly container?: object
  readonly maxGasLimit?: number
  /** Merged into chain.wallet of the configuration. */
  readonly wallet?: object
  readonly options?: Partial<InfernetNodeOptions>
}

export async function startNode(world: NodeWorld, settings: NodeSettings): Promise<WatchedNode> {
  const { config } = parseNodeConfig({
    manage_containers: false,
    server: { port: 0 },
    chain: {
      enabled: true,
      rpc_url: world.rpcUrl,
      registry_address: world.registry,
      trail_head_blocks: 0,
      wallet: { max_gas_limit: settings.maxGasLimit ?? 5_000_000, ...settings.wallet },
    },
    containers: Object.entries(settings.containers).map(([id, url]) => ({ id, url, ...settings.container })),
  })
  const node = await createInfernetNode({
    chain: world.chain,
    signer: createSigner(privateKeyOf(settings.account ?? 1), world.chain),
    config,
    journalPath: settings.journalPath,
    now: Date.now,
    pollMs: 25,
    restHost: '127.0.0.1',
    retry: { attempts: 3, delayMs: 20 },
    ...settings.options,
  })
  const events: NodeEvent[] = []
  const watchers = new Set<() => void>()
  const ended = (async () => {
    for await (const event of node.run()) {
      events.push(event)
      for (const watch of [...watchers]) watch()
    }
  })()
  ended.catch(() => undefined)
  return {
    address: node.about.address,
    port: node.about.port,
    events,
    intake: node.intake,
    countOf: (type) => events.filter((event) => event.type === type).length,
    waitFor: (type, fits = () => true) =>
      new Promise((resolve, reject) => {
        type Wanted = Extract<NodeEvent, { type: typeof type }>
        const look = () => {
          const found = events.find((event): event is Wanted => event.type === type && fits(event as Wanted))
          if (found === undefined) return false
          watchers.delete(look)
          resolve(found)
          return true
        }
        if (look()) return
        watchers.add(look)
        const missed = (error?: unknown) => {
          if (!look())
            reject(new Error(`${type} did not come: ${JSON.stringify(events, String)}`, { cause: error }))
        }
        ended.then(() => missed(), missed)
      }),
    stop: async () => {
      await node.close()
      await ended
    },
  }
}
