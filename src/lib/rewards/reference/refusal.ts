import { FlockError, isFlockError } from '../../errors.js'

/** The contracts whose books are kept here, and the token library that they share. */
export type RefusingContract =
  | 'RewardDistributor'
  | 'UsageMeter'
  | 'ModelHostConsumer'
  | 'EIP712Coordinator'
  | 'ModelRegistry'
  | 'StakeVault'
  | 'EmissionProgram'
  | 'SafeTransferLib'

/**
 * Refuses an action as the contract does.
 * @param args by parameter name of the Solidity error
 * @throws TX_REVERTED whose details hold `contract`, `error` and `args`, like those of a refused call on a chain
 */
export function refuse(
  contract: RefusingContract,
  error: string,
  args: Readonly<Record<string, bigint | string>> = {},
): never {
  const plain = Object.fromEntries(Object.entries(args).map(([name, value]) => [name, String(value)]))
  const list = Object.entries(plain).map(([name, value]) => `${name}: ${value}`)
  throw new FlockError('TX_REVERTED', `${contract} refused the call: ${error}(${list.join(', ')}).`, {
    details: { contract, error, args: plain },
  })
}

/** The Solidity error of a refusal; null when something else went wrong. */
export function refusalName(error: unknown): string | null {
  if (!isFlockError(error) || error.code !== 'TX_REVERTED') return null
  const name = error.details['error']
  return typeof name === 'string' ? name : null
}
