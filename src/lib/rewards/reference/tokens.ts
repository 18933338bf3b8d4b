import { ZERO_ADDRESS, type Address } from '../../hex.js'
import type { Memory } from './memory.js'
import { refuse } from './refusal.js'

/** One token transfer. `from` is the zero address for tokens that were made. */
export interface Move {
  readonly token: Address
  readonly from: Address
  readonly to: Address
  readonly amount: bigint
}

/** Token balances, and the transfers since they were last asked for. Every allowance counts as unlimited. */
export interface Tokens {
  balanceOf(token: Address, account: Address): bigint
  mint(token: Address, account: Address, amount: bigint): void
  /** A transfer that a contract takes by allowance. */
  pull(move: Move): void
  /** A transfer of a contract's own tokens. */
  pay(move: Move): void
  takeMoves(): readonly Move[]
}

export function createTokens(memory: Memory): Tokens {
  const balances = memory.cells(0n)
  const moves = memory.cells<readonly Move[]>([])
  const move = (item: Move, error: string) => {
    const { token, from, to, amount } = item
    const held = balances.get(token, from)
    if (held < amount) refuse('SafeTransferLib', error)
    balances.put(held - amount, token, from)
    balances.put(balances.get(token, to) + amount, token, to)
    moves.put([...moves.get(), item])
  }
  return {
    balanceOf: (token, account) => balances.get(token, account),
    mint(token, account, amount) {
      balances.put(balances.get(token, account) + amount, token, account)
      moves.put([...moves.get(), { token, from: ZERO_ADDRESS, to: account, amount }])
    },
    pull: (item) => move(item, 'TransferFromFailed'),
    pay: (item) => move(item, 'TransferFailed'),
    takeMoves() {
      const taken = moves.get()
      moves.put([])
      return taken
    },
  }
}
