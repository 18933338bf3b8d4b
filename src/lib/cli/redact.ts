import { createRequire } from 'node:module'
import type * as Wordlists from 'ethers/wordlists'

const REDACTED = '[redacted]'

/** Environment variables that hold secrets: those of flock and whatever is named like one. */
const SECRET_NAME = /(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|MNEMONIC|CREDENTIALS?)(?:_|$)/i

/** Shorter values than this are words that a message may contain by chance. */
const SHORTEST_SECRET = 8

const URL_CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^/?#\s@'"`]+@/gi
// Providers put the access key in the path (`/v2/<key>`, `/<key>`) or the query of an RPC URL.
// Hashes and addresses (0x...) in explorer links are public.
const URL_PATH_KEY =
  /\b((?:https?|wss?):\/\/[^\s/'"`]+(?:\/[\w.-]+)*?\/)(?!0x)(?=[\w-]*\d)[\w-]{20,}(?=[/?#\s'"`,;:)\]}.]|$)/gi
const URL_QUERY_KEY = /([?&][\w-]*(?:key|token|secret|auth)[\w-]*=)[^&\s'"`]+/gi
const LOWER_CASE_WORDS = /\b(?:[a-z]{3,8} ){11,}[a-z]{3,8}\b/g
/** The shortest phrase of BIP-39. Twelve such words in a row are a phrase; prose uses words that are not on the list. */
const PHRASE_WORDS = 12

/** Removes secrets from text that goes to a terminal, a log or a report. */
export interface Redactor {
  /** From now on the value is a secret; hexadecimal values with and without `0x`, in any case. */
  add(secret: string): void
  text(text: string): string
  /** The same for every string inside a JSON-safe value. */
  value(value: unknown): unknown
}

/** A redactor that knows the secrets of the environment. */
export function createRedactor(env: Readonly<Record<string, string | undefined>>): Redactor {
  const secrets = new Set<string>()
  const add = (secret: string) => {
    const plain = secret.trim().replace(/^0x(?=[0-9a-fA-F]{64}$)/, '')
    if (plain.length >= SHORTEST_SECRET) secrets.add(plain)
  }
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && SECRET_NAME.test(name)) add(value)
  }

  const text = (input: string) => {
    let output = input
    for (const secret of secrets) {
      const flags = /^[0-9a-fA-F]+$/.test(secret) ? 'gi' : 'g'
      output = output.replace(new RegExp(`(?:0x)?${escapePattern(secret)}`, flags), REDACTED)
    }
    return output
      .replace(URL_CREDENTIALS, `$1${REDACTED}@`)
      .replace(URL_PATH_KEY, `$1${REDACTED}`)
      .replace(URL_QUERY_KEY, `$1${REDACTED}`)
      .replace(LOWER_CASE_WORDS, redactPhrases)
  }

  const value = (input: unknown): unknown => {
    if (typeof input === 'string') return text(input)
    if (Array.isArray(input)) return input.map(value)
    if (input === null || typeof input !== 'object' || input instanceof Date) return input
    return Object.fromEntries(Object.entries(input).map(([key, item]) => [key, value(item)]))
  }

  return { add, text, value }
}

/** Hides what might be a private key in text that echoes the command line: there it can be nothing else. */
export function redactKeys(text: string): string {
  return text.replace(/\b(?:0x)?[0-9a-fA-F]{64}\b/g, REDACTED)
}

function redactPhrases(words: string): string {
  // Loaded only where a text could hold a phrase at all, which is rare.
  const { wordlists } = createRequire(import.meta.url)('ethers/wordlists') as typeof Wordlists
  const list = words.split(' ')
  const isListed = list.map((word) => (wordlists['en']?.getWordIndex(word) ?? -1) >= 0)
  const kept: string[] = []
  for (let start = 0; start < list.length;) {
    const end = isListed.indexOf(false, start) === -1 ? list.length : isListed.indexOf(false, start)
    if (end - start >= PHRASE_WORDS) kept.push(REDACTED)
    else kept.push(...list.slice(start, end))
    if (end < list.length) kept.push(list[end] ?? '')
    start = end + 1
  }
  return kept.join(' ')
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
