import { Interface } from 'ethers/abi'
import { FlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import { isRefusal, type Chain } from './provider.js'

/** Per unit of gas, in wei (EIP-1559). */
export interface FeeQuote {
  readonly baseFeePerGas: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
}

/** The base fee rises by at most 12.5% a block, so twice of it lasts for six full blocks. */
const BASE_FEE_FACTOR = 2n

/** The OP stack's predeploy that prices the publication of a transaction on the parent chain (Base is such a chain). */
const GAS_PRICE_ORACLE: Address = '0x420000000000000000000000000000000000000F'
const GAS_PRICE_ORACLE_ABI = ['function getL1FeeUpperBound(uint256 unsignedTxSize) view returns (uint256)']

/** Reads what a transaction has to offer to be mined now. @throws RPC_FAILED on chains without a base fee */
export async function quoteFees(chain: Chain): Promise<FeeQuote> {
  const [block, maxPriorityFeePerGas] = await Promise.all([
    chain.provider.send('eth_getBlockByNumber', ['latest', false]) as Promise<{
      baseFeePerGas?: string
    } | null>,
    readPriorityFee(chain),
  ])
  if (block?.baseFeePerGas === undefined) {
    throw new FlockError('RPC_FAILED', `Chain ${chain.chainId} reports no base fee (EIP-1559).`, {
      details: { endpoint: chain.endpoint, chainId: chain.chainId },
    })
  }
  return toFeeQuote(BigInt(block.baseFeePerGas), maxPriorityFeePerGas)
}

/** What to offer on top of the base fee of the latest block. */
export function toFeeQuote(baseFeePerGas: bigint, maxPriorityFeePerGas: bigint): FeeQuote {
  const maxFeePerGas = BASE_FEE_FACTOR * baseFeePerGas + maxPriorityFeePerGas
  return { baseFeePerGas, maxFeePerGas, maxPriorityFeePerGas }
}

/**
 * What a rollup charges on top of gas for publishing transactions of these sizes, in wei; an upper bound at today's
 * price of the parent chain, 0n on chains that charge nothing.
 * @param sizes bytes of the signed transactions
 */
export async function quoteDataFee(chain: Chain, sizes: readonly number[]): Promise<bigint> {
  if (sizes.length === 0 || (await chain.provider.getCode(GAS_PRICE_ORACLE)) === '0x') return 0n
  const oracle = new Interface(GAS_PRICE_ORACLE_ABI)
  const fees = await Promise.all(
    sizes.map(async (size) => {
      const data = oracle.encodeFunctionData('getL1FeeUpperBound', [size])
      return BigInt(await chain.provider.call({ to: GAS_PRICE_ORACLE, data }))
    }),
  )
  return fees.reduce((sum, fee) => sum + fee, 0n)
}

/** The tip that the endpoint suggests, in wei per gas. */
export async function readPriorityFee(chain: Chain): Promise<bigint> {
  try {
    return BigInt((await chain.provider.send('eth_maxPriorityFeePerGas', [])) as Hex)
  } catch (error) {
    // Not every node has the method. Without a tip the transaction still pays the base fee's reserve.
    if (isRefusal(error)) return 0n
    throw error
  }
}
