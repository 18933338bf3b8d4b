import type { JsonObject } from '../infernet/payload.js'
import type { ReportedUsage } from '../router/openai.js'
import type { UsageSource } from './client-usage-table.js'
import type { ServedModel } from './models.js'
import type { TokenCounter } from './token-count.js'

/** What a request used, and who counted it. */
export interface MeteredUsage extends ReportedUsage {
  readonly source: Exclude<UsageSource, 'none'>
}

export type Metered =
  { readonly usage: MeteredUsage; readonly fault: null } | { readonly usage: null; readonly fault: string }

export interface MeteredTexts {
  /** Asked only where the texts are counted. */
  readonly prompt: () => readonly string[]
  /** Tokens of the prompt that were given as such, and not as text. */
  readonly inputTokens?: number
  readonly completion: string
}

export interface Metering {
  /**
   * The usage of an answer: as the host reported it, else as the model's tokenizer counts it. A tokenizer sees the
   * texts alone and none of the template around them, so it never counts more than the host had to read.
   */
  meter(
    model: ServedModel,
    answer: { readonly usage: ReportedUsage | null; readonly usageFault: string | null },
    texts: MeteredTexts,
  ): Metered
  /** Prompt tokens as well as they can be told before a host is asked. */
  estimate(model: ServedModel, texts: readonly string[]): number
}

/** English text has about four characters a token. */
const CHARACTERS_PER_TOKEN = 4

/** @param counters by name of the model; models without one are metered by what hosts report alone */
export function createMetering(counters: ReadonlyMap<string, Pick<TokenCounter, 'count'>>): Metering {
  return {
    meter(model, { usage, usageFault }, { prompt, inputTokens = 0, completion }) {
      if (usage !== null) return { usage: { ...usage, source: 'host' }, fault: null }
      const counter = counters.get(model.name)
      if (counter === undefined) return { usage: null, fault: usageFault ?? 'no usage was reported' }
      return {
        usage: {
          promptTokens: inputTokens + sumOf(prompt(), counter),
          completionTokens: counter.count(completion),
          cachedTokens: 0,
          reasoningTokens: 0,
          source: 'tokenizer',
        },
        fault: null,
      }
    },
    estimate(model, texts) {
      const counter = counters.get(model.name)
      if (counter !== undefined) return sumOf(texts, counter)
      return Math.ceil(texts.reduce((sum, text) => sum + text.length, 0) / CHARACTERS_PER_TOKEN)
    },
  }
}

function sumOf(texts: readonly string[], counter: Pick<TokenCounter, 'count'>): number {
  return texts.reduce((sum, text) => sum + counter.count(text), 0)
}

/** Usage as OpenAI's API reports it. */
export function renderUsage(usage: ReportedUsage): JsonObject {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens } = usage
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  }
}
