/** The call that brings a computed answer on the chain. */
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { encodeCall } from '../chain/contracts.js'
import type { Address, Hex } from '../hex.js'
import { delegateSignatureOf, type DelegatedRequest } from '../infernet/delegated-request.js'
import type { ComputedAnswer } from './journal.js'

export interface DeliveryCall {
  readonly to: Address
  readonly data: Hex
}

/** Has to give the same call for the same answer, also after a restart, when the journal is all there is. */
export type EncodeDelivery = (answer: ComputedAnswer) => DeliveryCall

/**
 * `deliverCompute` for subscriptions on chain.
 * @param nodeWallet where payments go; the zero address for unpaid work
 */
export function encodeDeliverCompute(coordinator: Address, nodeWallet: Address): EncodeDelivery {
  return ({ id, interval, delivery: { input, output, proof } }) => ({
    to: coordinator,
    data: encodeCall(eip712CoordinatorArtifact, 'deliverCompute', [
      id,
      interval,
      input,
      output,
      proof,
      nodeWallet,
    ]),
  })
}

/**
 * `deliverComputeDelegatee` for subscriptions that are not on chain yet and have an id below zero, `onChain` for others.
 * @param requestOf what was accepted under an id below zero
 */
export function encodeDelegated(
  onChain: EncodeDelivery,
  {
    coordinator,
    nodeWallet,
    requestOf,
  }: {
    readonly coordinator: Address
    readonly nodeWallet: Address
    readonly requestOf: (id: number) => DelegatedRequest
  },
): EncodeDelivery {
  return (answer) => {
    if (answer.id >= 0) return onChain(answer)
    const request = requestOf(answer.id)
    const { nonce, expiry, subscription } = request
    const { v, r, s } = delegateSignatureOf(request)
    const { input, output, proof } = answer.delivery
    const args = [nonce, expiry, subscription, v, r, s, answer.interval, input, output, proof, nodeWallet]
    return { to: coordinator, data: encodeCall(eip712CoordinatorArtifact, 'deliverComputeDelegatee', args) }
  }
}
