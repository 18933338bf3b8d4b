/** Figures of a node for Prometheus. Each node has a registry of its own. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { NodeEvent } from './events.js'
import type { NodeAbout } from './node-figures.js'
import type { NodeProbe } from './node-probe.js'

/** What is not told by events. */
export interface NodeSample {
  readonly tracked: number
  readonly underWay: number
  readonly probe: NodeProbe
}

export interface NodeMetrics {
  see(event: NodeEvent): void
  /** The figures in the text format of Prometheus, version 0.0.4. */
  render(sample: NodeSample): Promise<{ readonly contentType: string; readonly body: string }>
}

/** From answers of containers at hand, which take milliseconds, to those of large models. */
const SECONDS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180]
const WEI_PER_ETHER = 1e18

/** @param now any clock, in ms */
export function createNodeMetrics(about: Omit<NodeAbout, 'port'>, now: () => number): NodeMetrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = (name: string, help: string, label?: string) =>
    new Counter({
      name: `flock_node_${name}`,
      help,
      labelNames: label === undefined ? [] : [label],
      registers,
    })
  const gauge = (name: string, help: string) => new Gauge({ name: `flock_node_${name}`, help, registers })
  const histogram = (name: string, help: string) =>
    new Histogram({ name: `flock_node_${name}`, help, buckets: SECONDS, registers })

  const begun = counter('intervals_total', 'Intervals that the node began to answer.')
  const closed = counter('intervals_closed_total', 'Intervals without a delivery of this node.', 'reason')
  const missed = counter('intervals_missed_total', 'Intervals that were over before they were begun.')
  const delivered = counter('deliveries_total', 'Deliveries that were mined.')
  const gas = counter('gas_used_total', 'Gas of deliveries that were mined.')
  const refused = counter('delivery_failures_total', 'Deliveries that failed, by error code.', 'code')
  const failures = counter('container_failures_total', 'Calls of containers that failed.', 'container')
  const down = counter('container_restarts_total', 'Managed containers that were found down.', 'container')
  const rpc = counter('rpc_failures_total', 'Failed rounds of calls to the RPC endpoint.', 'code')
  const reorgs = counter('reorgs_total', 'Times that blocks were replaced.')
  const dropped = counter('subscriptions_dropped_total', 'Subscriptions that are not served.', 'reason')
  const computing = histogram('compute_seconds', 'Time that containers took for an answer.')
  const sending = histogram(
    'submit_seconds',
    'Time from the begin of an interval until its delivery was sent.',
  )
  const mining = histogram('confirm_seconds', 'Time from a delivery sent until it was mined.')
  const tracked = gauge('subscriptions', 'Subscriptions that are served.')
  const underWay = gauge('jobs', 'Intervals under way.')
  const head = gauge('head_block', 'The latest block of the RPC endpoint.')
  const headAge = gauge('head_age_seconds', 'Age of the latest block of the RPC endpoint.')
  const latency = gauge('rpc_latency_seconds', 'Time of one call to the RPC endpoint.')
  const isUp = gauge('rpc_up', '1 when the RPC endpoint answers, 0 when not.')
  const balance = gauge('balance_ether', 'What the account of the node holds.')
  const walletBalance = gauge('wallet_balance_ether', 'What the payment wallet of the node holds.')
  new Gauge({
    name: 'flock_node_info',
    help: 'Account and chain of the node. The value is always 1.',
    labelNames: ['address', 'chain_id'],
    registers,
  }).set({ address: about.address, chain_id: about.chainId.toString() }, 1)
  for (const container of about.containers) {
    failures.inc({ container }, 0)
    down.inc({ container }, 0)
  }

  /** When intervals under way began, and when their deliveries were sent. */
  const times = new Map<string, { readonly begunMs: number; sentMs: number | null }>()
  const set = (into: Gauge, value: number | null) => (value === null ? into.reset() : into.set(value))

  return {
    see(event) {
      switch (event.type) {
        case 'intervalStarted':
          begun.inc()
          times.set(`${event.id}:${event.interval}`, { begunMs: now(), sentMs: null })
          break
        case 'computed':
          computing.observe(event.elapsedMs / 1000)
          break
        case 'deliverySent': {
          const time = times.get(`${event.id}:${event.interval}`)
          // The first time counts, also when it is sent again.
          if (time === undefined || time.sentMs !== null) break
          time.sentMs = now()
          sending.observe((time.sentMs - time.begunMs) / 1000)
          break
        }
        case 'delivered': {
          const key = `${event.id}:${event.interval}`
          const sentMs = times.get(key)?.sentMs ?? null
          if (sentMs !== null) mining.observe((now() - sentMs) / 1000)
          times.delete(key)
          delivered.inc()
          gas.inc(Number(event.gasUsed))
          break
        }
        case 'intervalClosed':
          times.delete(`${event.id}:${event.interval}`)
          closed.inc({ reason: event.reason })
          break
        case 'intervalsMissed':
          missed.inc(event.toInterval - event.fromInterval + 1)
          break
        case 'deliveryFailed':
          refused.inc({ code: event.code })
          break
        case 'containerFailed':
          failures.inc({ container: event.container })
          break
        case 'containerDown':
          down.inc({ container: event.container })
          break
        case 'rpcFailed':
          rpc.inc({ code: event.code })
          break
        case 'reorged':
          reorgs.inc()
          break
        case 'subscriptionDropped':
          dropped.inc({ reason: event.reason })
          break
        default:
          break
      }
    },
    async render(sample) {
      const { probe } = sample
      tracked.set(sample.tracked)
      underWay.set(sample.underWay)
      isUp.set(probe.fault === null ? 1 : 0)
      set(head, probe.blockNumber)
      set(headAge, probe.headAgeSec)
      set(latency, probe.latencyMs === null ? null : probe.latencyMs / 1000)
      set(balance, etherOf(probe.balance))
      set(walletBalance, etherOf(probe.walletBalance))
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
}

/** As exact as a figure for a graph has to be. */
function etherOf(wei: bigint | null): number | null {
  return wei === null ? null : Number(wei) / WEI_PER_ETHER
}
