import type { DeliveryJson, NodeStatusJson } from '../../node/read-status.js'
import { formatAmount } from '../../units.js'
import { pairLines, tableLines, type Column } from './table.js'
import { printableLine } from './text.js'

const ETHER_DECIMALS = 18
/** Deliveries that are listed. */
const LISTED = 10

const COLUMNS: readonly Column<DeliveryJson>[] = [
  { header: 'DELIVERED', value: ({ at }) => at },
  { header: 'ID', value: ({ id }) => id.toString(), align: 'right' },
  { header: 'INTERVAL', value: ({ interval }) => interval.toString(), align: 'right' },
  { header: 'BLOCK', value: ({ blockNumber }) => blockNumber.toString(), align: 'right' },
  { header: 'GAS', value: ({ gasUsed }) => gasUsed, align: 'right' },
  { header: 'TRANSACTION', value: ({ txHash }) => txHash, minWidth: 13 },
]

/** How a node is: what it serves, what it did, its accounts and its RPC endpoint, and its last deliveries. */
export function nodeStatusLines(status: NodeStatusJson, width: number | null): string[] {
  const { node, figures, underWay, journal } = status
  const { startedAt, isSynced, deliveries } = figures
  const summary = pairLines([
    ['node', `${node.address} on chain ${node.chainId}`],
    ['containers', node.containers.join(', ') || 'none'],
    ['since', `${startedAt ?? 'not begun'}${isSynced ? '' : ', not caught up with the chain'}`],
    ['subscriptions', `${figures.tracked} served, ids judged up to ${journal.lastId ?? 'none'}`],
    ['jobs', `${underWay} under way, ${journal.open} answers not confirmed (${journal.signed} signed)`],
    ['intervals', intervalsText(figures)],
    ['balance', balanceText(status)],
    ['rpc', rpcText(status)],
  ])
  const faults = Object.entries(figures.containerFaults).map(
    ([container, count]) => `container ${container} failed ${count} times`,
  )
  const last = tableLines(deliveries.slice(0, LISTED), COLUMNS, width)
  return [...summary, ...faults, ...(last.length > 0 ? ['', ...last] : [])]
}

function intervalsText({ delivered, gasUsed, closed, missed }: NodeStatusJson['figures']): string {
  const ends = Object.entries(closed).map(([reason, count]) => `${count} ${reason}`)
  const parts = [
    `${delivered} delivered (${gasUsed} gas)`,
    ...ends,
    ...(missed > 0 ? [`${missed} missed`] : []),
  ]
  return parts.join(', ')
}

function balanceText({ probe }: NodeStatusJson): string {
  const ether = (wei: string) => `${formatAmount(BigInt(wei), ETHER_DECIMALS)} ETH`
  if (probe.balance === null) return 'unknown'
  const wallet = probe.walletBalance === null ? '' : `, payment wallet ${ether(probe.walletBalance)}`
  return `${ether(probe.balance)}${wallet}`
}

function rpcText({ probe, figures }: NodeStatusJson): string {
  const { blockNumber, headAgeSec, latencyMs, fault } = probe
  const now =
    fault === null
      ? `block ${blockNumber}, ${headAgeSec} s old, ${latencyMs} ms a call`
      : `does not answer (${fault})`
  const { rpcFaults, lastRpcFault } = figures
  if (lastRpcFault === null) return now
  return `${now}; ${rpcFaults} faults, the last at ${lastRpcFault.at}: ${printableLine(lastRpcFault.message)}`
}
