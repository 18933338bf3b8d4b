/** A word with its inner marks, or one other sign; each takes the blanks before it along. */
const TOKEN = /\s*(?:[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*|[^\s\p{L}\p{N}])|\s+$/gu

/**
 * Splits a text into words and signs. Nothing is lost: the tokens joined are the text, and none is empty, so a text
 * never has more tokens than bytes.
 */
export function tokenize(text: string): string[] {
  return text.match(TOKEN) ?? []
}

/** Writes words and signs as a text again: a blank before each word but the first. */
export function joinTokens(tokens: readonly string[]): string {
  return tokens.map((token, position) => spaced(token, position === 0)).join('')
}

/** A token as it stands in a text. */
export function spaced(token: string, isFirst: boolean): string {
  return isFirst || !/^[\p{L}\p{N}]/u.test(token) ? token : ` ${token}`
}
