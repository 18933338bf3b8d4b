/** Looks for the receipts of transactions under way, with as few calls as the endpoint allows. */
import { getAddress } from 'ethers/address'
import { Transaction } from 'ethers/transaction'
import { FlockError, isFlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import type { ContractArtifact } from './artifact.js'
import { toChainLog, type ChainLog, type RpcLog } from './logs.js'
import { isRefusal, type Chain } from './provider.js'
import { revertError, toChainError } from './revert.js'

export interface MinedTransaction {
  readonly hash: Hex
  readonly from: Address
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly gasUsed: bigint
  /** Wei per gas that was paid. */
  readonly effectiveGasPrice: bigint
  readonly contractAddress: Address | null
  readonly logs: readonly ChainLog[]
}

export interface RpcReceipt {
  readonly transactionHash: string
  readonly from: string
  readonly status?: string
  readonly blockNumber: string
  readonly blockHash: string
  readonly gasUsed: string
  readonly effectiveGasPrice?: string
  readonly contractAddress: string | null
  readonly logs: readonly RpcLog[]
}

export interface ReceiptReader {
  /**
   * Receipts of these transactions that stand in blocks `fromBlock` to `toBlock`; all of them together by block where that takes
   * fewer calls than one by one, which also finds those in older blocks.
   */
  read(hashes: readonly Hex[], fromBlock: number, toBlock: number): Promise<RpcReceipt[]>
}

export function createReceiptReader(chain: Chain): ReceiptReader {
  let hasByBlock = true

  async function readBlock(block: number): Promise<readonly RpcReceipt[] | null> {
    const tag = `0x${block.toString(16)}`
    return (await chain.provider.send('eth_getBlockReceipts', [tag])) as readonly RpcReceipt[] | null
  }

  async function readBlocks(fromBlock: number, count: number): Promise<readonly RpcReceipt[] | null> {
    try {
      const numbers = Array.from({ length: count }, (_, index) => fromBlock + index)
      const lists = await Promise.all(numbers.map(readBlock))
      return lists.includes(null) ? null : lists.flat().filter((receipt) => receipt !== null)
    } catch (error) {
      if (!isRefusal(error)) throw error
      if (isFlockError(error) && error.details['reason'] === 'methodMissing') hasByBlock = false
      return null
    }
  }

  return {
    async read(hashes, fromBlock, toBlock) {
      const blocks = Math.max(0, toBlock - fromBlock + 1)
      const all = hasByBlock && blocks < hashes.length ? await readBlocks(fromBlock, blocks) : null
      if (all !== null) {
        const wanted = new Set<string>(hashes)
        return all.filter(({ transactionHash }) => wanted.has(transactionHash))
      }
      const found = await Promise.all(hashes.map((hash) => readReceipt(chain, hash)))
      return found.filter((receipt) => receipt !== null)
    },
  }
}

export async function readReceipt(chain: Chain, hash: Hex): Promise<RpcReceipt | null> {
  return (await chain.provider.send('eth_getTransactionReceipt', [hash])) as RpcReceipt | null
}

export function hasFailed(receipt: RpcReceipt): boolean {
  return receipt.status === '0x0'
}

export function toMined(receipt: RpcReceipt): MinedTransaction {
  return {
    hash: receipt.transactionHash as Hex,
    from: getAddress(receipt.from) as Address,
    blockNumber: Number(receipt.blockNumber),
    blockHash: receipt.blockHash as Hex,
    gasUsed: BigInt(receipt.gasUsed),
    effectiveGasPrice: BigInt(receipt.effectiveGasPrice ?? '0x0'),
    contractAddress:
      receipt.contractAddress === null ? null : (getAddress(receipt.contractAddress) as Address),
    logs: receipt.logs.map(toChainLog),
  }
}

/** Why a mined transaction failed: replays the call on the state before its block, which tells the reason in all but rare cases. */
export async function minedRevert(
  chain: Chain,
  { hash, raw }: { readonly hash: Hex; readonly raw?: Hex },
  receipt: RpcReceipt,
  artifacts: readonly ContractArtifact[],
): Promise<FlockError> {
  const blockNumber = Number(receipt.blockNumber)
  const details = { txHash: hash, blockNumber, gasUsed: BigInt(receipt.gasUsed) }
  if (raw !== undefined) {
    const { from, to, data, value, gasLimit } = Transaction.from(raw)
    if (BigInt(receipt.gasUsed) === gasLimit) {
      return new FlockError('TX_REVERTED', `Transaction ${hash} ran out of its ${gasLimit} gas.`, { details })
    }
    try {
      await chain.provider.call({ from, to, data, value, blockTag: blockNumber - 1 })
    } catch (error) {
      const reason = toChainError(error, artifacts)
      if (reason.code === 'TX_REVERTED') {
        return new FlockError('TX_REVERTED', reason.message, { details: { ...reason.details, ...details } })
      }
    }
  }
  return revertError('0x', artifacts, details)
}
