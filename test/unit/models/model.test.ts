import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import { describe, expect, it } from '@jest/globals'
import type { FlockError } from '../../../src/lib/errors.js'
import { ZERO_ADDRESS, ZERO_BYTES32, type Address, type Hex } from '../../../src/lib/hex.js'
import { artifactIdOf, buildListing, modelIdOf, type ModelSource } from '../../../src/lib/models/model.js'
import { diffListing, planUpdates } from '../../../src/lib/models/registration.js'
import type { Model } from '../../../src/lib/models/model.js'
import { caught } from '../../helpers/caught.js'

const host: Address = '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65'
const consumer: Address = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const receiptSigner: Address = '0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc'
const node: Address = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const otherNode: Address = '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC'

const source: ModelSource = {
  hg_repo_id: 'flock-io/demo',
  revision: '0123456789abcdef0123456789abcdef01234567',
  base_model: 'Qwen/Qwen2.5-0.5B-Instruct',
  metadataUri: 'https://example.org/model.json',
  containers: ['flock-workflow', 'proof'],
  price: { request: '0.001', promptPerMillion: '2', completionPerMillion: '6.5' },
  limits: { maxPromptTokens: 4096, maxCompletionTokens: 512 },
  split: { trainingPpm: 300_000, validatorPpm: 100_000 },
  nodes: [node, otherNode],
}
const choices = { consumer, receiptSigner, metadataHash: ZERO_BYTES32 }

function registered(change: Partial<Model> = {}): Model {
  const listing = buildListing(source, choices)
  return {
    ...listing,
    modelId: modelIdOf(host, listing.artifactId),
    host,
    status: 'active',
    previousSigner: ZERO_ADDRESS,
    previousSignerUntil: 0,
    containerId: ZERO_BYTES32,
    ...change,
  }
}

describe('ids', () => {
  it('names an artifact by the hash of its three ABI-encoded texts', () => {
    // Head of three offsets, then length and bytes of each text, padded to words: written out by hand.
    const word = (value: number) => value.toString(16).padStart(64, '0')
    const text = (value: string) => {
      const bytes = Buffer.from(value).toString('hex')
      return word(value.length) + bytes.padEnd(Math.ceil(bytes.length / 64) * 64, '0')
    }
    const tails = [source.hg_repo_id, source.revision, source.base_model].map(text)
    const offsets = [96, 96 + tails[0]!.length / 2, 96 + (tails[0]!.length + tails[1]!.length) / 2]
    const encoded = `0x${offsets.map(word).join('')}${tails.join('')}`

    expect(artifactIdOf(source)).toBe(keccak256(encoded))
  })

  it('gives each host a model id of its own for the same artifact', () => {
    const artifactId = artifactIdOf(source)

    expect(modelIdOf(host, artifactId)).toBe(
      keccak256(AbiCoder.defaultAbiCoder().encode(['address', 'bytes32'], [host, artifactId])),
    )
    expect(modelIdOf(host, artifactId)).not.toBe(modelIdOf(node, artifactId))
  })

  it('does not confuse texts that run together to the same whole', () => {
    const a = artifactIdOf({ hg_repo_id: 'ab', revision: 'c', base_model: 'd' })
    const b = artifactIdOf({ hg_repo_id: 'a', revision: 'bc', base_model: 'd' })

    expect(a).not.toBe(b)
  })
})

describe('buildListing', () => {
  it('turns decimal prices into base units and joins the containers', () => {
    expect(buildListing(source, choices)).toEqual({
      artifactId: artifactIdOf(source),
      metadataHash: ZERO_BYTES32,
      metadataUri: source.metadataUri,
      containers: 'flock-workflow,proof',
      consumer,
      receiptSigner,
      nodes: [node, otherNode],
      terms: {
        requestPrice: 10n ** 15n,
        promptPrice: 2n * 10n ** 18n,
        completionPrice: 65n * 10n ** 17n,
        maxPromptTokens: 4096n,
        maxCompletionTokens: 512n,
        trainingPpm: 300_000n,
        validatorPpm: 100_000n,
      },
    })
  })

  const nodes = (count: number) =>
    Array.from({ length: count }, (_, index): Address => `0x${(index + 1).toString(16).padStart(40, '0')}`)

  it('takes 32 nodes and a split of the whole', () => {
    const full = { ...source, nodes: nodes(32), split: { trainingPpm: 600_000, validatorPpm: 400_000 } }

    expect(buildListing(full, choices).nodes).toHaveLength(32)
  })

  it.each<[string, Partial<ModelSource>, string]>([
    ['33 nodes', { nodes: nodes(33) }, 'nodes: found 33, at most 32 are allowed'],
    ['no node', { nodes: [] }, 'nodes: found none, at least one Infernet node has to deliver'],
    [
      'a node twice in other casing',
      { nodes: [node, node.toLowerCase() as Address] },
      `nodes: found ${node.toLowerCase()} twice, each node is listed once`,
    ],
    ['the zero address as node', { nodes: [ZERO_ADDRESS] }, 'nodes: found the zero address'],
    [
      'a split above the whole',
      { split: { trainingPpm: 600_000, validatorPpm: 400_001 } },
      'split: found 1000001 ppm in all, at most 1000000 is allowed',
    ],
    [
      'a split of half a ppm',
      { split: { trainingPpm: 0.5, validatorPpm: 0 } },
      'split.trainingPpm: found 0.5, whole parts per million are allowed',
    ],
    [
      'a negative part',
      { split: { trainingPpm: -1, validatorPpm: 0 } },
      'split.trainingPpm: found -1, whole parts per million are allowed',
    ],
    ['no container', { containers: [] }, 'containers: found none, at least one container id is needed'],
    [
      'a container id with a comma',
      { containers: ['a,b'] },
      'containers: found "a,b", an id has neither commas nor spaces',
    ],
    [
      'no completion tokens',
      { limits: { maxPromptTokens: 1, maxCompletionTokens: 0 } },
      'limits.maxCompletionTokens: found 0, at least 1 is needed',
    ],
    [
      'a cap beyond 32 bits',
      { limits: { maxPromptTokens: 2 ** 32, maxCompletionTokens: 1 } },
      'limits.maxPromptTokens: found 4294967296, 0 to 4294967295 is allowed',
    ],
    ['an empty revision', { revision: ' ' }, 'revision: found an empty text, a name is needed'],
    [
      'a price of too many decimals',
      { price: { ...source.price, request: '0.0000000000000000001' } },
      'price.request: found "0.0000000000000000001", an amount with at most 18 decimals is allowed',
    ],
    [
      'a price beyond 80 bits',
      { price: { ...source.price, promptPerMillion: '1208926' } },
      'price.promptPerMillion: found 1208926, less than 2^80 base units is allowed',
    ],
  ])('refuses %s', async (_what, change, fault) => {
    const error = await caught(() => buildListing({ ...source, ...change }, choices))

    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.details['faults']).toEqual([fault])
  })

  it('names all faults at once', async () => {
    const error: FlockError = await caught(() =>
      buildListing(
        { ...source, nodes: [], containers: [], hg_repo_id: '' },
        { ...choices, consumer: ZERO_ADDRESS },
      ),
    )

    expect(error.details['faults']).toHaveLength(4)
    expect(error.message).toContain('consumer: found the zero address')
  })
})

describe('diffListing', () => {
  it('finds nothing when the chain holds what is declared, in whatever order nodes stand', () => {
    expect(diffListing(registered({ nodes: [otherNode, node] }), buildListing(source, choices))).toEqual([])
  })

  it('names each difference once, with both values', () => {
    const listing = buildListing(
      { ...source, price: { ...source.price, request: '1' }, nodes: [node], containers: ['other'] },
      { ...choices, receiptSigner: otherNode },
    )
    const changes = diffListing(registered(), listing)

    expect(changes.map(({ field }) => field)).toEqual(['terms', 'containers', 'nodes', 'receiptSigner'])
    expect(changes[1]).toEqual({ field: 'containers', from: 'flock-workflow,proof', to: 'other' })
  })

  it('plans one call for each difference', () => {
    const hash: Hex = `0x${'11'.repeat(32)}`
    const listing = buildListing(
      { ...source, metadataUri: 'ipfs://x', nodes: [node] },
      { consumer: otherNode, receiptSigner: otherNode, metadataHash: hash },
    )
    const model = registered()
    const calls = planUpdates(
      consumer,
      { modelId: model.modelId, listing, signerGraceSec: 3600 },
      diffListing(model, listing),
    )

    expect(calls.map(({ fn, args }) => [fn, ...args])).toEqual([
      ['updateMetadata', model.modelId, 'ipfs://x', hash],
      ['updateConsumer', model.modelId, otherNode],
      ['updateNodes', model.modelId, [node]],
      ['rotateReceiptSigner', model.modelId, otherNode, 3600],
    ])
  })
})
