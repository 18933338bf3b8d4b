import type { ChatMessage } from '../router/chat-request.js'
import { cutText } from './cut-text.js'
import { type EncodingName, loadEncoding } from './openai-encoding.js'
import { loadTokenizerFile } from './tokenizer-file.js'

/** What counts the tokens of a model: an encoding of OpenAI, or a tokenizer.json of Hugging Face. */
export type TokenizerSettings = { readonly encoding: EncodingName } | { readonly file: string }

/** Counts tokens for hosts that report none. What is counted is charged, so it is never more than a host sees. */
export interface TokenCounter {
  /**
   * Tokens of a text. Names of special tokens in it count as the text they are. Nothing is added: no begin or end of
   * a text. A text of more than `MAX_PART` characters is counted in parts, one token less for each cut, because a cut
   * may have split one.
   */
  count(text: string): number
  /** Tokens of the contents alone: what a chat template puts between them differs from host to host. */
  countChat(messages: readonly Pick<ChatMessage, 'content'>[]): number
}

export interface TokenCounterOptions {
  /** Reads a file as UTF-8 text. */
  readonly readFile: (path: string) => Promise<string>
}

/**
 * Characters that are counted at once. Far beyond it, patterns of words overflow the stack of the regular expressions
 * of V8, and lattices of scored tokenizers take hundreds of megabytes.
 */
export const MAX_PART = 65_536

/**
 * Loads a tokenizer: some tenths of a second, and tens of megabytes for as long as the counter is kept. Reads a file
 * when the settings name one. Nothing of it is loaded before.
 * @throws CONFIG_INVALID naming the file
 */
export async function openTokenCounter(
  settings: TokenizerSettings,
  { readFile }: TokenCounterOptions,
): Promise<TokenCounter> {
  const countPart =
    'encoding' in settings
      ? await loadEncoding(settings.encoding)
      : await loadTokenizerFile(settings.file, readFile)

  function count(text: string): number {
    const parts = cutText(text, MAX_PART)
    return parts.reduce((total, part) => total + countPart(part), 1 - parts.length)
  }

  return {
    count,
    countChat: (messages) =>
      messages.reduce(
        (total, { content }) => total + partsOf(content).reduce((sum, text) => sum + count(text), 0),
        0,
      ),
  }
}

/** Opens counters when they are first asked for, each once: models with the same settings share one. */
export function createTokenCounters(
  options: TokenCounterOptions,
): (settings: TokenizerSettings) => Promise<TokenCounter> {
  const opened = new Map<string, Promise<TokenCounter>>()
  return (settings) => {
    const key = JSON.stringify(settings)
    const known = opened.get(key) ?? openTokenCounter(settings, options)
    opened.set(key, known)
    return known
  }
}

function partsOf(content: ChatMessage['content']): string[] {
  return typeof content === 'string' ? [content] : content.map(({ text }) => text)
}
