import { describe, expect, it } from '@jest/globals'
import { AbiCoder } from 'ethers/abi'
import { TypedDataEncoder, id } from 'ethers/hash'
import { keccak256 } from 'ethers/crypto'
import type { Hex } from '../../../src/lib/hex.js'
import {
  TASK_ENVELOPE_TYPEHASH,
  type TaskEnvelope,
  decodeTaskEnvelope,
  encodeTaskEnvelope,
  hashTaskEnvelope,
} from '../../../src/lib/infernet/task-envelope.js'
import { createDice } from '../../helpers/dice.js'
import { randomEnvelope } from '../../helpers/random-tasks.js'
import { loadReceiptVectors } from '../../helpers/receipt-vectors.js'

const TYPE =
  'TaskEnvelope(uint256 chainId,address consumer,uint32 subscriptionId,uint32 interval,bytes32 requestId,address requester,address node,bytes32 modelId,uint32 maxPromptTokens,uint32 maxCompletionTokens,bytes payload)'

const FIELDS = TYPE.slice('TaskEnvelope('.length, -1)
  .split(',')
  .map((field) => field.split(' ') as [type: string, name: keyof TaskEnvelope])

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

  it('have the bytes and hashes of general encoders, whatever they hold', () => {
    const dice = createDice(5)
    const types = { TaskEnvelope: FIELDS.map(([type, name]) => ({ name, type })) }
    const tuple = `tuple(${FIELDS.map(([type]) => type).join(',')})`

    for (let round = 0; round < 300; round += 1) {
      const envelope = randomEnvelope(dice)
      const values = FIELDS.map(([, name]) => envelope[name])

      const inputs = encodeTaskEnvelope(envelope)
      expect(inputs).toBe(AbiCoder.defaultAbiCoder().encode(['bytes32', tuple], [id(TYPE), values]))
      expect(decodeTaskEnvelope(inputs)).toEqual(envelope)
      expect(decodeTaskEnvelope(`0x${inputs.slice(2).toUpperCase()}`)).toEqual(envelope)
      expect(hashTaskEnvelope(envelope)).toBe(TypedDataEncoder.hashStruct('TaskEnvelope', types, envelope))
    }
  })

  it('are refused with any one bit changed outside of their values', () => {
    const [, , ...words] = plain.containerInputs.slice(2).match(/.{64}/g) ?? []
    // Where padding stands: above addresses and uint32, in the offset, above the length and behind the payload.
    const paddings = [1, 2, 3, 5, 6, 8, 9, 10, 11].flatMap((word) =>
      [0, 11].map((byte) => 2 * (2 + word) * 32 + 2 * byte),
    )
    const filled = plain.containerInputs.length - 2

    for (const at of [...paddings, 2 * 32, filled - 2]) {
      const byte = parseInt(plain.containerInputs.slice(2 + at, 4 + at), 16)
      const changed = (byte ^ 1).toString(16).padStart(2, '0')
      const inputs = `${plain.containerInputs.slice(0, 2 + at)}${changed}${plain.containerInputs.slice(4 + at)}`
      expect(() => decodeTaskEnvelope(inputs as Hex)).toThrow(
        expect.objectContaining({ code: 'TASK_INVALID' }),
      )
    }
    expect(words.at(-1)).toMatch(/00$/)
  })

  it.each([
    ['half a byte', '0xabc'],
    ['text', '0xzz'],
  ])('are not hashed with a payload of %s', (_what, payload) => {
    expect(() => hashTaskEnvelope({ ...plain.envelope, payload: payload as Hex })).toThrow(
      expect.objectContaining({ code: 'HEX_INVALID' }),
    )
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
