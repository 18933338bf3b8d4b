import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import { TypedDataEncoder } from 'ethers/hash'
import { toUtf8Bytes } from 'ethers/utils'
import { FlockError } from '../errors.js'
import { type Address, type Hex, isHex, parseAddress } from '../hex.js'

/**
 * What a node is asked to compute: the request's origin and its payload. Fields in the order of `Usage.sol`.
 *
 * Infernet's container protocol carries no subscription id, so the bytes that a consumer gives must.
 */
export interface TaskEnvelope {
  readonly chainId: bigint
  /** Contract that owns the subscription. */
  readonly consumer: Address
  readonly subscriptionId: number
  readonly interval: number
  readonly requestId: Hex
  readonly requester: Address
  /** Infernet node that asked for the inputs. */
  readonly node: Address
  readonly modelId: Hex
  readonly maxPromptTokens: bigint
  readonly maxCompletionTokens: bigint
  /** OpenAI chat-completion body as JSON, or plain prompt text, UTF-8. */
  readonly payload: Hex
}

const ENVELOPE_FIELDS = [
  { name: 'chainId', type: 'uint256' },
  { name: 'consumer', type: 'address' },
  { name: 'subscriptionId', type: 'uint32' },
  { name: 'interval', type: 'uint32' },
  { name: 'requestId', type: 'bytes32' },
  { name: 'requester', type: 'address' },
  { name: 'node', type: 'address' },
  { name: 'modelId', type: 'bytes32' },
  { name: 'maxPromptTokens', type: 'uint32' },
  { name: 'maxCompletionTokens', type: 'uint32' },
  { name: 'payload', type: 'bytes' },
] as const

const ENVELOPE_TYPE = `TaskEnvelope(${ENVELOPE_FIELDS.map(({ type, name }) => `${type} ${name}`).join(',')})`
const ENVELOPE_ABI_TYPES = ['bytes32', `tuple(${ENVELOPE_FIELDS.map(({ type }) => type).join(',')})`]

/** EIP-712 type hash; standing in front of the encoded envelope, it is the version of the encoding. */
export const TASK_ENVELOPE_TYPEHASH = keccak256(toUtf8Bytes(ENVELOPE_TYPE)) as Hex

/** The bytes of `getContainerInputs`: `abi.encode(TASK_ENVELOPE_TYPEHASH, envelope)`. */
export function encodeTaskEnvelope(envelope: TaskEnvelope): Hex {
  const values = ENVELOPE_FIELDS.map(({ name }) => envelope[name])
  return AbiCoder.defaultAbiCoder().encode(ENVELOPE_ABI_TYPES, [TASK_ENVELOPE_TYPEHASH, values]) as Hex
}

/**
 * Reads the bytes of `getContainerInputs`, strictly: they have to be the exact encoding of what they hold.
 * @throws TASK_INVALID
 */
export function decodeTaskEnvelope(inputs: Hex): TaskEnvelope {
  if (inputs === '0x') {
    throw new FlockError('TASK_INVALID', 'The task is empty: the consumer gave no container inputs.', {
      hint: 'Does getContainerInputs of the consumer revert, or does the subscription belong to another kind of consumer?',
    })
  }
  if (!isHex(inputs) || !inputs.toLowerCase().startsWith(TASK_ENVELOPE_TYPEHASH)) {
    throw new FlockError('TASK_INVALID', 'The task is not a task envelope of this version.', {
      hint: `The inputs of a ModelHostConsumer start with ${TASK_ENVELOPE_TYPEHASH}.`,
    })
  }
  const envelope = envelopeOf(inputs)
  if (encodeTaskEnvelope(envelope) !== inputs.toLowerCase()) throw malformed()
  return envelope
}

/** What a receipt names as its input: the EIP-712 struct hash of the envelope. */
export function hashTaskEnvelope(envelope: TaskEnvelope): Hex {
  return TypedDataEncoder.hashStruct('TaskEnvelope', { TaskEnvelope: [...ENVELOPE_FIELDS] }, envelope) as Hex
}

function envelopeOf(inputs: Hex): TaskEnvelope {
  try {
    const decoded = AbiCoder.defaultAbiCoder().decode(ENVELOPE_ABI_TYPES, inputs)
    const fields = decoded[1] as readonly unknown[]
    return {
      chainId: fields[0] as bigint,
      consumer: parseAddress(fields[1], 'consumer'),
      subscriptionId: Number(fields[2]),
      interval: Number(fields[3]),
      requestId: fields[4] as Hex,
      requester: parseAddress(fields[5], 'requester'),
      node: parseAddress(fields[6], 'node'),
      modelId: fields[7] as Hex,
      maxPromptTokens: fields[8] as bigint,
      maxCompletionTokens: fields[9] as bigint,
      payload: fields[10] as Hex,
    }
  } catch (error) {
    throw malformed(error)
  }
}

function malformed(cause?: unknown): FlockError {
  return new FlockError('TASK_INVALID', 'The task envelope is malformed.', { cause })
}
