import { modelHostConsumerArtifact } from '../abi/model-host-consumer.js'
import { modelRegistryArtifact } from '../abi/model-registry.js'
import { planCall, type PlannedCall } from '../chain/calls.js'
import { readContract } from '../chain/contracts.js'
import type { Chain } from '../chain/provider.js'
import { FlockError } from '../errors.js'
import { sameAddress, type Address, type Hex } from '../hex.js'
import { modelIdOf, type Listing, type Model, type Terms } from './model.js'

/** One thing in which a registered model differs from its listing; values are JSON-safe. */
export interface ListingChange {
  readonly field: 'terms' | 'metadata' | 'containers' | 'consumer' | 'nodes' | 'receiptSigner'
  readonly from: unknown
  readonly to: unknown
}

/** What differs between a registered model and a listing, in the order in which it is changed. */
export function diffListing(model: Model, listing: Listing): ListingChange[] {
  const metadata = ({ metadataUri, metadataHash }: Listing) => ({ metadataUri, metadataHash })
  const changes: (ListingChange | false)[] = [
    !sameTerms(model.terms, listing.terms) && { field: 'terms', from: model.terms, to: listing.terms },
    (model.metadataUri !== listing.metadataUri || model.metadataHash !== listing.metadataHash) && {
      field: 'metadata',
      from: metadata(model),
      to: metadata(listing),
    },
    model.containers !== listing.containers && {
      field: 'containers',
      from: model.containers,
      to: listing.containers,
    },
    !sameAddress(model.consumer, listing.consumer) && {
      field: 'consumer',
      from: model.consumer,
      to: listing.consumer,
    },
    !sameNodes(model.nodes, listing.nodes) && { field: 'nodes', from: model.nodes, to: listing.nodes },
    !sameAddress(model.receiptSigner, listing.receiptSigner) && {
      field: 'receiptSigner',
      from: model.receiptSigner,
      to: listing.receiptSigner,
    },
  ]
  return changes.filter((change) => change !== false)
}

/** What has to be sent so that the registry holds a listing. */
export interface RegistrationPlan {
  readonly modelId: Hex
  /** True when the host has not registered this artifact before. */
  readonly isNew: boolean
  readonly changes: readonly ListingChange[]
  readonly calls: readonly PlannedCall[]
}

export interface RegistrationWish {
  readonly host: Address
  readonly listing: Listing
  /** Allows changes to a model that is registered already. */
  readonly allowUpdate: boolean
  /** How long receipts of a replaced signer stay valid. */
  readonly signerGraceSec: number
}

/**
 * Compares a listing with what the registry holds; nothing different, no call.
 * @param current the registered model, or null
 * @throws MODEL_EXISTS when it differs and updates are not allowed, STATE_CONFLICT for a retired model
 */
export function planRegistration(
  modelRegistry: Address,
  current: Model | null,
  wish: RegistrationWish,
): RegistrationPlan {
  const { host, listing, signerGraceSec } = wish
  const modelId = modelIdOf(host, listing.artifactId)
  if (current === null) {
    const call = planCall('register the model', modelRegistryArtifact, modelRegistry, 'register', [listing])
    return { modelId, isNew: true, changes: [], calls: [call] }
  }
  const changes = diffListing(current, listing)
  if (changes.length > 0) requireChangeable(current, changes, wish.allowUpdate)
  const calls = planUpdates(modelRegistry, { modelId, listing, signerGraceSec }, changes)
  return { modelId, isNew: false, changes, calls }
}

/**
 * Refuses to send requests of a model through a contract that serves another host.
 * @throws PERMISSION_DENIED, CONTRACT_MISSING when no consumer stands there
 */
export async function requireOwnConsumer(chain: Chain, consumer: Address, host: Address): Promise<void> {
  const owner = await readContract<Address>(chain, modelHostConsumerArtifact, consumer, 'HOST')
  if (sameAddress(owner, host)) return
  throw new FlockError('PERMISSION_DENIED', `The consumer ${consumer} belongs to ${owner}, not to ${host}.`, {
    details: { consumer, owner, host },
    hint: `Sign with the key of ${owner}, or deploy a consumer of your own: flock deploy`,
  })
}

function requireChangeable(model: Model, changes: readonly ListingChange[], allowUpdate: boolean): void {
  const fields = changes.map(({ field }) => field).join(', ')
  if (model.status === 'retired') {
    throw new FlockError('STATE_CONFLICT', `The model ${model.modelId} is retired and cannot be changed.`, {
      details: { modelId: model.modelId, changes },
      hint: 'Register another revision.',
    })
  }
  if (allowUpdate) return
  throw new FlockError(
    'MODEL_EXISTS',
    `The model ${model.modelId} is registered with other values: ${fields}.`,
    {
      details: { modelId: model.modelId, changes },
      hint: 'Add --update to change what is registered.',
    },
  )
}

/**
 * The calls that make a registered model like its listing.
 * @param update `signerGraceSec` is how long receipts of a replaced signer stay valid
 */
export function planUpdates(
  registry: Address,
  update: { readonly modelId: Hex; readonly listing: Listing; readonly signerGraceSec: number },
  changes: readonly ListingChange[],
): PlannedCall[] {
  const { modelId, listing, signerGraceSec } = update
  const call = (label: string, fn: string, ...args: unknown[]) =>
    planCall(label, modelRegistryArtifact, registry, fn, [modelId, ...args])
  return changes.map(({ field }) => {
    switch (field) {
      case 'terms':
        return call('update price, caps and split', 'updateTerms', listing.terms)
      case 'metadata':
        return call('update the description', 'updateMetadata', listing.metadataUri, listing.metadataHash)
      case 'containers':
        return call('update the containers', 'updateContainers', listing.containers)
      case 'consumer':
        return call('update the consumer', 'updateConsumer', listing.consumer)
      case 'nodes':
        return call('update the nodes', 'updateNodes', listing.nodes)
      case 'receiptSigner':
        return call('rotate the receipt signer', 'rotateReceiptSigner', listing.receiptSigner, signerGraceSec)
    }
  })
}

const STATUS_AFTER = { pause: 'paused', resume: 'active', retire: 'retired' } as const

/**
 * Refuses new requests until resumed, allows them again, or refuses them for ever; no call when it is so already.
 * @throws PERMISSION_DENIED when the sender is not the model's host, STATE_CONFLICT when it is retired
 */
export function planStatusChange(
  modelRegistry: Address,
  model: Model,
  action: 'pause' | 'resume' | 'retire',
  sender: Address,
): PlannedCall | null {
  const { modelId, status } = model
  if (status === STATUS_AFTER[action]) return null
  requireHost(model, sender)
  if (status === 'retired') {
    throw new FlockError('STATE_CONFLICT', `The model ${modelId} is retired for ever.`, {
      details: { modelId, status },
      hint: 'Register another revision.',
    })
  }
  return planCall(`${action} the model`, modelRegistryArtifact, modelRegistry, action, [modelId])
}

function requireHost(model: Model, sender: Address): void {
  if (sameAddress(model.host, sender)) return
  throw new FlockError(
    'PERMISSION_DENIED',
    `The model ${model.modelId} belongs to ${model.host}; ${sender} cannot change it.`,
    {
      details: { modelId: model.modelId, host: model.host, sender },
      hint: `Sign with the key of ${model.host}.`,
    },
  )
}

function sameTerms(a: Terms, b: Terms): boolean {
  return (Object.keys(b) as (keyof Terms)[]).every((field) => a[field] === b[field])
}

/** The order of nodes says nothing: the registry keeps places of its own. */
function sameNodes(a: readonly Address[], b: readonly Address[]): boolean {
  const sorted = (nodes: readonly Address[]) => nodes.map((node) => node.toLowerCase()).sort()
  return sorted(a).join() === sorted(b).join()
}
