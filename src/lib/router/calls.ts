/** One call to one host: a whole answer, or a stream up to its first event. */
import type { Channel } from './channel.js'
import { type Incoming, type OpenedStream, exchange, openStream } from './exchange.js'
import { callError, cutError, parseBody, statusError } from './host-errors.js'
import type { Host } from './hosts.js'
import { type StreamChunk, type StreamEvent, checkUsage } from './openai.js'
import { type Operation, readAnswer, renderOutgoing } from './operation.js'
import { readSseData } from './sse.js'

/**
 * Asks a host for a whole answer; its `timeoutMs` bounds the call from end to end.
 * @throws HOST_UNREACHABLE, HOST_FAILED, HOST_BUSY, HOST_NOT_READY, HOST_REJECTED, INTERRUPTED
 */
export async function callForAnswer<T>(
  { host, pool, answerHeaders }: Pick<Channel, 'host' | 'pool' | 'answerHeaders'>,
  operation: Operation<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  let incoming: Incoming
  try {
    const outgoing = renderOutgoing(host, operation, answerHeaders, false)
    incoming = await exchange(pool, outgoing, { timeoutMs: host.timeoutMs, signal })
  } catch (error) {
    throw callError(error, host)
  }
  if (incoming.status !== 200) throw statusError(incoming.status, host, incoming.retryAfter)
  return readAnswer(host, operation, parseBody(incoming.text, host))
}

/** A stream whose host has begun to answer. */
export interface BegunStream {
  /** Every event, from the first one on, then the end. @throws as `callForAnswer` */
  readonly events: AsyncGenerator<StreamEvent>
  /** Closes the connection; for streams that nobody reads. */
  drop(): void
}

/**
 * Asks a host for an answer piece by piece and waits for the first piece.
 * @throws as `callForAnswer`
 */
export async function callForStream(
  { host, pool, streamHeaders }: Channel,
  operation: Operation<unknown>,
  signal: AbortSignal | undefined,
): Promise<BegunStream> {
  let opened: OpenedStream | undefined
  try {
    const outgoing = renderOutgoing(host, operation, streamHeaders, true)
    const limits = { silenceMs: host.firstTokenTimeoutMs, timeoutMs: host.timeoutMs, signal }
    opened = await openStream(pool, outgoing, limits)
    if (opened.status !== 200) throw statusError(opened.status, host, opened.retryAfter)
    const events = read(opened, host, operation)
    const begun = await firstWord(events)
    return { events: from(begun, events), drop: () => opened?.release(false) }
  } catch (error) {
    opened?.release(opened.status !== 200)
    throw callError(error, host)
  }
}

/** Reads up to the first word: a host that only said that it is about to speak may still be left for another. */
async function firstWord(events: AsyncGenerator<StreamEvent>): Promise<StreamEvent[]> {
  const begun: StreamEvent[] = []
  for (;;) {
    const next = await events.next()
    if (next.done === true) return begun
    begun.push(next.value)
    if (next.value.type === 'end' || !next.value.isPreamble) return begun
  }
}

async function* from(
  begun: readonly StreamEvent[],
  rest: AsyncGenerator<StreamEvent>,
): AsyncGenerator<StreamEvent> {
  try {
    yield* begun
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

async function* read(
  opened: OpenedStream,
  host: Host,
  operation: Operation<unknown>,
): AsyncGenerator<StreamEvent> {
  let isDone = false
  let finishReason: string | null = null
  let usage: unknown = null
  try {
    for await (const chunk of chunksOf(opened, host, operation)) {
      if (chunk === null) {
        isDone = true
        break
      }
      finishReason = chunk.finishReason ?? finishReason
      usage = chunk.usage ?? usage
      opened.pause()
      yield { type: 'chunk', text: chunk.text, raw: chunk.raw, isPreamble: chunk.isPreamble }
    }
    if (!isDone && finishReason === null) throw cutError(host)
    // The connection is free before the reader had time to look at the end.
    opened.release(isDone)
    yield { type: 'end', hostId: host.id, finishReason, ...checkUsage(usage) }
  } catch (error) {
    throw callError(error, host)
  } finally {
    opened.release(isDone)
  }
}

/** Chunks in order, then null when the host said that this is all. */
function chunksOf(
  opened: OpenedStream,
  host: Host,
  operation: Operation<unknown>,
): AsyncGenerator<StreamChunk | null> {
  return host.kind === 'infernet' ? bareText(opened) : sseChunks(opened, host, operation)
}

async function* sseChunks(
  { body }: OpenedStream,
  host: Host,
  operation: Operation<unknown>,
): AsyncGenerator<StreamChunk | null> {
  for await (const data of readSseData(body)) {
    if (data.trim() === '[DONE]') yield null
    else yield operation.readChunk(parseBody(data, host), host.id)
  }
}

/** Containers stream text without any frame: the end of the body is the end of the answer. */
async function* bareText({ body }: OpenedStream): AsyncGenerator<StreamChunk | null> {
  const decoder = new TextDecoder()
  for await (const bytes of body) {
    const text = decoder.decode(bytes, { stream: true })
    if (text !== '') yield bare(text)
  }
  const rest = decoder.decode()
  if (rest !== '') yield bare(rest)
  yield null
}

function bare(text: string): StreamChunk {
  return { text, finishReason: null, usage: null, raw: null, isPreamble: false }
}
