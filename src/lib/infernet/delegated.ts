import { type SigningKey, Signature } from 'ethers/crypto'
import { TypedDataEncoder } from 'ethers/hash'
import { recoverAddress } from 'ethers/transaction'
import { FlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import type { Subscription } from './subscription.js'

/** A subscription that its owner's delegate signed and any node may put on chain. */
export interface DelegateSubscription {
  /** Single use per owner, in any order. */
  readonly nonce: number
  /** Unix seconds from which the signature is refused. */
  readonly expiry: number
  readonly subscription: Subscription
}

/** The signature in the form that `createSubscriptionDelegatee` takes. */
export interface DelegateSignature {
  readonly v: number
  readonly r: Hex
  readonly s: Hex
}

export interface CoordinatorDomain {
  readonly chainId: number
  readonly coordinator: Address
}

const SUBSCRIPTION_TYPE = {
  Subscription: [
    { name: 'owner', type: 'address' },
    { name: 'activeAt', type: 'uint32' },
    { name: 'period', type: 'uint32' },
    { name: 'frequency', type: 'uint32' },
    { name: 'redundancy', type: 'uint16' },
    { name: 'containerId', type: 'bytes32' },
    { name: 'lazy', type: 'bool' },
    { name: 'verifier', type: 'address' },
    { name: 'paymentAmount', type: 'uint256' },
    { name: 'paymentToken', type: 'address' },
    { name: 'wallet', type: 'address' },
  ],
}

const DELEGATE_TYPES = {
  DelegateSubscription: [
    { name: 'nonce', type: 'uint32' },
    { name: 'expiry', type: 'uint32' },
    { name: 'sub', type: 'Subscription' },
  ],
  ...SUBSCRIPTION_TYPE,
}

/** EIP-712 struct hash of a subscription. */
export function hashSubscription(subscription: Subscription): Hex {
  return TypedDataEncoder.hashStruct('Subscription', SUBSCRIPTION_TYPE, subscription) as Hex
}

/** EIP-712 struct hash of a delegated subscription. */
export function hashDelegateSubscription(delegated: DelegateSubscription): Hex {
  return TypedDataEncoder.hashStruct('DelegateSubscription', DELEGATE_TYPES, messageOf(delegated)) as Hex
}

/** What a delegate signs: the EIP-712 digest under the Coordinator's domain. */
export function delegateDigest(delegated: DelegateSubscription, domain: CoordinatorDomain): Hex {
  return TypedDataEncoder.hash(domainOf(domain), DELEGATE_TYPES, messageOf(delegated)) as Hex
}

export function signDelegateSubscription(
  delegated: DelegateSubscription,
  domain: CoordinatorDomain,
  key: SigningKey,
): DelegateSignature {
  const { v, r, s } = key.sign(delegateDigest(delegated, domain))
  return { v, r: r as Hex, s: s as Hex }
}

/**
 * The account that signed. Like the Coordinator it takes high-s signatures and only 27 or 28 for `v`.
 * @throws USAGE_INVALID when the numbers are no signature at all
 */
export function recoverDelegateSigner(
  delegated: DelegateSubscription,
  domain: CoordinatorDomain,
  signature: DelegateSignature,
): Address {
  const digest = delegateDigest(delegated, domain)
  try {
    if (signature.v !== 27 && signature.v !== 28) throw new Error('v is neither 27 nor 28')
    return recoverAddress(digest, canonical(signature)) as Address
  } catch (error) {
    throw new FlockError('USAGE_INVALID', 'The signature of the delegated subscription is malformed.', {
      cause: error,
      details: { owner: delegated.subscription.owner, nonce: delegated.nonce },
    })
  }
}

/** The EIP-712 domain of a Coordinator. */
function domainOf({ chainId, coordinator }: CoordinatorDomain) {
  return { name: 'InfernetCoordinator', version: '1', chainId, verifyingContract: coordinator }
}

function messageOf({ nonce, expiry, subscription }: DelegateSubscription) {
  return { nonce, expiry, sub: subscription }
}

/** ethers recovers from low-s signatures only; (r, n - s) with the other `v` names the same signer. */
function canonical({ v, r, s }: DelegateSignature): Signature {
  const bytes = `${r}${s.slice(2)}${v.toString(16)}`
  return Signature.from(bytes).getCanonical()
}
