/**
 * What is read of a tokenizer.json of Hugging Face before its library gets it. Faults are plain errors, for whoever
 * knows the name of the file.
 */
export interface TokenizerJson {
  readonly added_tokens: readonly { readonly content: string; readonly special: boolean }[]
  readonly normalizer: Component | null
  readonly pre_tokenizer: Component | null
  readonly model: ModelJson
}

export interface Component {
  readonly type: string
  readonly [field: string]: unknown
}

export interface ModelJson {
  readonly type: (typeof MODEL_TYPES)[number]
  /** Token to id, or a list of token and score. */
  readonly vocab: Readonly<Record<string, number>> | readonly (readonly [string, number])[]
  /** Of `BPE` alone: pairs in the order in which they are joined. */
  readonly merges?: Merges
  readonly [field: string]: unknown
}

export type Merges = readonly (readonly [string, string])[]

const MODEL_TYPES = ['BPE', 'Unigram', 'WordPiece'] as const

/** Reads the text of a tokenizer.json; components are left to the library. */
export function parseTokenizerJson(text: string): TokenizerJson {
  const value: unknown = JSON.parse(text)
  if (!isObject(value) || !isObject(value.model)) throw new Error('it has no model')
  return {
    ...value,
    added_tokens: parseAddedTokens(value.added_tokens ?? []),
    normalizer: parseComponent(value.normalizer, 'normalizer'),
    pre_tokenizer: parseComponent(value.pre_tokenizer, 'pre_tokenizer'),
    model: parseModel(value.model),
  }
}

/**
 * Takes out special tokens, so that a text which spells one is the text it is. Tokens of scored models are known by
 * their place: there they get a name that no text has, with a character that Unicode will never assign.
 */
export function withoutSpecialTokens(json: TokenizerJson): TokenizerJson {
  const { model, added_tokens: added } = json
  const special = new Set(added.filter((token) => token.special).map(({ content }) => content))
  const { vocab, unk_token: unknown } = model
  return {
    ...json,
    added_tokens: added.filter((token) => !token.special),
    model: {
      ...model,
      vocab: isScored(vocab)
        ? vocab.map(([token, score]) => [special.has(token) ? `\uffff${token}` : token, score] as const)
        : Object.fromEntries(
            Object.entries(vocab).filter(([token]) => !special.has(token) || token === unknown),
          ),
    },
  }
}

function isScored(vocab: ModelJson['vocab']): vocab is readonly (readonly [string, number])[] {
  return Array.isArray(vocab)
}

function parseModel(model: Record<string, unknown>): ModelJson {
  const { type = 'merges' in model ? 'BPE' : undefined, vocab, merges, ...others } = model
  const known = MODEL_TYPES.find((candidate) => candidate === type)
  if (known === undefined) throw new Error(`its model has to be one of ${MODEL_TYPES.join(', ')}`)
  const isFitting = known === 'Unigram' ? Array.isArray(vocab) : isObject(vocab)
  if (!isFitting || Object.keys(vocab as object).length === 0)
    throw new Error('its vocabulary is missing or empty')
  const read = { ...others, type: known, vocab: vocab as ModelJson['vocab'] }
  return known === 'BPE' ? { ...read, merges: parseMerges(merges) } : read
}

/** Files of before 2024 write a pair as one text, with a blank between. */
function parseMerges(merges: unknown): Merges {
  if (!Array.isArray(merges)) throw new Error('its model has no merges')
  return merges.map((merge: unknown, position) => {
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge
    if (Array.isArray(pair) && pair.length === 2 && pair.every((token) => typeof token === 'string')) {
      return pair as unknown as [string, string]
    }
    throw new Error(`merge ${position} of its model is not a pair of tokens`)
  })
}

function parseAddedTokens(tokens: unknown): TokenizerJson['added_tokens'] {
  if (!Array.isArray(tokens)) throw new Error('its added_tokens are no list')
  return tokens.map((token: unknown, position) => {
    if (!isObject(token) || typeof token.content !== 'string' || token.content === '') {
      throw new Error(`added token ${position} has no content`)
    }
    return { ...token, content: token.content, special: token.special === true }
  })
}

function parseComponent(value: unknown, field: string): Component | null {
  if (value === undefined || value === null) return null
  if (isObject(value) && typeof value.type === 'string') return { ...value, type: value.type }
  throw new Error(`its ${field} has no type`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
