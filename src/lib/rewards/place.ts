import type { Chain } from '../chain/provider.js'
import type { Address } from '../hex.js'

/** The contracts that hold rewards and stake, on a connected chain. */
export interface RewardsPlace {
  readonly chain: Chain
  readonly rewardDistributor: Address
  readonly stakeVault: Address
  readonly usageMeter: Address
  /** Block from which logs of the contracts can exist. */
  readonly fromBlock: number
}

/** Blocks in one question for logs; a node that allows fewer is asked again for less. */
export const LOG_RANGE = 10_000
