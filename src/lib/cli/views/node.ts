import type { Address } from '../../hex.js'
import type { LogRecord } from '../../log.js'
import type { NodeEvent } from '../../node/events.js'
import { printableLine } from './text.js'

/** A node, and what it did once it is stopped. */
export interface NodeStartJson {
  readonly address: Address
  readonly chainId: number
  readonly coordinator: Address
  readonly containers: readonly string[]
  /** Of the REST face. */
  readonly port: number
  readonly delivered: number
  /** Intervals that ended without a delivery, by reason. */
  readonly closed: Readonly<Record<string, number>>
}

type About = Pick<NodeStartJson, 'address' | 'chainId' | 'containers' | 'port'>

/** The line that says the node is ready. */
export function nodeReadyLine({ address, chainId, containers, port }: About): string {
  const served = containers.length === 0 ? 'no containers' : containers.join(', ')
  return `Node ${address} serves ${served} on chain ${chainId}; REST on port ${port}`
}

/** Counts one event into the result. */
export function countNodeEvent(result: NodeStartJson, event: NodeEvent): NodeStartJson {
  if (event.type === 'delivered') return { ...result, delivered: result.delivered + 1 }
  if (event.type !== 'intervalClosed') return result
  const { reason } = event
  return { ...result, closed: { ...result.closed, [reason]: (result.closed[reason] ?? 0) + 1 } }
}

/** An event as a log record: what is routine is debug, what was lost is a warning. */
export function nodeEventRecord(event: NodeEvent): LogRecord {
  const { type } = event
  const fields = fieldsOf(event)
  switch (event.type) {
    case 'started':
    case 'stopped':
    case 'synced':
    case 'resumed':
    case 'delivered':
    case 'subscriptionAccepted':
    case 'imagePulling':
    case 'imageProgress':
    case 'imagePulled':
    case 'containerStarted':
    case 'containerStopped':
    case 'delegatedAccepted':
    case 'bondApproved':
      return { level: 'info', message: WORDS[type], fields }
    case 'intervalStarted':
    case 'computed':
    case 'deliverySent':
      return { level: 'debug', message: WORDS[type], fields }
    case 'proofSettled':
      return { level: event.isPaid ? 'info' : 'warn', message: WORDS[type], fields }
    case 'subscriptionDropped':
      return { level: event.reason === 'gaveUp' ? 'warn' : 'debug', message: WORDS[type], fields }
    case 'intervalClosed':
      return { level: QUIET_REASONS.includes(event.reason) ? 'info' : 'warn', message: WORDS[type], fields }
    case 'journalSetAside':
    case 'reorged':
    case 'proofExpired':
    case 'intervalsMissed':
    case 'paymentAwaited':
    case 'containerFailed':
    case 'deliveryFailed':
    case 'deliveryReplaced':
    case 'deliveryPending':
    case 'rpcFailed':
    case 'imageNotPulled':
    case 'containerDiffers':
    case 'containerDown':
    case 'engineFailed':
    case 'resultsNotKept':
      return { level: 'warn', message: WORDS[type], fields }
  }
}

/** Messages may repeat what strangers wrote into their contracts. */
function fieldsOf({ type: _, ...fields }: NodeEvent): LogRecord['fields'] {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name,
      typeof value === 'string' ? printableLine(value) : value,
    ]),
  )
}

/** Ends of an interval that are nobody's fault. */
const QUIET_REASONS: readonly string[] = ['filled', 'answered', 'raceLost', 'cancelled', 'stopped']

const WORDS: Readonly<Record<NodeEvent['type'], string>> = {
  started: 'node started',
  journalSetAside: 'journal set aside',
  synced: 'caught up with the chain',
  reorged: 'blocks were replaced',
  subscriptionAccepted: 'subscription accepted',
  delegatedAccepted: 'delegated subscription accepted',
  subscriptionDropped: 'subscription dropped',
  intervalStarted: 'interval started',
  intervalsMissed: 'intervals missed',
  paymentAwaited: 'waiting for the wallet that pays',
  containerFailed: 'container failed',
  computed: 'answer computed',
  resumed: 'answer taken up again',
  deliveryFailed: 'delivery failed',
  deliverySent: 'delivery sent',
  deliveryReplaced: 'delivery signed again at a higher price',
  deliveryPending: 'delivery is not mined yet',
  delivered: 'delivered',
  bondApproved: 'bonds approved',
  proofSettled: 'proof settled',
  proofExpired: 'a proof expired and can be finalised',
  intervalClosed: 'interval closed without a delivery',
  rpcFailed: 'RPC endpoint failed',
  imagePulling: 'pulling an image',
  imageProgress: 'image is on its way',
  imagePulled: 'image pulled',
  imageNotPulled: 'image not pulled; the local one is used',
  containerStarted: 'container started',
  containerDiffers: 'container is not as configured',
  containerDown: 'container does not run',
  containerStopped: 'container stopped',
  engineFailed: 'Docker failed',
  resultsNotKept: 'results of REST clients cannot be written',
  stopped: 'node stopped',
}
