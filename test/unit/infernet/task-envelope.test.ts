import { describe, expect, it } from '@jest/globals'
import { AbiCoder } from 'ethers/abi'
import { id } from 'ethers/hash'
import { keccak256 } from 'ethers/crypto'
import type { Hex } from '../../../src/lib/hex.js'
import {
  TASK_ENVELOPE_TYPEHASH,
  decodeTaskEnvelope,
  encodeTaskEnvelope,
  hashTaskEnvelope,
} from '../../../src/lib/infernet/task-envelope.js'
import { loadReceiptVectors } from '../../helpers/receipt-vectors.js'

const TYPE =
  'TaskEnvelope(uint256 chainId,address consumer,uint32 subscriptionId,uint32 interval,bytes32 requestId,address requester,address node,bytes32 modelId,uint32 maxPromptTokens,uint32 maxCompletionTokens,bytes payload)'

const vectors = loadReceiptVectors()
const [plain] = vectors
if (plain === undefined) throw new Error('no vectors')

describe('task envelopes', () => {
  it('carry the hash of their type in front', () => {
    expect(TASK_ENVELOPE_TYPEHASH).toBe(id(TYPE))
    expect(plain.containerInputs.slice(0, 66)).toBe(id(TYPE))
  })

  it.each(vectors)('are encoded, decoded and hashed as in the vector: $name', (vector) => {
    expect(encodeTaskEnvelope(vector.envelope)).toBe(vector.containerInputs)
    expect(decodeTaskEnvelope(vector.containerInputs)).toEqual(vector.envelope)
    expect(hashTaskEnvelope(vector.envelope)).toBe(vector.receipt.inputHash)
  })

  it.each(vectors)('have the EIP-712 struct hash that is built by hand: $name', ({ envelope }) => {
    const words = [
      TASK_ENVELOPE_TYPEHASH,
      ...Object.values({ ...envelope, payload: keccak256(envelope.payload) }),
    ]
    const types =
      'bytes32,uint256,address,uint32,uint32,bytes32,address,address,bytes32,uint32,uint32,bytes32'

    const structHash = keccak256(AbiCoder.defaultAbiCoder().encode(types.split(','), words))

    expect(hashTaskEnvelope(envelope)).toBe(structHash)
  })

  it('change their hash with the node, the interval and every byte of the payload', () => {
    const hashes = [
      plain.envelope,
      { ...plain.envelope, node: plain.envelope.requester },
      { ...plain.envelope, interval: 2 },
      { ...plain.envelope, payload: `${plain.envelope.payload}00` as Hex },
    ].map(hashTaskEnvelope)

    expect(new Set(hashes).size).toBe(4)
  })

  const body = plain.containerInputs.slice(66)
  const dirty = plain.containerInputs.replace(
    '00000000000000000000000013d69c',
    '00000000000000000000000113d69c',
  )
  it.each([
    ['no bytes', '0x', 'empty'],
    ['plain text', '0x476f6f64', 'not a task envelope'],
    ['another version in front', `0x${'11'.repeat(32)}${body}`, 'not a task envelope'],
    ['the type hash alone', TASK_ENVELOPE_TYPEHASH, 'malformed'],
    ['a cut end', plain.containerInputs.slice(0, -64), 'malformed'],
    ['bytes behind the end', `${plain.containerInputs}00`, 'malformed'],
    ['dirty bits above an address', dirty, 'malformed'],
  ])('refuse %s', (_what, inputs, message) => {
    expect(() => decodeTaskEnvelope(inputs as Hex)).toThrow(
      expect.objectContaining({ code: 'TASK_INVALID', message: expect.stringContaining(message) }),
    )
  })
})
