/** The call that brings a computed answer on the chain. */
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import { encodeCall } from '../chain/contracts.js'
import type { Address, Hex } from '../hex.js'
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
