/** Reads metered usage from the chain's logs, newest first. */
import { usageMeterArtifact } from '../abi/usage-meter.js'
import { eventTopic, parseLogs, type ParsedLog } from '../chain/contracts.js'
import { getLogsInRanges, type ChainLog } from '../chain/logs.js'
import type { Address, Hex } from '../hex.js'
import type { RewardsPlace } from './place.js'
import { LOG_RANGE } from './place.js'

/** One answer that was paid. `fee` is the sum of its three parts; all amounts in base units of the payment token. */
export interface UsageRecord {
  readonly requestId: Hex
  readonly modelId: Hex
  readonly node: Address
  /** Null when the request was made before the blocks that were read. */
  readonly requester: Address | null
  readonly interval: number
  readonly promptTokens: bigint
  readonly completionTokens: bigint
  readonly fee: bigint
  readonly hostPart: bigint
  readonly trainingPart: bigint
  readonly validatorPart: bigint
  readonly refund: bigint
  readonly blockNumber: number
  readonly txHash: Hex
  readonly logIndex: number
}

export interface UsageFilter {
  readonly modelId: Hex | null
  /** First block to look at; null for the block of the contracts' deployment. */
  readonly fromBlock: number | null
  /** Most records; the newest are kept. */
  readonly limit: number
}

export interface UsageList {
  /** Newest first. */
  readonly records: readonly UsageRecord[]
  /** Blocks that were read, both included. Older records exist beyond `fromBlock` only when `limit` was reached. */
  readonly fromBlock: number
  readonly toBlock: number
}

/**
 * Reads ranges of blocks from the newest backwards until `limit` records are found or the first block is reached.
 * @param maxRange most blocks in one question to the node
 */
export async function readUsage(
  place: RewardsPlace,
  filter: UsageFilter,
  maxRange = LOG_RANGE,
): Promise<UsageList> {
  const head = await place.chain.provider.getBlockNumber()
  const first = Math.max(filter.fromBlock ?? place.fromBlock, place.fromBlock)
  const records: UsageRecord[] = []
  const requesters = new Map<Hex, Address>()
  let from = head + 1
  while (from > first && records.length < filter.limit) {
    const to = from - 1
    from = Math.max(first, to - maxRange + 1)
    const events = await readEvents(place, filter.modelId, { fromBlock: from, toBlock: to, maxRange })
    for (const { name, args } of events) {
      if (name === 'RequestOpened') requesters.set(args['requestId'] as Hex, args['requester'] as Address)
    }
    records.push(
      ...events
        .filter(({ name }) => name === 'UsageRecorded')
        .map(recordOf)
        .reverse(),
    )
  }
  const named = records
    .slice(0, filter.limit)
    .map((record) => ({ ...record, requester: requesters.get(record.requestId) ?? null }))
  return { records: named, fromBlock: Math.min(from, head), toBlock: head }
}

async function readEvents(
  place: RewardsPlace,
  modelId: Hex | null,
  range: { readonly fromBlock: number; readonly toBlock: number; readonly maxRange: number },
): Promise<ParsedLog[]> {
  const kinds = [
    eventTopic(usageMeterArtifact, 'UsageRecorded'),
    eventTopic(usageMeterArtifact, 'RequestOpened'),
  ]
  const logs: ChainLog[] = []
  const query = {
    address: place.usageMeter,
    topics: [kinds, null, modelId],
    ...range,
  }
  for await (const found of getLogsInRanges(place.chain, query)) logs.push(...found)
  return parseLogs(usageMeterArtifact, logs)
}

function recordOf({ args, log }: ParsedLog): UsageRecord {
  const usage = args as unknown as Omit<UsageRecord, 'interval'> & { readonly interval: bigint }
  return {
    requestId: usage.requestId,
    modelId: usage.modelId,
    node: usage.node,
    requester: null,
    interval: Number(usage.interval),
    promptTokens: usage.promptTokens,
    completionTokens: usage.completionTokens,
    fee: usage.fee,
    hostPart: usage.hostPart,
    trainingPart: usage.trainingPart,
    validatorPart: usage.validatorPart,
    refund: usage.refund,
    blockNumber: log.blockNumber,
    txHash: log.transactionHash,
    logIndex: log.logIndex,
  }
}
