import type { Merges, ModelJson, TokenizerJson } from './tokenizer-json.js'

/** How tokenizers that work on bytes write the bytes that are no visible character of Latin-1: from here on. */
const FIRST_STAND_IN = 0x100

/**
 * Takes the step out of a tokenizer that turns bytes into visible characters, its last before the model, and writes
 * vocabulary and merges in bytes instead: one character of U+0000 to U+00FF for each. Whoever splits a text then has
 * to turn pieces into bytes, which costs a tenth of that step. Null when the last step is another.
 * @see https://huggingface.co/docs/tokenizers/api/pre-tokenizers, ByteLevel
 */
export function inBytes(json: TokenizerJson): TokenizerJson | null {
  const { pre_tokenizer: steps, model } = json
  if (model.type !== 'BPE' || steps?.type !== 'Sequence' || !Array.isArray(steps.pretokenizers)) return null
  const last: unknown = steps.pretokenizers.at(-1)
  if (!isPlainByteLevel(last)) return null
  const byteOf = byteAlphabet()
  return {
    ...json,
    pre_tokenizer: { ...steps, pretokenizers: steps.pretokenizers.slice(0, -1) },
    model: translateModel(model, (token) => translate(token, byteOf)),
  }
}

/** Text to bytes, one character each. */
export function toByteText(text: string): string {
  return Buffer.byteLength(text, 'utf8') === text.length ? text : Buffer.from(text, 'utf8').toString('latin1')
}

function isPlainByteLevel(step: unknown): boolean {
  const {
    type,
    use_regex: usesPattern,
    add_prefix_space: addsBlank,
  } = { ...(step as Record<string, unknown> | null) }
  return type === 'ByteLevel' && usesPattern === false && addsBlank !== true
}

function translateModel(model: ModelJson, translated: (token: string) => string): ModelJson {
  const merges: Merges = (model.merges ?? []).map(([left, right]) => [translated(left), translated(right)])
  const vocab = Object.fromEntries(
    Object.entries(model.vocab as Record<string, number>).map(([token, id]) => [translated(token), id]),
  )
  return { ...model, vocab, merges }
}

/** A token with a character that stands for no byte can be no piece of a text; it stays as it is. */
function translate(token: string, byteOf: ReadonlyMap<string, string>): string {
  let bytes = ''
  for (const character of token) {
    const byte = byteOf.get(character)
    if (byte === undefined) return token
    bytes += byte
  }
  return bytes
}

/** Visible characters of Latin-1 stand for themselves, the other bytes have the next characters in their order. */
function byteAlphabet(): ReadonlyMap<string, string> {
  const isVisible = (byte: number) =>
    (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte <= 0xff && byte !== 0xad)
  let standIn = FIRST_STAND_IN
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [
      String.fromCharCode(isVisible(byte) ? byte : standIn++),
      String.fromCharCode(byte),
    ]),
  )
}
