/** Takes delegated subscriptions in: guard, signature against the consumer's signer, and a line in the journal. */
import { eip712CoordinatorArtifact } from '../abi/eip712-coordinator.js'
import type { ContractArtifact } from '../chain/artifact.js'
import { encodeCall } from '../chain/contracts.js'
import type { Chain } from '../chain/provider.js'
import { readWords, type WordQuestion } from '../chain/read-words.js'
import { FlockError, isFlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import { recoverDelegateSigner } from '../infernet/delegated.js'
import { delegateSignatureOf, type DelegatedRequest } from '../infernet/delegated-request.js'
import { fingerprintOf, hashKey, type CoordinatorView } from './coordinator.js'
import type { GuardRefusal } from './delegated-intake.js'
import type { DelegatedWork } from './delegated-work.js'
import { guardSubscription, type GuardContext } from './guard.js'
import type { Journal } from './journal.js'

export interface Delegated {
  /** Applies the guard and the signature's rules, and takes a subscription up; null once it is written down. */
  accept(request: DelegatedRequest, serving: DelegatedServing): Promise<GuardRefusal | null>
  /** What was accepted under an id below zero. */
  requestOf(id: number): DelegatedRequest
  /** The id under which it was created on chain; 0 when it was not. @throws RPC_UNREACHABLE, RPC_FAILED */
  idOnChain(id: number): Promise<number>
  /** True for a subscription that this node may have brought on chain itself. */
  isKnown(fingerprint: Hex): boolean
}

export interface DelegatedOptions {
  readonly chain: Chain
  readonly view: CoordinatorView
  readonly journal: Journal
}

export interface DelegatedServing {
  /** What the guard's rules look at, now. */
  readonly context: () => Omit<GuardContext, 'delegated'>
  /** Takes up what was accepted and written down. */
  readonly begin: (work: DelegatedWork) => void
}

/** Requests that are not on chain yet; each is kept with its data. */
const MAX_OPEN = 10_000

const DELEGATOR: ContractArtifact = {
  contractName: 'Delegator',
  abi: [
    {
      type: 'function',
      name: 'getSigner',
      stateMutability: 'view',
      inputs: [],
      outputs: [{ name: '', type: 'address' }],
    },
  ],
  bytecode: '0x',
}

export function createDelegated({ chain, view, journal }: DelegatedOptions): Delegated {
  const { coordinator } = view
  const fingerprints = new Set<Hex>()
  for (const { request } of journal.state.delegated.values())
    fingerprints.add(fingerprintOf(request.subscription))

  function createdId({ nonce, subscription }: DelegatedRequest): WordQuestion {
    const key = hashKey(['address', 'uint32'], [subscription.owner, nonce])
    return { to: coordinator, data: encodeCall(eip712CoordinatorArtifact, 'delegateCreatedIds', [key]) }
  }

  function requestOf(id: number): DelegatedRequest {
    const work = journal.state.delegated.get(id)
    if (work === undefined) throw new FlockError('INTERNAL', `There is no delegated subscription ${id}.`)
    return work.request
  }

  async function idOnChain(id: number): Promise<number> {
    if (id > 0) return id
    const [created] = await readWords(chain, [createdId(requestOf(id))])
    return Number(created ?? 0n)
  }

  /** What only the chain can tell: whose signature counts, and whether the nonce was used for something else. */
  async function verify(request: DelegatedRequest): Promise<GuardRefusal | null> {
    const { owner } = request.subscription
    const getSigner = { to: owner, data: encodeCall(DELEGATOR, 'getSigner', []) }
    const [expected, created] = await readWords(chain, [getSigner, createdId(request)])
    const signer = recover(request)
    if (signer === null) return { error: 'Invalid signature', params: { owner } }
    // A consumer without the function has no signer, and zero is nobody's.
    if (!expected || BigInt(signer) !== expected)
      return { error: 'Signer mismatch', params: { owner, signer } }
    const id = Number(created ?? 0n)
    if (id === 0) return null
    const [standing] = await view.readSubscriptions(id, id, 'latest')
    // Cancelling moves the start.
    const signed = fingerprintOf({ ...request.subscription, activeAt: 0 })
    const isSame = standing !== undefined && fingerprintOf({ ...standing, activeAt: 0 }) === signed
    return isSame ? null : { error: 'Nonce used for another subscription', params: { owner, id: `${id}` } }
  }

  function recover(request: DelegatedRequest): Address | null {
    try {
      const domain = { chainId: chain.chainId, coordinator }
      return recoverDelegateSigner(request, domain, delegateSignatureOf(request))
    } catch (error) {
      if (isFlockError(error) && error.code === 'USAGE_INVALID') return null
      throw error
    }
  }

  function isOpen({ nonce, subscription }: DelegatedRequest): boolean {
    for (const { request, isDone } of journal.state.delegated.values())
      if (!isDone && request.nonce === nonce && request.subscription.owner === subscription.owner) return true
    return false
  }

  function countOpen(): number {
    return [...journal.state.delegated.values()].filter(({ isDone }) => !isDone).length
  }

  function nextId(): number {
    return Math.min(0, ...journal.state.delegated.keys()) - 1
  }

  return {
    requestOf,
    idOnChain,
    isKnown: (fingerprint) => fingerprints.has(fingerprint),
    /** @see infernet.md 3.5 for the order */
    async accept(request, { context, begin }) {
      const { expiry, subscription, requiresProof } = request
      const now = context()
      if (now.nowSec >= expiry) return { error: 'Signature expired', params: { expiry: `${expiry}` } }
      const verdict = guardSubscription(subscription, { ...now, delegated: { requiresProof } })
      if (!verdict.accepted) return verdict.refusal
      const refusal = await verify(request)
      if (refusal !== null) return refusal
      if (isOpen(request)) return null
      if (countOpen() >= MAX_OPEN) return { error: 'Too many delegated subscriptions', params: {} }
      const work = { id: nextId(), request }
      fingerprints.add(fingerprintOf(subscription))
      await journal.append({ type: 'delegated', ...work })
      begin(work)
      return null
    },
  }
}
