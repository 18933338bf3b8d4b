import type { Address, Hex } from '../hex.js'
import type { NodeEvent } from './events.js'

/** A delivery that was mined. */
export interface SeenDelivery {
  readonly id: number
  readonly interval: number
  readonly txHash: Hex
  readonly blockNumber: number
  readonly gasUsed: bigint
  readonly at: Date
}

export interface SeenFault {
  readonly code: string
  readonly message: string
  readonly at: Date
}

/** What a node did since it began. */
export interface NodeFigures {
  readonly startedAt: Date | null
  /** Caught up with the chain for the first time. */
  readonly isSynced: boolean
  /** Subscriptions that are served. */
  readonly tracked: number
  /** Of all deliveries. */
  readonly delivered: number
  readonly gasUsed: bigint
  /** Intervals that nobody of this node answered, by reason. */
  readonly closed: Readonly<Record<string, number>>
  /** Intervals that passed while the node was busy or away. */
  readonly missed: number
  readonly reorgs: number
  readonly rpcFaults: number
  readonly lastRpcFault: SeenFault | null
  /** Failed calls by container. */
  readonly containerFaults: Readonly<Record<string, number>>
  /** The latest ones, newest first. */
  readonly deliveries: readonly SeenDelivery[]
}

export interface NodeFiguresCounter {
  see(event: NodeEvent): void
  figures(): NodeFigures
}

/** Who a node is. */
export interface NodeAbout {
  readonly address: Address
  readonly chainId: number
  readonly coordinator: Address
  readonly containers: readonly string[]
  /** Of the REST face. */
  readonly port: number
}

/** Deliveries that are remembered. */
const LATEST = 20

/** Adds up events of a node. @param unixMs the time of day */
export function createNodeFigures(unixMs: () => number): NodeFiguresCounter {
  const tracked = new Set<number>()
  const closed: Record<string, number> = {}
  const containerFaults: Record<string, number> = {}
  const deliveries: SeenDelivery[] = []
  const counts = { delivered: 0, missed: 0, reorgs: 0, rpcFaults: 0 }
  let startedAt: Date | null = null
  let isSynced = false
  let gasUsed = 0n
  let lastRpcFault: SeenFault | null = null
  const now = () => new Date(unixMs())
  return {
    see(event) {
      switch (event.type) {
        case 'started':
          startedAt = now()
          break
        case 'synced':
          isSynced = true
          break
        case 'reorged':
          counts.reorgs += 1
          break
        case 'subscriptionAccepted':
          tracked.add(event.id)
          break
        case 'subscriptionDropped':
          tracked.delete(event.id)
          break
        case 'intervalsMissed':
          counts.missed += event.toInterval - event.fromInterval + 1
          break
        case 'containerFailed':
          containerFaults[event.container] = (containerFaults[event.container] ?? 0) + 1
          break
        case 'delivered': {
          const { id, interval, txHash, blockNumber } = event
          counts.delivered += 1
          gasUsed += event.gasUsed
          deliveries.unshift({ id, interval, txHash, blockNumber, gasUsed: event.gasUsed, at: now() })
          if (deliveries.length > LATEST) deliveries.pop()
          break
        }
        case 'intervalClosed':
          closed[event.reason] = (closed[event.reason] ?? 0) + 1
          break
        case 'rpcFailed':
          counts.rpcFaults += 1
          lastRpcFault = { code: event.code, message: event.message, at: now() }
          break
        default:
          break
      }
    },
    figures: () => ({
      startedAt,
      isSynced,
      tracked: tracked.size,
      gasUsed,
      ...counts,
      lastRpcFault,
      closed: { ...closed },
      containerFaults: { ...containerFaults },
      deliveries: [...deliveries],
    }),
  }
}
