/** Pieces of streamed answers that the service makes itself. */
import type { JsonObject } from '../infernet/payload.js'
import type { HostRoute } from '../router/operation.js'

type Chunk = Readonly<Record<string, unknown>>

/** True for the chunk that holds nothing but the usage; clients get one of ours, when they ask. */
export function isUsageChunk({ choices, usage }: Chunk): boolean {
  return Array.isArray(choices) && choices.length === 0 && usage !== undefined && usage !== null
}

/** @param last chunk before it: all chunks of an answer have the same id */
export function usageChunk(route: HostRoute, usage: JsonObject, last: Chunk | null): Chunk {
  const { id, created } = last ?? {}
  const object = route === 'completions' ? 'text_completion' : 'chat.completion.chunk'
  return { id, object, created, choices: [], usage }
}

/** A piece of a host that streams bare text. The first one says who speaks: SDKs ask for it. */
export function textChunk(text: string, isFirst: boolean): Chunk {
  const delta = isFirst ? { role: 'assistant', content: text } : { content: text }
  return { object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: null }] }
}

/** The end of a host's bare text, which has none of its own. */
export function finishChunk(): Chunk {
  return { object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
}
