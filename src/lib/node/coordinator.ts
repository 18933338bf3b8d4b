/** Reads the Infernet contracts and the blocks of one chain, as a node needs them. */
import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { infernetRegistryArtifact } from '../abi/infernet-registry.js'
import { readerArtifact } from '../abi/reader.js'
import type { ContractArtifact } from '../chain/artifact.js'
import { readContract, requireCode, type BlockTag } from '../chain/contracts.js'
import type { Chain } from '../chain/provider.js'
import type { RpcHeader } from '../chain/rpc.js'
import { isFlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import type { Subscription } from '../infernet/subscription.js'
import { createCoordinatorLogs, type CoordinatorLogs } from './coordinator-events.js'

export interface Head {
  readonly number: number
  readonly hash: Hex
  readonly parentHash: Hex
  readonly timestampSec: number
  /** Null when the endpoint does not tell it. */
  readonly logsBloom: Hex | null
  /** Wei per gas; absent on chains without one (EIP-1559). */
  readonly baseFeePerGas?: bigint
}

/** Heads as they are pushed. */
export interface HeadPushes {
  /** True while a subscription stands. */
  isLive(): boolean
  /** What is returned ends it. */
  listen(onHead: (head: Head) => void): () => void
}

/** Where an answer goes: one interval of one subscription. */
export interface IntervalKey {
  readonly id: number
  readonly interval: number
}

export interface InputsContext {
  /** Time of the chain. */
  readonly timestampSec: number
  /** Account that will deliver. */
  readonly node: Address
  readonly blockTag: BlockTag
}

export interface CoordinatorView {
  readonly coordinator: Address
  /** Null when the endpoint can only be asked. */
  readonly heads: HeadPushes | null
  readonly logs: CoordinatorLogs
  /** Null when the chain has no such block. */
  readHead(block: number | 'latest'): Promise<Head | null>
  /** The highest id in use; 0 when there is none. */
  readLastId(blockTag: BlockTag): Promise<number>
  /** One per id from `fromId` to `toId` inclusive, in order; `owner` is zero where there is none. */
  readSubscriptions(fromId: number, toId: number, blockTag: BlockTag): Promise<Subscription[]>
  /** Accepted deliveries of one interval. */
  readResponses(key: IntervalKey, blockTag: BlockTag): Promise<number>
  /** The same for many at once, in order. */
  readResponsesBatch(keys: readonly IntervalKey[], blockTag: BlockTag): Promise<number[]>
  hasResponded(key: IntervalKey, node: Address, blockTag: BlockTag): Promise<boolean>
  /** What the consumer gives its containers; `0x` when it reverts or is no consumer, as the reference node has it. */
  readInputs(owner: Address, key: IntervalKey, context: InputsContext): Promise<Hex>
}

const CONSUMER: ContractArtifact = {
  contractName: 'Consumer',
  abi: [
    {
      type: 'function',
      name: 'getContainerInputs',
      stateMutability: 'view',
      inputs: [
        { name: 'subscriptionId', type: 'uint32' },
        { name: 'interval', type: 'uint32' },
        { name: 'timestamp', type: 'uint32' },
        { name: 'caller', type: 'address' },
      ],
      outputs: [{ name: '', type: 'bytes' }],
    },
  ],
  bytecode: '0x',
}

/**
 * Finds the contracts behind an Infernet Registry.
 * @throws CONTRACT_MISSING, RPC_UNREACHABLE, RPC_FAILED
 */
export async function openCoordinator(chain: Chain, registry: Address): Promise<CoordinatorView> {
  await requireCode(chain, registry, 'Infernet Registry')
  const [coordinator, reader] = await Promise.all(
    ['COORDINATOR', 'READER'].map((name) =>
      readContract<Address>(chain, infernetRegistryArtifact, registry, name),
    ),
  )
  await Promise.all([
    requireCode(chain, coordinator as Address, 'Infernet Coordinator'),
    requireCode(chain, reader as Address, 'Infernet Reader'),
  ])
  return createView(chain, coordinator as Address, reader as Address)
}

function createView(chain: Chain, coordinator: Address, reader: Address): CoordinatorView {
  const ask = <T>(fn: string, args: readonly unknown[], blockTag: BlockTag) =>
    readContract<T>(chain, eip712CoordinatorArtifact, coordinator, fn, args, blockTag)
  const { heads } = chain
  return {
    coordinator,
    heads: heads && {
      isLive: () => heads.isLive(),
      listen: (onHead) => heads.listen((header) => onHead(toHead(header))),
    },
    logs: createCoordinatorLogs(chain, coordinator),
    readHead: async (block) => {
      const tag = block === 'latest' ? block : `0x${block.toString(16)}`
      const found = (await chain.provider.send('eth_getBlockByNumber', [tag, false])) as RpcHeader | null
      return found === null ? null : toHead(found)
    },
    readLastId: async (blockTag) => Number(await ask<bigint>('id', [], blockTag)) - 1,
    readSubscriptions: async (fromId, toId, blockTag) => {
      const args = [fromId, toId + 1]
      const rows = await readContract<RawSubscription[]>(
        chain,
        readerArtifact,
        reader,
        'readSubscriptionBatch',
        args,
        blockTag,
      )
      return rows.map(toSubscription)
    },
    readResponses: async ({ id, interval }, blockTag) =>
      Number(await ask<bigint>('redundancyCount', [hashKey(['uint32', 'uint32'], [id, interval])], blockTag)),
    readResponsesBatch: async (keys, blockTag) => {
      const args = [keys.map(({ id }) => id), keys.map(({ interval }) => interval)]
      const counts = await readContract<bigint[]>(
        chain,
        readerArtifact,
        reader,
        'readRedundancyCountBatch',
        args,
        blockTag,
      )
      return counts.map(Number)
    },
    hasResponded: ({ id, interval }, node, blockTag) =>
      ask<boolean>(
        'nodeResponded',
        [hashKey(['uint32', 'uint32', 'address'], [id, interval, node])],
        blockTag,
      ),
    readInputs: async (owner, { id, interval }, { timestampSec, node, blockTag }) => {
      try {
        const args = [id, interval, timestampSec, node]
        return await readContract<Hex>(chain, CONSUMER, owner, 'getContainerInputs', args, blockTag)
      } catch (error) {
        if (isFlockError(error) && (error.code === 'TX_REVERTED' || error.code === 'CONTRACT_MISSING'))
          return '0x'
        throw error
      }
    },
  }
}

/** Two subscriptions with one fingerprint ask for the same thing in the same way. */
export function fingerprintOf(subscription: Subscription): Hex {
  const values = SUBSCRIPTION_TYPES.map(([name]) => subscription[name])
  return hashKey(
    SUBSCRIPTION_TYPES.map(([, type]) => type),
    values,
  )
}

const SUBSCRIPTION_TYPES: readonly (readonly [keyof Subscription, string])[] = [
  ['owner', 'address'],
  ['activeAt', 'uint32'],
  ['period', 'uint32'],
  ['frequency', 'uint32'],
  ['redundancy', 'uint16'],
  ['containerId', 'bytes32'],
  ['lazy', 'bool'],
  ['verifier', 'address'],
  ['paymentAmount', 'uint256'],
  ['paymentToken', 'address'],
  ['wallet', 'address'],
]

function toHead({ number, hash, parentHash, timestamp, logsBloom, baseFeePerGas }: RpcHeader): Head {
  return {
    ...(baseFeePerGas === undefined ? {} : { baseFeePerGas: BigInt(baseFeePerGas) }),
    number: Number(number),
    hash: hash as Hex,
    parentHash: parentHash as Hex,
    timestampSec: Number(timestamp),
    logsBloom: (logsBloom ?? null) as Hex | null,
  }
}

type RawSubscription = Omit<Subscription, 'activeAt' | 'period' | 'frequency' | 'redundancy'> &
  Readonly<Record<'activeAt' | 'period' | 'frequency' | 'redundancy', bigint>>

function toSubscription(raw: RawSubscription): Subscription {
  return {
    ...raw,
    activeAt: Number(raw.activeAt),
    period: Number(raw.period),
    frequency: Number(raw.frequency),
    redundancy: Number(raw.redundancy),
  }
}

/** How the Coordinator keys its mappings: keccak256 of 32-byte words. */
export function hashKey(types: readonly string[], values: readonly unknown[]): Hex {
  return keccak256(AbiCoder.defaultAbiCoder().encode([...types], [...values])) as Hex
}
