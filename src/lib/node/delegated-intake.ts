import type { DelegatedRequest } from '../infernet/delegated-request.js'

/** Why the guardian refuses a request that came over REST: HTTP 405 with this as its body. */
export interface GuardRefusal {
  /** In the reference node's words, which clients may compare. */
  readonly error: string
  readonly params: Readonly<Record<string, string>>
}

/** Takes delegated subscriptions that come over REST. */
export interface DelegatedIntake {
  /**
   * Applies the guard and takes a subscription up.
   * @returns null once it is accepted for tracking; signature and signer may be checked later
   */
  accept(request: DelegatedRequest): Promise<GuardRefusal | null>
}
