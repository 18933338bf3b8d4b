import type { JsonValue } from '../json.js'
import { type ChatRequest, renderMessages } from './chat-request.js'
import type { Host } from './hosts.js'
import {
  type ChatResult,
  type StreamChunk,
  parseChatChunk,
  parseChatCompletion,
  parseContainerAnswer,
} from './openai.js'
import type { Outgoing } from './send.js'

/** Routes of OpenAI-compatible servers, below their base path. */
export type HostRoute = 'chat/completions' | 'completions' | 'embeddings'

/** Something to ask of a host. Asking twice has no effect but the cost of the second answer. */
export interface Operation<T> {
  readonly route: HostRoute
  /** What is sent, but for the model, the limit of tokens and the choice of a stream. */
  readonly body: Readonly<Record<string, JsonValue>>
  /** Prompt tokens as well as they are known beforehand: hosts that take fewer are not asked. */
  readonly promptTokens: number
  /** Null for routes that complete nothing. */
  readonly maxTokens: number | null
  /** Reads a whole answer. @throws HOST_NOT_READY */
  readonly read: (body: unknown, hostId: string) => T
  /** Reads one event of a stream. @throws HOST_NOT_READY, HOST_FAILED */
  readonly readChunk: (body: unknown, hostId: string) => StreamChunk
}

/** English text has about four bytes a token. A guess that is too low is refused by the host itself. */
const BYTES_PER_TOKEN = 4

export function chatOperation(request: ChatRequest): Operation<ChatResult> {
  const messages = renderMessages(request.messages)
  return {
    route: 'chat/completions',
    body: { ...request.options, messages },
    promptTokens: guessTokens(request),
    maxTokens: request.maxTokens,
    read: parseChatCompletion,
    readChunk: parseChatChunk,
  }
}

function guessTokens({ messages }: ChatRequest): number {
  let characters = 0
  for (const { content } of messages) {
    if (typeof content === 'string') characters += content.length
    else for (const { text } of content) characters += text.length
  }
  return Math.ceil(characters / BYTES_PER_TOKEN)
}

/** What is sent to one host. @param headers those of the host for this kind of answer */
export function renderOutgoing(
  host: Host,
  operation: Pick<Operation<unknown>, 'route' | 'body' | 'maxTokens'>,
  headers: readonly string[],
  stream: boolean,
): Outgoing {
  const { maxTokens } = operation
  const limit = maxTokens === null ? null : Math.min(maxTokens, host.maxCompletionTokens ?? maxTokens)
  const body: Record<string, unknown> = { ...operation.body }
  if (limit !== null) body.max_tokens = limit
  Object.assign(body, host.body)
  body.model = host.model
  if (host.kind === 'infernet') {
    const path = `${host.basePath}/service_output`
    // A stream has no `requires_proof` (infernet.md 2.2).
    const task = stream ? { source: 1, destination: 2 } : { source: 1, destination: 1, requires_proof: false }
    return { method: 'POST', path, headers, body: JSON.stringify({ ...task, data: body }) }
  }
  const path = `${host.basePath}/${operation.route}`
  if (operation.route !== 'embeddings') body.stream = stream
  if (stream) body.stream_options = { include_usage: true }
  return { method: 'POST', path, headers, body: JSON.stringify(body) }
}

/** Reads what a host answered, by the host's kind. */
export function readAnswer<T>(host: Host, operation: Operation<T>, body: unknown): T {
  return operation.read(host.kind === 'infernet' ? parseContainerAnswer(body, host.id) : body, host.id)
}
