/** One call to one host: a whole answer, or a stream up to its first event. */
import type { CallOffSignal } from '../call-off.js'
import type { FlockError } from '../errors.js'
import type { Channel } from './channel.js'
import { type Incoming, exchange } from './exchange.js'
import { callError, cutError, parseBody, statusError } from './host-errors.js'
import type { Host } from './hosts.js'
import { type OpenedStream, openStream } from './open-stream.js'
import { type StreamChunk, type StreamEvent, checkUsage } from './openai.js'
import { type Operation, readAnswer, renderOutgoing } from './operation.js'
import { createSseReader } from './sse.js'

/**
 * Asks a host for a whole answer; its `timeoutMs` bounds the call from end to end.
 * @throws HOST_UNREACHABLE, HOST_FAILED, HOST_BUSY, HOST_NOT_READY, HOST_REJECTED, INTERRUPTED
 */
export async function callForAnswer<T>(
  { host, pool, answerHeaders }: Pick<Channel, 'host' | 'pool' | 'answerHeaders'>,
  operation: Operation<T>,
  signal: CallOffSignal | undefined,
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

/** Events of a stream as they came over the network together; null when there are no more. */
type NextEvents = () => Promise<readonly StreamEvent[] | null>

/** A stream whose host has begun to answer. */
export interface BegunStream {
  /**
   * The next events, in order, the end being the last of them. What came before a failure is given before it is thrown.
   * @throws as `callForAnswer`
   */
  readonly next: NextEvents
  /** Closes the connection, unless the stream was read to its end. */
  drop(): void
}

/**
 * Asks a host for an answer piece by piece and waits for the first piece.
 * @throws as `callForAnswer`
 */
export async function callForStream(
  { host, pool, streamHeaders }: Channel,
  operation: Operation<unknown>,
  signal: CallOffSignal | undefined,
): Promise<BegunStream> {
  let opened: OpenedStream | undefined
  try {
    const outgoing = renderOutgoing(host, operation, streamHeaders, true)
    const limits = { silenceMs: host.firstTokenTimeoutMs, timeoutMs: host.timeoutMs, signal }
    opened = await openStream(pool, outgoing, limits)
    if (opened.status !== 200) throw statusError(opened.status, host, opened.retryAfter)
    const next = readEvents(opened, host, operation)
    const begun = await firstWord(next)
    return { next: after(begun, next), drop: () => opened?.release(false) }
  } catch (error) {
    opened?.release(opened.status !== 200)
    throw callError(error, host)
  }
}

/** Reads up to the first word: a host that only said that it is about to speak may still be left for another. */
async function firstWord(next: NextEvents): Promise<readonly StreamEvent[]> {
  const begun: StreamEvent[] = []
  for (;;) {
    const events = await next()
    if (events === null) return begun
    begun.push(...events)
    if (events.some((event) => event.type === 'end' || !event.isPreamble)) return begun
  }
}

function after(begun: readonly StreamEvent[], next: NextEvents): NextEvents {
  let first: readonly StreamEvent[] | null = begun
  return async () => {
    if (first === null) return next()
    const given = first
    first = null
    return given
  }
}

function readEvents(opened: OpenedStream, host: Host, operation: Operation<unknown>): NextEvents {
  const chunksOf = host.kind === 'infernet' ? bareText() : sseChunks(host, operation)
  let finishReason: string | null = null
  let usage: unknown = null
  let isOver = false
  let failure: FlockError | undefined

  function end(isDone: boolean): StreamEvent {
    isOver = true
    // The connection is free before the reader had time to look at the end.
    opened.release(isDone)
    return { type: 'end', hostId: host.id, finishReason, ...checkUsage(usage) }
  }

  async function readInto(events: StreamEvent[]): Promise<void> {
    const bytes = await opened.read()
    for (const chunk of chunksOf(bytes)) {
      if (chunk === null) {
        events.push(end(true))
        return
      }
      finishReason = chunk.finishReason ?? finishReason
      usage = chunk.usage ?? usage
      events.push({ type: 'chunk', text: chunk.text, raw: chunk.raw, isPreamble: chunk.isPreamble })
    }
    if (bytes !== null) return
    if (finishReason === null) throw cutError(host)
    events.push(end(false))
  }

  return async () => {
    const events: StreamEvent[] = []
    while (events.length === 0 && !isOver && failure === undefined) {
      try {
        await readInto(events)
      } catch (error) {
        failure = callError(error, host)
        opened.release(false)
      }
    }
    if (events.length > 0) return events
    if (failure !== undefined) throw failure
    return null
  }
}

/** The chunks that some bytes complete, in order, then null when the host said that this is all. Null bytes are the end. */
type ChunksOf = (bytes: Uint8Array | null) => Iterable<StreamChunk | null>

function sseChunks(host: Host, operation: Operation<unknown>): ChunksOf {
  const reader = createSseReader()
  return function* (bytes) {
    if (bytes === null) return
    for (const data of reader.push(bytes)) {
      if (data.trim() === '[DONE]') yield null
      else yield operation.readChunk(parseBody(data, host), host.id)
    }
  }
}

/** Containers stream text without any frame: the end of the body is the end of the answer. */
function bareText(): ChunksOf {
  const decoder = new TextDecoder()
  return function* (bytes) {
    const text = bytes === null ? decoder.decode() : decoder.decode(bytes, { stream: true })
    if (text !== '') yield { text, finishReason: null, usage: null, raw: null, isPreamble: false }
    if (bytes === null) yield null
  }
}
