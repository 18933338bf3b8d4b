import { hash } from 'node:crypto'
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

/**
 * Opens counters when they are first asked for: models with the same settings share one. A file is read each time, and
 * loaded anew when it is another one by then; what could not be loaded is tried again.
 */
export function createTokenCounters(
  options: TokenCounterOptions,
): (settings: TokenizerSettings) => Promise<TokenCounter> {
  const opened = new Map<string, { readonly digest: string; readonly counter: Promise<TokenCounter> }>()
  return async (settings) => {
    const key = JSON.stringify(settings)
    const reading = 'file' in settings ? options.readFile(settings.file) : Promise.resolve('')
    // A file that cannot be read is told of where it is loaded.
    const digest = await reading.then(digestOf, () => '')
    const known = opened.get(key)
    if (known?.digest === digest) return known.counter
    const counter = openTokenCounter(settings, { readFile: async () => reading })
    const entry = { digest, counter }
    opened.set(key, entry)
    counter.catch(() => {
      if (opened.get(key) === entry) opened.delete(key)
    })
    return counter
  }
}

function digestOf(text: string): string {
  return hash('sha256', text)
}

function partsOf(content: ChatMessage['content']): string[] {
  return typeof content === 'string' ? [content] : content.map(({ text }) => text)
}
