import { FlockError, messageOf } from '../errors.js'
import { inBytes, toByteText } from './byte-alphabet.js'
import { joinPairs } from './byte-pairs.js'
import { rememberWords } from './remember.js'
import {
  type Merges,
  type ModelJson,
  type TokenizerJson,
  parseTokenizerJson,
  withoutSpecialTokens,
} from './tokenizer-json.js'

/**
 * What is used of @huggingface/tokenizers. Its own declarations name files without their extension, which modules of
 * Node.js cannot resolve.
 */
interface Library {
  readonly Tokenizer: new (json: object, config: object) => Tokenizer
  readonly BPE: abstract new () => { bpe: (piece: string) => string[] }
  readonly Unigram: abstract new () => {
    encode: (pieces: readonly string[]) => string[]
    tokenize(piece: string): string[]
  }
}

interface Tokenizer {
  readonly model: object
  pre_tokenizer: ((text: string, options: unknown) => string[]) | null
  tokenize(text: string): string[]
}

/** Settings of a BPE model that change what is joined; such a model is left to the library. */
const RARE_SETTINGS = ['end_of_word_suffix', 'continuing_subword_suffix', 'continuing_subword_prefix']

const PROBE = 'Bees keep warm in winter: 35 degrees in the middle.'

/**
 * Reads a tokenizer.json of Hugging Face, which takes a second for a large one, and returns what counts with it.
 * Special tokens are left out of the vocabulary: a text that spells them counts as the text it is.
 *
 * Normalizing, splitting and the models are those of @huggingface/tokenizers. Joining pairs is done here: in a tenth
 * of the time and memory, which matters for texts of strangers.
 * @throws CONFIG_INVALID naming the file
 */
export async function loadTokenizerFile(
  path: string,
  readFile: (path: string) => Promise<string>,
): Promise<(text: string) => number> {
  const text = await readFile(path).catch((error: unknown) => {
    throw invalidFile(path, 'it cannot be read', error)
  })
  try {
    const tokenizer = await buildTokenizer(withoutSpecialTokens(parseTokenizerJson(text)))
    const count = (counted: string) => tokenizer.tokenize(counted).length
    if (count(PROBE) === 0) throw new Error('it finds no tokens in a text')
    return count
  } catch (error) {
    throw invalidFile(path, messageOf(error), error)
  }
}

async function buildTokenizer(json: TokenizerJson): Promise<Tokenizer> {
  const { BPE, Tokenizer, Unigram } = (await import('@huggingface/tokenizers')) as unknown as Library
  const bytes = inBytes(json)
  const { model, ...rest } = bytes ?? json
  const merges = mergesOf(model)
  const tokenizer = new Tokenizer(
    {
      ...rest,
      model: merges === null ? model : { ...model, merges: [] },
      // Neither changes what a text consists of.
      post_processor: null,
      decoder: null,
    },
    {},
  )
  const { model: built, pre_tokenizer: split } = tokenizer
  if (merges !== null && built instanceof BPE) built.bpe = createJoin(merges)
  // The library spreads all tokens of a text over one call, which is more than a stack holds.
  if (built instanceof Unigram) built.encode = (pieces) => pieces.flatMap((piece) => built.tokenize(piece))
  if (bytes !== null && split !== null) {
    tokenizer.pre_tokenizer = (text, options) => split(text, options).map(toByteText)
  }
  return tokenizer
}

function mergesOf(model: ModelJson): Merges | null {
  const isRare = RARE_SETTINGS.some((name) => (model[name] ?? '') !== '')
  return model.type === 'BPE' && !isRare ? (model.merges ?? []) : null
}

/** What joins the characters of a piece by the merges of a model. */
function createJoin(merges: Merges): (piece: string) => string[] {
  // Both tokens and where they meet, as one text.
  const ranks = new Map(merges.map(([left, right], rank) => [`${left.length} ${left}${right}`, rank]))
  const longest = merges.reduce((length, [left, right]) => Math.max(length, left.length + right.length), 0)
  return rememberWords((piece) => {
    const starts = characterStarts(piece)
    const joined = joinPairs(starts, (start, middle, end) =>
      end - start > longest ? -1 : (ranks.get(`${middle - start} ${piece.slice(start, end)}`) ?? -1),
    )
    return joined.slice(1).map((end, position) => piece.slice(joined[position], end))
  })
}

/** Where each character begins, a surrogate pair being one, and last where the text ends. */
function characterStarts(text: string): Int32Array {
  const starts = new Int32Array(text.length + 1)
  let count = 0
  for (const character of text) {
    starts[count + 1] = (starts[count] as number) + character.length
    count++
  }
  return starts.subarray(0, count + 1)
}

function invalidFile(file: string, why: string, cause: unknown): FlockError {
  return new FlockError('CONFIG_INVALID', `${file} is no tokenizer.json that can be used: ${why}.`, {
    cause,
    details: { file },
    hint: 'It is the file tokenizer.json of the model on Hugging Face.',
  })
}
