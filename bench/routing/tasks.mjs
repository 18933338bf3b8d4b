// The bodies that the load generator sends, and what their answers have to hold.
import { encodeTaskEnvelope } from '../../dist/lib/infernet/task-envelope.js'
import { PIECES, TEXT, createStampReader } from './wire.mjs'

const MAX_TOKENS = 256
/** Interval that stands where the load generator writes a number of its own: each paid task is another one. */
const INTERVAL = 0xfeed_beef
const INTERVAL_DIGITS = 8

/** An OpenAI chat body of so many bytes. */
function chatBody(bytes, isStream) {
  const body = (content) =>
    JSON.stringify({
      model: 'bench',
      messages: [{ role: 'user', content }],
      max_tokens: MAX_TOKENS,
      stream: isStream,
    })
  return fill(body, bytes)
}

/** A task of a REST client as an Infernet node hands it to a container. */
function taskBody(bytes, isStream) {
  const body = (content) => {
    const data = { messages: [{ role: 'user', content }], max_tokens: MAX_TOKENS }
    return JSON.stringify({ source: 1, destination: isStream ? 2 : 1, data })
  }
  return fill(body, bytes)
}

/** A task of a paid request: the chat body of so many bytes, in the envelope that the consumer gives. */
function paidBody(bytes, { chainId, modelId }) {
  const data = encodeTaskEnvelope({
    chainId: BigInt(chainId),
    consumer: `0x${'c1'.repeat(20)}`,
    subscriptionId: 7,
    interval: INTERVAL,
    requestId: `0x${'b2'.repeat(32)}`,
    requester: `0x${'c2'.repeat(20)}`,
    node: `0x${'c3'.repeat(20)}`,
    modelId,
    maxPromptTokens: 1_000_000n,
    maxCompletionTokens: BigInt(MAX_TOKENS),
    payload: `0x${Buffer.from(chatPayload(bytes)).toString('hex')}`,
  })
  return JSON.stringify({ source: 0, destination: 0, data: data.slice(2), requires_proof: false })
}

function chatPayload(bytes) {
  return fill(
    (content) => JSON.stringify({ messages: [{ role: 'user', content }], max_tokens: MAX_TOKENS }),
    bytes,
  )
}

/** Some characters are longer in JSON, so the text is shortened until the whole fits, and blanks do the rest. */
function fill(body, bytes) {
  let length = bytes - body('').length
  while (body(TEXT.slice(0, length)).length > bytes) length -= 1
  const text = TEXT.slice(0, length)
  return body(text + ' '.repeat(bytes - body(text).length))
}

/** The body in a server's format, and where the load generator has to count in it. */
export function taskOf(format, { bytes, isStream }, model) {
  if (format === 'chat') return { body: chatBody(bytes, isStream), counter: null }
  if (format === 'task') return { body: taskBody(bytes, isStream), counter: null }
  const body = paidBody(bytes, model)
  return { body, counter: { at: body.indexOf(INTERVAL.toString(16)), digits: INTERVAL_DIGITS } }
}

/** What is wrong with an answer, or null: figures of a server that answers something else would say nothing. */
export function faultOf(format, { isStream }, text) {
  if (isStream) {
    const stamps = createStampReader()(text).length
    return stamps === PIECES ? null : `${stamps} of ${PIECES} pieces arrived`
  }
  const answer = JSON.parse(text)
  if (format === 'paid') return /^[0-9a-f]{130}$/.test(answer.proof) ? null : 'no signature came back'
  const content = format === 'chat' ? answer.choices[0].message.content : answer.output
  if (!content.startsWith(TEXT.slice(0, 100))) return 'the text is not that of the model server'
  return answer.usage?.total_tokens > 0 ? null : 'no usage came back'
}
