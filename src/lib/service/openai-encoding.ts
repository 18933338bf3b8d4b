import { toByteText } from './byte-alphabet.js'
import { joinPairs } from './byte-pairs.js'
import { rememberWords } from './remember.js'

export type EncodingName = 'o200k_base' | 'cl100k_base'

/**
 * Loads an encoding of OpenAI, which takes some tenths of a second and some 40 MB, and returns what counts with it.
 *
 * Counts are those of OpenAI's tiktoken. The vocabularies and the patterns that split a text into words come from
 * gpt-tokenizer; joining is done here, because libraries take quadratic time for long runs without a word's end.
 */
export async function loadEncoding(name: EncodingName): Promise<(text: string) => number> {
  const [tokens, pattern] = await loadVocabulary(name)
  // A token is a string of bytes: one character of U+0000 to U+00FF for each.
  const ranks = new Map(tokens.map((token, rank) => [Buffer.from(token).toString('latin1'), rank]))
  const words = likeTiktoken(pattern)
  const longest = [...ranks.keys()].reduce((length, token) => Math.max(length, token.length), 0)
  const countJoined = rememberWords((bytes) => {
    const starts = Int32Array.from({ length: bytes.length + 1 }, (_, position) => position)
    const joined = joinPairs(starts, (start, _middle, end) =>
      end - start > longest ? -1 : (ranks.get(bytes.slice(start, end)) ?? -1),
    )
    return joined.length - 1
  })

  return (text) => {
    const isAscii = Buffer.byteLength(text, 'utf8') === text.length
    let count = 0
    for (const piece of text.match(words) ?? []) {
      const bytes = isAscii ? piece : toByteText(piece)
      count += ranks.has(bytes) ? 1 : countJoined(bytes)
    }
    return count
  }
}

/** Tokens in the order of their ranks, and the pattern of words. */
async function loadVocabulary(name: EncodingName): Promise<[readonly (string | number[])[], RegExp]> {
  const patterns = await import('gpt-tokenizer/encodingParams/constants')
  switch (name) {
    case 'o200k_base':
      return [(await import('gpt-tokenizer/bpeRanks/o200k_base')).default, patterns.O200K_TOKEN_SPLIT_REGEX]
    case 'cl100k_base':
      return [(await import('gpt-tokenizer/bpeRanks/cl100k_base')).default, patterns.CL100K_TOKEN_SPLIT_REGEX]
  }
}

/** JavaScript counts U+FEFF among blanks and not U+0085; the expressions of Rust, and so tiktoken, follow Unicode. */
function likeTiktoken({ source, flags }: RegExp): RegExp {
  return new RegExp(source.replaceAll('\\s', '\\p{White_Space}').replaceAll('\\S', '\\P{White_Space}'), flags)
}
