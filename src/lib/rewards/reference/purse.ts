import { ZERO_ADDRESS, type Address } from '../../hex.js'
import { afterClaimFee } from '../split.js'
import type { Memory } from './memory.js'
import { refuse, type RefusingContract } from './refusal.js'
import type { Tokens } from './tokens.js'

/** What a contract holds for others: the tokens that are owed, and the claim fees among them. */
export interface Purse {
  reserves(): bigint
  treasuryOwed(): bigint
  /** Notes tokens that came in. */
  add(amount: bigint): void
  /** Pays `gross` less its claim fee; the claim fee stays, owed to the treasury. Returns what was paid. */
  pay(receiver: Address, gross: bigint, claimFee: bigint): bigint
  /** @returns what was paid @throws TX_REVERTED NothingToClaim */
  payTreasury(treasury: Address): bigint
}

export interface PurseOwner {
  readonly contract: RefusingContract
  readonly address: Address
  readonly token: Address
}

export function createPurse(memory: Memory, tokens: Tokens, owner: PurseOwner): Purse {
  const reserves = memory.cells(0n)
  const owed = memory.cells(0n)
  const pay = (receiver: Address, gross: bigint, claimFee: bigint) => {
    const net = gross - claimFee
    tokens.pay({ token: owner.token, from: owner.address, to: receiver, amount: net })
    reserves.put(reserves.get() - net)
    owed.put(owed.get() + claimFee)
    return net
  }
  return {
    reserves: () => reserves.get(),
    treasuryOwed: () => owed.get(),
    add: (amount) => reserves.put(reserves.get() + amount),
    pay,
    payTreasury(treasury) {
      const amount = owed.get()
      if (amount === 0n) refuse(owner.contract, 'NothingToClaim')
      owed.put(0n)
      return pay(treasury, amount, 0n)
    },
  }
}

/** Who calls, and where a claim shall be paid: null for the beneficiary's own address. */
export interface ClaimCall {
  readonly caller: Address
  readonly to: Address | null
}

/** Anyone may have a beneficiary paid at its own address; only the beneficiary may name another. */
export function receiverOf(
  contract: RefusingContract,
  beneficiary: Address,
  { caller, to }: ClaimCall,
): Address {
  if (to === null || to === ZERO_ADDRESS) return beneficiary
  if (beneficiary !== caller) refuse(contract, 'NotBeneficiary', { beneficiary, caller })
  return to
}

/** The claim fee of a gross amount, rounded down. */
export function claimFeeOf(gross: bigint, feePpm: bigint): bigint {
  return afterClaimFee(gross, feePpm).fee
}
