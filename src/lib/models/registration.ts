import { modelRegistryArtifact } from '../abi/model-registry.js'
import { planCall, type PlannedCall } from '../chain/calls.js'
import { sameAddress, type Address, type Hex } from '../hex.js'
import type { Listing, Model, Terms } from './model.js'

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

export function planRegister(registry: Address, listing: Listing): PlannedCall {
  return planCall('register the model', modelRegistryArtifact, registry, 'register', [listing])
}

/**
 * The calls that make a registered model like its listing.
 * @param graceSec how long receipts of a replaced signer stay valid
 */
export function planUpdates(
  registry: Address,
  update: { readonly modelId: Hex; readonly listing: Listing; readonly graceSec: number },
  changes: readonly ListingChange[],
): PlannedCall[] {
  const { modelId, listing, graceSec } = update
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
        return call('rotate the receipt signer', 'rotateReceiptSigner', listing.receiptSigner, graceSec)
    }
  })
}

/** Refuses new requests until resumed, allows them again, or refuses them for ever. */
export function planStatusChange(
  registry: Address,
  modelId: Hex,
  action: 'pause' | 'resume' | 'retire',
): PlannedCall {
  return planCall(`${action} the model`, modelRegistryArtifact, registry, action, [modelId])
}

function sameTerms(a: Terms, b: Terms): boolean {
  return (Object.keys(b) as (keyof Terms)[]).every((field) => a[field] === b[field])
}

/** The order of nodes says nothing: the registry keeps places of its own. */
function sameNodes(a: readonly Address[], b: readonly Address[]): boolean {
  const sorted = (nodes: readonly Address[]) => nodes.map((node) => node.toLowerCase()).sort()
  return sorted(a).join() === sorted(b).join()
}
