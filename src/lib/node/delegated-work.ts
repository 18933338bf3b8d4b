import type { DelegatedRequest } from '../infernet/delegated-request.js'

/** A delegated subscription as it was accepted. */
export interface DelegatedWork {
  /** Below zero, so that it is never the id of one on chain. */
  readonly id: number
  readonly request: DelegatedRequest
}

/** Amounts that JSON writes as text become numbers again. */
export function reviveDelegatedWork({ id, request }: DelegatedWork): DelegatedWork {
  const { signature, subscription } = request
  return {
    id,
    request: {
      ...request,
      signature: { v: signature.v, r: BigInt(signature.r), s: BigInt(signature.s) },
      subscription: { ...subscription, paymentAmount: BigInt(subscription.paymentAmount) },
    },
  }
}
