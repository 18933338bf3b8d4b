/**
 * Writes a vocabulary of ranked byte strings as a tokenizer.json of Hugging Face: each token of several bytes becomes
 * the merge of the two tokens that tokens of lower rank leave of it.
 * @param tokens text or bytes, in the order of their ranks
 * @param pattern of words, in the syntax of Oniguruma
 */
export function tokenizerOfRanks(tokens: readonly (string | readonly number[])[], pattern: string): string {
  const ranks = new Map(
    tokens.map((token, rank) => [Buffer.from(token as string).toString('latin1'), rank] as const),
  )
  const visible = visibleBytes()
  const write = (bytes: string) => [...bytes].map((byte) => visible[byte.charCodeAt(0)]).join('')
  const merges = [...ranks]
    .filter(([bytes]) => bytes.length > 1)
    .map(([bytes, rank]) => halves(bytes, rank, ranks).map(write))
  const vocab = Object.fromEntries([...ranks].map(([bytes, rank]) => [write(bytes), rank]))
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
  return JSON.stringify({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
        byteLevel,
      ],
    },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: { type: 'BPE', vocab, merges },
  })
}

/** Joins the pair of the lowest rank, one scan each, as long as three parts are left. */
function halves(bytes: string, rank: number, ranks: ReadonlyMap<string, number>): string[] {
  const parts = [...bytes]
  while (parts.length > 2) {
    const joins = parts.slice(1).map((part, at) => ranks.get(`${parts[at]}${part}`) ?? rank)
    const lowest = Math.min(...joins)
    if (lowest >= rank) throw new Error(`token ${rank} is not made of tokens of lower rank`)
    const at = joins.indexOf(lowest)
    parts.splice(at, 2, `${parts[at]}${parts[at + 1]}`)
  }
  return parts
}

/** The character that stands for each byte in files of Hugging Face. */
function visibleBytes(): string[] {
  const shown = [
    [0x21, 0x7e],
    [0xa1, 0xac],
    [0xae, 0xff],
  ] as const
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(shown.some(([low, high]) => byte >= low && byte <= high) ? byte : next++),
  )
}
