import { getAddress } from 'ethers/address'
import type { Address, Hex } from '../hex.js'
import { isRefusal, type Chain } from './provider.js'

/** A log with the block it stands in, so that a reorganisation can be seen. */
export interface ChainLog {
  readonly address: Address
  readonly topics: readonly Hex[]
  readonly data: Hex
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly transactionIndex: number
  readonly logIndex: number
}

export interface LogQuery {
  readonly address: Address | readonly Address[]
  /** By position; null takes any, a list takes each of it. */
  readonly topics: readonly (Hex | readonly Hex[] | null)[]
  readonly fromBlock: number
  /** Inclusive. */
  readonly toBlock: number
  /** Most blocks in one question to the node. */
  readonly maxRange: number
}

/**
 * Reads logs in bounded ranges, oldest first: one list a range, empty ones included. A range that the node refuses
 * (too many blocks or results) is halved until it passes.
 */
export async function* getLogsInRanges(chain: Chain, query: LogQuery): AsyncGenerator<ChainLog[]> {
  let range = Math.max(1, query.maxRange)
  let from = query.fromBlock
  while (from <= query.toBlock) {
    const to = Math.min(from + range - 1, query.toBlock)
    let logs: ChainLog[]
    try {
      logs = await getLogs(chain, query, from, to)
    } catch (error) {
      if (!isRefusal(error) || from === to) throw error
      range = Math.max(1, Math.floor((to - from + 1) / 2))
      continue
    }
    yield logs
    from = to + 1
  }
}

async function getLogs(chain: Chain, query: LogQuery, from: number, to: number): Promise<ChainLog[]> {
  const filter = {
    address: query.address,
    topics: query.topics,
    fromBlock: quantity(from),
    toBlock: quantity(to),
  }
  const logs = (await chain.provider.send('eth_getLogs', [filter])) as RpcLog[]
  return logs.map(toChainLog)
}

export interface RpcLog {
  readonly address: string
  readonly topics: readonly string[]
  readonly data: string
  readonly blockNumber: string
  readonly blockHash: string
  readonly transactionHash: string
  readonly transactionIndex: string
  readonly logIndex: string
}

export function toChainLog(log: RpcLog): ChainLog {
  return {
    address: getAddress(log.address) as Address,
    topics: log.topics as readonly Hex[],
    data: log.data as Hex,
    blockNumber: Number(log.blockNumber),
    blockHash: log.blockHash as Hex,
    transactionHash: log.transactionHash as Hex,
    transactionIndex: Number(log.transactionIndex),
    logIndex: Number(log.logIndex),
  }
}

function quantity(value: number): string {
  return `0x${value.toString(16)}`
}
