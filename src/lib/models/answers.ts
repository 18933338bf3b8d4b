/** Reads the answers to requests from the chain's logs, as they come. */
import { modelHostConsumerArtifact } from '../abi/model-host-consumer.js'
import { usageMeterArtifact } from '../abi/usage-meter.js'
import { eventTopic, parseLogs } from '../chain/contracts.js'
import { getLogsInRanges, type ChainLog } from '../chain/logs.js'
import type { Chain } from '../chain/provider.js'
import { FlockError } from '../errors.js'
import { hexToBytes, type Address, type Hex } from '../hex.js'
import { sleep } from '../retry.js'
import { requestFromLogs, type OpenedRequest } from './request.js'

/** One accepted answer and what it cost. `fee` is the sum of its three parts; all amounts in base units. */
export interface Answer {
  readonly interval: number
  readonly node: Address
  /** Null when the host's consumer does not publish answers. */
  readonly text: string | null
  readonly promptTokens: bigint
  readonly completionTokens: bigint
  readonly fee: bigint
  readonly hostPart: bigint
  readonly trainingPart: bigint
  readonly validatorPart: bigint
  /** What of this answer's escrow went back to the requester's balance. */
  readonly refund: bigint
  readonly txHash: Hex
  readonly blockNumber: number
}

/** What a request came to by a block: its answers, and whether it was ended before all of them arrived. */
export interface RequestProgress {
  readonly answers: readonly Answer[]
  readonly isClosed: boolean
}

export interface WatchOptions {
  /** Blocks that must hold an answer, its own included. */
  readonly confirmations: number
  /** Ends the watch with INTERRUPTED. */
  readonly signal: AbortSignal
  /** Ends the watch quietly: whoever waits has waited long enough. */
  readonly patience: AbortSignal
}

const LOG_RANGE = 10_000

/**
 * Finds a request by its id.
 * @param fromBlock block from which the meter exists
 * @throws REQUEST_NOT_FOUND
 */
export async function findRequest(
  chain: Chain,
  usageMeter: Address,
  requestId: Hex,
  fromBlock: number,
): Promise<OpenedRequest> {
  const query = {
    address: usageMeter,
    topics: [eventTopic(usageMeterArtifact, 'RequestOpened'), requestId],
    fromBlock,
    toBlock: await chain.provider.getBlockNumber(),
    maxRange: LOG_RANGE,
  }
  for await (const logs of getLogsInRanges(chain, query)) {
    const request = requestFromLogs(usageMeter, logs)
    if (request !== null) return request
  }
  throw new FlockError('REQUEST_NOT_FOUND', `No request ${requestId} was made on chain ${chain.chainId}.`, {
    details: { requestId, chainId: chain.chainId },
    hint: 'Check the id and the network.',
  })
}

/** Reads what a request came to between two blocks, both included. */
export async function readProgress(
  chain: Chain,
  usageMeter: Address,
  request: OpenedRequest,
  range: { readonly fromBlock: number; readonly toBlock: number },
): Promise<RequestProgress> {
  const topics = [
    eventTopic(modelHostConsumerArtifact, 'AnswerReceived'),
    eventTopic(usageMeterArtifact, 'UsageRecorded'),
    eventTopic(usageMeterArtifact, 'RequestClosed'),
  ]
  const found: ChainLog[] = []
  const query = {
    address: [request.consumer, usageMeter],
    topics: [topics, request.requestId],
    ...range,
    maxRange: LOG_RANGE,
  }
  for await (const logs of getLogsInRanges(chain, query)) found.push(...logs)
  return progressOf(usageMeter, request.consumer, found)
}

/**
 * Yields answers as they are delivered, until all have come, the request is ended, its deadline has passed on chain or
 * `patience` aborts. Looks once at least.
 * @throws INTERRUPTED when `signal` aborts
 */
export async function* watchAnswers(
  chain: Chain,
  usageMeter: Address,
  request: OpenedRequest,
  options: WatchOptions,
): AsyncGenerator<Answer> {
  let missing = request.intervals * request.redundancy
  let fromBlock = request.blockNumber
  for (;;) {
    const toBlock = (await chain.provider.getBlockNumber()) - (options.confirmations - 1)
    if (toBlock >= fromBlock) {
      const { answers, isClosed } = await readProgress(chain, usageMeter, request, { fromBlock, toBlock })
      yield* answers
      missing -= answers.length
      fromBlock = toBlock + 1
      if (missing <= 0 || isClosed || (await isOver(chain, request, toBlock))) return
    }
    if (options.patience.aborted) return
    await pause(chain.pollIntervalMs, options)
  }
}

function progressOf(usageMeter: Address, consumer: Address, logs: readonly ChainLog[]): RequestProgress {
  const metered = parseLogs(
    usageMeterArtifact,
    logs.filter((log) => log.address === usageMeter),
  )
  const published = parseLogs(
    modelHostConsumerArtifact,
    logs.filter((log) => log.address === consumer),
  )
  const answers = metered
    .filter(({ name }) => name === 'UsageRecorded')
    .map(({ args, log }) => {
      const usage = args as unknown as UsageRecordedArgs
      const own = published.find(
        (event) =>
          event.name === 'AnswerReceived' &&
          event.log.transactionHash === log.transactionHash &&
          event.args['interval'] === usage.interval &&
          event.args['node'] === usage.node,
      )
      return answerOf(usage, own === undefined ? null : (own.args['answer'] as Hex), log)
    })
  return { answers, isClosed: metered.some(({ name }) => name === 'RequestClosed') }
}

interface UsageRecordedArgs {
  readonly interval: bigint
  readonly node: Address
  readonly promptTokens: bigint
  readonly completionTokens: bigint
  readonly fee: bigint
  readonly hostPart: bigint
  readonly trainingPart: bigint
  readonly validatorPart: bigint
  readonly refund: bigint
}

function answerOf(usage: UsageRecordedArgs, bytes: Hex | null, log: ChainLog): Answer {
  return {
    interval: Number(usage.interval),
    node: usage.node,
    text: bytes === null ? null : new TextDecoder().decode(hexToBytes(bytes)),
    promptTokens: usage.promptTokens,
    completionTokens: usage.completionTokens,
    fee: usage.fee,
    hostPart: usage.hostPart,
    trainingPart: usage.trainingPart,
    validatorPart: usage.validatorPart,
    refund: usage.refund,
    txHash: log.transactionHash,
    blockNumber: log.blockNumber,
  }
}

async function isOver(chain: Chain, request: OpenedRequest, blockNumber: number): Promise<boolean> {
  const block = await chain.provider.getBlock(blockNumber)
  return block !== null && block.timestamp > request.deadline
}

/** Sleeps until the next look; `patience` only wakes it. */
async function pause(ms: number, { signal, patience }: WatchOptions): Promise<void> {
  try {
    await sleep(ms, AbortSignal.any([signal, patience]))
  } catch (error) {
    if (signal.aborted || !patience.aborted) throw error
  }
}
