import { SigningKey } from 'ethers/crypto'
import { describe, expect, it } from '@jest/globals'
import type { Address, Hex } from '../../../src/lib/hex.js'
import {
  parseAttestation,
  renderAttestation,
  signAttestation,
  tableDigest,
  verifyAttestation,
  type Attestation,
} from '../../../src/lib/models/attestation.js'
import {
  orderContributors,
  sameContributors,
  type ContributorTable,
} from '../../../src/lib/models/contributors.js'
import { caught } from '../../helpers/caught.js'

// Development keys of anvil's default mnemonic, accounts #6 and #5.
const attesterKey = new SigningKey('0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e')
const strangerKey = new SigningKey('0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba')
const attester: Address = '0x976EA74026E726554dB657fA54763abd0C3a0aa9'

const low: Address = '0x14dC79964da2C08b23698B3D3cc7Ca32193d9955'
const middle: Address = '0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f'
const high: Address = '0xa0Ee7A142d267C1f36714E4a8F75612F20a79720'

const domain = { chainId: 31_337, rewardDistributor: '0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9' as Address }
const modelId: Hex = `0x${'ab'.repeat(32)}`
const otherModelId: Hex = `0x${'ac'.repeat(32)}`
const nowSec = 1_750_000_000
const table: ContributorTable = {
  modelId,
  training: [
    { account: low, weight: 3 },
    { account: middle, weight: 1 },
  ],
  validators: [{ account: high, weight: 7 }],
  nonce: 2n ** 63n,
  expiry: nowSec + 3600,
}
const expected = { domain, modelId, nowSec }

const parse = (attestation: Attestation) => parseAttestation(JSON.parse(renderAttestation(attestation)))

describe('orderContributors', () => {
  it('puts both roles into rising address order, whatever the casing', () => {
    const ordered = orderContributors({
      training: [table.training[1]!, { ...table.training[0]!, account: low.toLowerCase() as Address }],
      validators: [],
    })

    expect(ordered.training.map(({ weight }) => weight)).toEqual([3, 1])
  })

  it('names every fault of both roles at once', async () => {
    const error = await caught(() =>
      orderContributors({
        training: [
          { account: low, weight: 0 },
          { account: low, weight: 1.5 },
        ],
        validators: Array.from({ length: 65 }, (_, index) => ({
          account: `0x${(index + 1).toString(16).padStart(40, '0')}`,
          weight: 1,
        })),
      }),
    )

    expect(error.code).toBe('ATTESTATION_INVALID')
    expect(error.details['faults']).toEqual([
      'training[0]: found weight 0, 1 to 16777215 is allowed',
      `training[1]: found ${low} twice, each account stands once in a role`,
      'training[1]: found weight 1.5, 1 to 16777215 is allowed',
      'validators: found 65 entries, at most 64 are allowed',
    ])
  })

  it('refuses weights that sum up to more than the contracts keep', async () => {
    const half = 2 ** 23
    const members = [
      { account: low, weight: half },
      { account: high, weight: half },
    ]

    const error = await caught(() => orderContributors({ training: members, validators: [] }))

    expect(error.details['faults']).toEqual([
      'training: found weights that sum up to 16777216, at most 16777215 is allowed',
    ])
  })

  it('tells tables apart by members and weights, not by order', () => {
    const { training, validators } = table

    expect(sameContributors(table, { training: [...training].reverse(), validators })).toBe(true)
    expect(sameContributors(table, { training, validators: [{ account: high, weight: 8 }] })).toBe(false)
    expect(sameContributors(table, { training: validators, validators: training })).toBe(false)
  })
})

describe('attestations', () => {
  it('come back from their file as they were', () => {
    const attestation = signAttestation(table, domain, attesterKey)

    expect(attestation.attester).toBe(attester)
    expect(parse(attestation)).toEqual(attestation)
    expect(() => verifyAttestation(parse(attestation), expected)).not.toThrow()
  })

  it('are signed over every field', () => {
    const digests = [
      table,
      { ...table, nonce: 1n },
      { ...table, expiry: table.expiry + 1 },
      { ...table, training: table.validators, validators: table.training },
      { ...table, training: [{ account: low, weight: 4 }, table.training[1]!] },
      { ...table, modelId: otherModelId },
    ].map((item) => tableDigest(item, domain))
    const elsewhere = tableDigest(table, { ...domain, chainId: 1 })

    expect(new Set([...digests, elsewhere]).size).toBe(7)
  })

  it.each<[string, (own: Attestation) => Attestation, RegExp]>([
    ['another chain', (own) => ({ ...own, domain: { ...domain, chainId: 1 } }), /is for chain 1, not 31337/],
    [
      'another distributor',
      (own) => ({ ...own, domain: { ...domain, rewardDistributor: low } }),
      /is for the distributor 0x14dC/,
    ],
    [
      'another model',
      (own) => ({ ...own, table: { ...table, modelId: `0x${'00'.repeat(32)}` } }),
      /is for model 0x0000/,
    ],
    ['the past', (own) => ({ ...own, table: { ...table, expiry: nowSec } }), /expired at 2025-06-15T/],
    [
      'changed weights',
      (own) => ({ ...own, table: { ...table, validators: [{ account: high, weight: 8 }] } }),
      /is not signed by its attester/,
    ],
    [
      'a stranger',
      (own) => ({ ...signAttestation(table, domain, strangerKey), attester: own.attester }),
      /is not signed by its attester/,
    ],
    ['a broken signature', (own) => ({ ...own, signature: '0x1234' }), /is not signed by its attester/],
  ])('for %s are refused', async (_what, change, message) => {
    const attestation = change(signAttestation(table, domain, attesterKey))
    const error = await caught(() => verifyAttestation(attestation, expected))

    expect(error.code).toBe('ATTESTATION_INVALID')
    expect(error.message).toMatch(message)
  })

  it.each<[string, unknown]>([
    ['no object', []],
    ['another version', { schemaVersion: 2 }],
    ['no domain', { schemaVersion: 1 }],
    ['no table', { schemaVersion: 1, domain: {} }],
    ['no signature', { schemaVersion: 1, domain: {}, table: {} }],
    ['a short model id', { schemaVersion: 1, domain: {}, table: { modelId: '0x12' }, signature: '0x' }],
    ['a nonce as number', { schemaVersion: 1, domain: {}, table: { modelId, nonce: 1 }, signature: '0x' }],
    [
      'members that are no objects',
      {
        schemaVersion: 1,
        domain: {},
        table: { modelId, nonce: '1', training: [1], validators: [] },
        signature: '0x',
      },
    ],
    [
      'an expiry as text',
      {
        schemaVersion: 1,
        domain: { chainId: 1, rewardDistributor: low },
        attester,
        table: { modelId, nonce: '1', training: [], validators: [], expiry: 'soon' },
        signature: '0x',
      },
    ],
  ])('with %s are no attestations', async (_what, value) => {
    expect((await caught(() => parseAttestation(value))).code).toBe('ATTESTATION_INVALID')
  })
})
