import { id } from 'ethers/hash'
import { FlockError } from '../errors.js'
import { type Address, type Hex, isHex } from '../hex.js'
import {
  WORD_DIGITS,
  encodeAddressWord,
  encodeBytes32Word,
  encodeBytesWords,
  keccakOfDigits,
  decodeAddressWord,
  decodeUintWord,
  encodeUintWord,
  wholeWords,
  wordAt,
} from '../words.js'

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

/** EIP-712 type hash; standing in front of the encoded envelope, it is the version of the encoding. */
export const TASK_ENVELOPE_TYPEHASH = id(
  'TaskEnvelope(uint256 chainId,address consumer,uint32 subscriptionId,uint32 interval,bytes32 requestId,' +
    'address requester,address node,bytes32 modelId,uint32 maxPromptTokens,uint32 maxCompletionTokens,bytes payload)',
) as Hex

/** Words of the envelope in front of its payload, the last of which says where the payload begins. */
const ENVELOPE_WORDS = 11

/** Type hash, and where the envelope begins: behind these two words. */
const START = `${TASK_ENVELOPE_TYPEHASH.slice(2)}${encodeUintWord(2 * 32, 32, 'offset')}`
const PAYLOAD_OFFSET = encodeUintWord(ENVELOPE_WORDS * 32, 32, 'offset')

/** The bytes of `getContainerInputs`: `abi.encode(TASK_ENVELOPE_TYPEHASH, envelope)`. @throws HEX_INVALID */
export function encodeTaskEnvelope(envelope: TaskEnvelope): Hex {
  return `0x${START}${staticWords(envelope)}${PAYLOAD_OFFSET}${encodeBytesWords(envelope.payload, 'payload')}`
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
  try {
    return envelopeOf(inputs.slice(2).toLowerCase())
  } catch (error) {
    throw new FlockError('TASK_INVALID', 'The task envelope is malformed.', { cause: error })
  }
}

/** What a receipt names as its input: the EIP-712 struct hash of the envelope. @throws HEX_INVALID */
export function hashTaskEnvelope(envelope: TaskEnvelope): Hex {
  const payloadHash = keccakOfDigits(envelope.payload.slice(2)).slice(2)
  return keccakOfDigits(TASK_ENVELOPE_TYPEHASH.slice(2) + staticWords(envelope) + payloadHash)
}

/** All fields but the payload in the order of `Usage.sol`, one word each. */
function staticWords(envelope: TaskEnvelope): string {
  return (
    encodeUintWord(envelope.chainId, 256, 'chainId') +
    encodeAddressWord(envelope.consumer, 'consumer') +
    encodeUintWord(envelope.subscriptionId, 32, 'subscriptionId') +
    encodeUintWord(envelope.interval, 32, 'interval') +
    encodeBytes32Word(envelope.requestId, 'requestId') +
    encodeAddressWord(envelope.requester, 'requester') +
    encodeAddressWord(envelope.node, 'node') +
    encodeBytes32Word(envelope.modelId, 'modelId') +
    encodeUintWord(envelope.maxPromptTokens, 32, 'maxPromptTokens') +
    encodeUintWord(envelope.maxCompletionTokens, 32, 'maxCompletionTokens')
  )
}

function envelopeOf(digits: string): TaskEnvelope {
  if (!digits.startsWith(START)) throw new Error('the envelope does not begin behind its type hash')
  const fields = digits.slice(START.length)
  const word = (index: number) => wordAt(fields, index)
  return {
    chainId: decodeUintWord(word(0), 256),
    consumer: decodeAddressWord(word(1)),
    subscriptionId: Number(decodeUintWord(word(2), 32)),
    interval: Number(decodeUintWord(word(3), 32)),
    requestId: `0x${word(4)}`,
    requester: decodeAddressWord(word(5)),
    node: decodeAddressWord(word(6)),
    modelId: `0x${word(7)}`,
    maxPromptTokens: decodeUintWord(word(8), 32),
    maxCompletionTokens: decodeUintWord(word(9), 32),
    payload: payloadOf(fields),
  }
}

/** The payload, whose bytes and the zeros behind them have to be the end of the text. */
function payloadOf(fields: string): Hex {
  if (wordAt(fields, ENVELOPE_WORDS - 1) !== PAYLOAD_OFFSET) throw new Error('the payload begins elsewhere')
  const length = 2 * Number(decodeUintWord(wordAt(fields, ENVELOPE_WORDS), 32))
  const tail = fields.slice(WORD_DIGITS * (ENVELOPE_WORDS + 1))
  if (tail.length !== wholeWords(length)) throw new Error('the payload has another length')
  if (/[^0]/.test(tail.slice(length))) throw new Error('the payload is not filled up with zeros')
  return `0x${tail.slice(0, length)}`
}
