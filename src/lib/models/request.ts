/** Makes a paid request to a model and reads what came of it. */
import { modelHostConsumerArtifact } from '../abi/model-host-consumer.js'
import { rewardDistributorArtifact } from '../abi/reward-distributor.js'
import { usageMeterArtifact } from '../abi/usage-meter.js'
import { planCall, type PlannedCall } from '../chain/calls.js'
import { parseLogs, readContract } from '../chain/contracts.js'
import { planApprove, readAllowance, readTokenBalance, erc20Artifact } from '../chain/erc20.js'
import type { ChainLog } from '../chain/logs.js'
import type { Chain } from '../chain/provider.js'
import { FlockError } from '../errors.js'
import { bytesToHex, sameAddress, type Address, type Hex } from '../hex.js'
import { FLOCK_DECIMALS, formatAmount } from '../units.js'
import type { Model, Terms } from './model.js'

/** Where requests are metered and paid. */
export interface RequestPlace {
  readonly chain: Chain
  readonly usageMeter: Address
  readonly rewardDistributor: Address
}

export interface RequestChoices {
  /** OpenAI chat-completion body as JSON, or plain prompt text. */
  readonly payload: string
  /** Answers wanted over time; 1 for a one-off request. */
  readonly intervals: number
  /** Seconds between answers; 0 exactly when `intervals` is 1. */
  readonly periodSec: number
  /** Nodes that answer each interval. */
  readonly redundancy: number
  /** True when answers shall be stored in Infernet's Inbox. */
  readonly lazy: boolean
  /** How long the last answer may take before unused escrow can be taken back. */
  readonly timeoutSec: number
  /** Most base units to put in escrow; null takes the quoted cost. */
  readonly maxCost: bigint | null
}

export interface RequestPlan {
  readonly modelId: Hex
  readonly consumer: Address
  readonly requester: Address
  /** Highest fee of one answer, and what goes into escrow for all of them; base units. */
  readonly perAnswer: bigint
  readonly escrow: bigint
  /** What the requester holds of the payment token. */
  readonly balance: bigint
  readonly calls: readonly PlannedCall[]
}

/** A request that was made. `deadline` is in unix seconds; answers after it are refused. */
export interface OpenedRequest {
  readonly requestId: Hex
  readonly subscriptionId: number
  readonly modelId: Hex
  readonly consumer: Address
  readonly requester: Address
  readonly escrow: bigint
  readonly deadline: number
  readonly intervals: number
  readonly redundancy: number
  readonly terms: Terms
  readonly txHash: Hex
  readonly blockNumber: number
}

/** Gas of a request but for its payload, rounded up from what the contracts use. */
const REQUEST_GAS = 700_000n
/** Gas per byte of payload: 200 as contract code, 16 as call data, the rest for copying. */
const GAS_PER_PAYLOAD_BYTE = 260n

/** Contracts whose errors a request may raise, the consumer aside. */
const REQUEST_REVERTS = [usageMeterArtifact, rewardDistributorArtifact, erc20Artifact]

/**
 * The body of a chat with an instruction to the model in front; without one the prompt itself is the payload.
 * @param system instruction, or null
 */
export function renderPayload(prompt: string, system: string | null): string {
  if (system === null) return prompt
  return JSON.stringify({
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: prompt },
    ],
  })
}

/**
 * Prices a request and checks that the requester can pay: an approval of the exact amount when the allowance is too
 * small, then the request itself.
 * @throws STATE_CONFLICT when the model takes no requests, USAGE_INVALID for a schedule or payload that cannot be,
 *   FEE_TOO_HIGH above `maxCost`, FUNDS_INSUFFICIENT, TX_REVERTED when the meter refuses to price it
 */
export async function planRequest(
  place: RequestPlace,
  model: Model,
  requester: Address,
  choices: RequestChoices,
): Promise<RequestPlan> {
  const { chain } = place
  const { modelId, consumer } = model
  requireActive(model)
  requireAnswerable(model, choices)
  await requirePayloadFits(place, choices.payload)
  const paymentToken = await readContract<Address>(
    chain,
    rewardDistributorArtifact,
    place.rewardDistributor,
    'PAYMENT_TOKEN',
  )
  const [[perAnswer, escrow], balance, allowance] = await Promise.all([
    readContract<[bigint, bigint]>(chain, usageMeterArtifact, place.usageMeter, 'quote', [
      modelId,
      choices.intervals,
      choices.redundancy,
    ]),
    readTokenBalance(chain, paymentToken, requester),
    readAllowance(chain, paymentToken, requester, consumer),
  ])
  requireAffordable(requester, { escrow, balance, maxCost: choices.maxCost })
  const needsApproval = allowance < escrow
  const request = planSend(model, { ...choices, maxCost: choices.maxCost ?? escrow }, needsApproval)
  const calls = needsApproval ? [planApprove(paymentToken, consumer, escrow), request] : [request]
  return { modelId, consumer, requester, perAnswer, escrow, balance, calls }
}

/** The request that a transaction made, from its logs; null when it made none. */
export function requestFromLogs(usageMeter: Address, logs: readonly ChainLog[]): OpenedRequest | null {
  const own = logs.filter((log) => log.address === usageMeter)
  const event = parseLogs(usageMeterArtifact, own).find(({ name }) => name === 'RequestOpened')
  if (event === undefined) return null
  const { requestId, request, escrow } = event.args as unknown as RequestOpenedArgs
  return {
    requestId,
    subscriptionId: Number(request.subscriptionId),
    modelId: request.modelId,
    consumer: request.consumer,
    requester: request.requester,
    escrow,
    deadline: Number(request.deadline),
    intervals: Number(request.intervals),
    redundancy: Number(request.redundancy),
    terms: request.terms,
    txHash: event.log.transactionHash,
    blockNumber: event.log.blockNumber,
  }
}

/** What a request's end gave back, from the logs of its transaction; null when none ended. */
export function refundFromLogs(usageMeter: Address, logs: readonly ChainLog[]): bigint | null {
  const own = logs.filter((log) => log.address === usageMeter)
  const event = parseLogs(usageMeterArtifact, own).find(({ name }) => name === 'RequestClosed')
  return event === undefined ? null : (event.args['refund'] as bigint)
}

/** True while answers of a request can still be paid or its escrow taken back. */
export async function isOpen(chain: Chain, usageMeter: Address, requestId: Hex): Promise<boolean> {
  const progress = await readContract<{ deliveriesLeft: bigint }>(
    chain,
    usageMeterArtifact,
    usageMeter,
    'progressOf',
    [requestId],
  )
  return progress.deliveriesLeft > 0n
}

/**
 * Stops a request and gives its unused escrow back to the requester's balance.
 * @throws PERMISSION_DENIED when the sender did not make it
 */
export function planCancel(request: OpenedRequest, sender: Address): PlannedCall {
  const { requestId, requester, consumer, subscriptionId } = request
  if (!sameAddress(requester, sender)) {
    throw new FlockError('PERMISSION_DENIED', `The request ${requestId} belongs to ${requester}.`, {
      details: { requestId, requester, sender },
      hint: `Sign with the key of ${requester}.`,
    })
  }
  return planCall('cancel the request', modelHostConsumerArtifact, consumer, 'cancel', [subscriptionId], {
    alsoReverts: REQUEST_REVERTS,
  })
}

interface RequestOpenedArgs {
  readonly requestId: Hex
  readonly escrow: bigint
  readonly request: {
    readonly consumer: Address
    readonly subscriptionId: bigint
    readonly modelId: Hex
    readonly requester: Address
    readonly terms: Terms
    readonly deadline: bigint
    readonly intervals: bigint
    readonly redundancy: bigint
  }
}

function planSend(model: Model, choices: RequestChoices, needsApproval: boolean): PlannedCall {
  const payload = new TextEncoder().encode(choices.payload)
  const params = { ...choices, modelId: model.modelId, payload: bytesToHex(payload) }
  const gasBudget = REQUEST_GAS + GAS_PER_PAYLOAD_BYTE * BigInt(payload.length)
  return planCall('make the request', modelHostConsumerArtifact, model.consumer, 'request', [params], {
    alsoReverts: REQUEST_REVERTS,
    ...(needsApproval ? { gasBudget } : {}),
  })
}

function requireActive(model: Model): void {
  if (model.status === 'active') return
  throw new FlockError(
    'STATE_CONFLICT',
    `The model ${model.modelId} is ${model.status} and takes no requests.`,
    {
      details: { modelId: model.modelId, status: model.status },
      hint: 'Choose another model: flock models list',
    },
  )
}

// What a contract would refuse is refused here first: once an approval is needed, the request itself can only be tried
// after money was spent on the approval.
function requireAnswerable(model: Model, { intervals, periodSec, redundancy }: RequestChoices): void {
  if (intervals > 1 !== periodSec > 0) {
    throw new FlockError(
      'USAGE_INVALID',
      intervals > 1
        ? `${intervals} intervals need a period between them.`
        : 'A request for one answer has no period.',
      { details: { intervals, periodSec }, hint: 'Give --intervals and --period together.' },
    )
  }
  if (redundancy > model.nodes.length) {
    throw new FlockError(
      'USAGE_INVALID',
      `${redundancy} nodes are asked for each interval; the model lists ${model.nodes.length}.`,
      { details: { redundancy, nodes: model.nodes.length }, hint: `Ask for at most ${model.nodes.length}.` },
    )
  }
}

async function requirePayloadFits({ chain, usageMeter }: RequestPlace, payload: string): Promise<void> {
  const size = BigInt(Buffer.byteLength(payload))
  const most = await readContract<bigint>(chain, usageMeterArtifact, usageMeter, 'MAX_PAYLOAD_BYTES')
  if (size > 0n && size <= most) return
  throw new FlockError(
    'USAGE_INVALID',
    `The prompt is ${size} bytes; 1 to ${most} bytes can be asked on chain.`,
    {
      details: { bytes: size, maxBytes: most },
    },
  )
}

function requireAffordable(
  requester: Address,
  { escrow, balance, maxCost }: { escrow: bigint; balance: bigint; maxCost: bigint | null },
): void {
  const amount = (value: bigint) => formatAmount(value, FLOCK_DECIMALS)
  if (maxCost !== null && escrow > maxCost) {
    throw new FlockError(
      'FEE_TOO_HIGH',
      `The request puts ${amount(escrow)} FLOCK in escrow, allowed are ${amount(maxCost)}.`,
      {
        details: { escrow, maxCost },
        hint: 'Raise the limit, or ask for fewer intervals or less redundancy.',
      },
    )
  }
  if (balance < escrow) {
    throw new FlockError(
      'FUNDS_INSUFFICIENT',
      `${requester} holds ${amount(balance)} of the payment token and needs ${amount(escrow)} for the escrow.`,
      {
        details: { account: requester, needed: escrow, balance },
        hint: `Send ${amount(escrow - balance)} of the payment token to the account.`,
      },
    )
  }
}
