/** Words whose results are kept: most words of most texts, in some megabytes. */
const MAX_WORDS = 8_192
const MAX_WORD_LENGTH = 64

/** Gives what `compute` gives, and keeps it for words that are short; all are forgotten when there are too many. */
export function rememberWords<T>(compute: (word: string) => T): (word: string) => T {
  const known = new Map<string, T>()
  return (word) => {
    if (word.length > MAX_WORD_LENGTH) return compute(word)
    const remembered = known.get(word)
    if (remembered !== undefined) return remembered
    const result = compute(word)
    if (known.size === MAX_WORDS) known.clear()
    known.set(word, result)
    return result
  }
}
