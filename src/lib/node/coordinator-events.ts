/** What others did to subscriptions, from the Coordinator's logs. */
import { keccak256 } from 'ethers/crypto'
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { eventTopic, parseLogs } from '../chain/contracts.js'
import { toChainLog, type RpcLog } from '../chain/logs.js'
import type { Chain } from '../chain/provider.js'
import type { Address, Hex } from '../hex.js'
import type { Head } from './coordinator.js'

export type CoordinatorEvent =
  | { readonly type: 'cancelled'; readonly id: number }
  /** A delivery of `node` was accepted. The log does not say for which interval. */
  | { readonly type: 'fulfilled'; readonly id: number; readonly node: Address }

/** The blocks after `after` up to `head`; with `after` null that of `head` alone. */
export interface BlockRange {
  readonly after: Head | null
  readonly head: Head
}

export interface CoordinatorLogs {
  /** False when no such log stands in the block of a head; true when one may. */
  mayHold(head: Head): boolean
  /** In the order of the chain. */
  read(range: BlockRange): Promise<CoordinatorEvent[]>
}

export function createCoordinatorLogs(chain: Chain, coordinator: Address): CoordinatorLogs {
  const topics = ['SubscriptionCancelled', 'SubscriptionFulfilled'].map((event) =>
    eventTopic(eip712CoordinatorArtifact, event),
  )
  const address = bloomBits(coordinator)
  const events = topics.map(bloomBits)
  return {
    mayHold({ logsBloom }) {
      if (logsBloom === null) return true
      return hasBits(logsBloom, address) && events.some((bits) => hasBits(logsBloom, bits))
    },
    async read({ after, head }) {
      const quantity = (number: number) => `0x${number.toString(16)}`
      const blocks =
        after === null
          ? { blockHash: head.hash }
          : { fromBlock: quantity(after.number + 1), toBlock: quantity(head.number) }
      const filter = { address: coordinator, topics: [topics], ...blocks }
      const logs = (await chain.provider.send('eth_getLogs', [filter])) as RpcLog[]
      return parseLogs(eip712CoordinatorArtifact, logs.map(toChainLog)).flatMap(
        ({ name, args }): CoordinatorEvent[] => {
          const id = Number(args.id)
          if (name === 'SubscriptionCancelled') return [{ type: 'cancelled', id }]
          return name === 'SubscriptionFulfilled'
            ? [{ type: 'fulfilled', id, node: args.node as Address }]
            : []
        },
      )
    },
  }
}

/** The three bits that a value sets in a bloom of 2048 (Yellow Paper, 4.3.1). */
function bloomBits(value: Hex): readonly number[] {
  const hash = Buffer.from(keccak256(value).slice(2), 'hex')
  return [0, 2, 4].map((at) => hash.readUInt16BE(at) & 2047)
}

function hasBits(bloom: Hex, bits: readonly number[]): boolean {
  return bits.every((bit) => {
    // Bit 0 is the last one of the last byte.
    const digit = bloom.charAt(bloom.length - 1 - (bit >> 2))
    return (Number.parseInt(digit, 16) & (1 << (bit & 3))) !== 0
  })
}
