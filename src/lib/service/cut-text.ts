/**
 * Cuts a text into parts of at most `limit` characters: before a blank that follows something else where there is
 * one, which is where words begin for every tokenizer that knows words; otherwise at the limit, though never inside a
 * character. A text within the limit is one part.
 */
export function cutText(text: string, limit: number): string[] {
  const parts: string[] = []
  let from = 0
  while (text.length - from > limit) {
    const to = cutBefore(text, from, from + limit)
    parts.push(text.slice(from, to))
    from = to
  }
  return [...parts, text.slice(from)]
}

function cutBefore(text: string, from: number, limit: number): number {
  for (let at = limit; at > from + 1; at--) {
    if (text[at] === ' ' && /\S/.test(text.charAt(at - 1))) return at
  }
  const isInsideCharacter =
    /[\udc00-\udfff]/.test(text.charAt(limit)) && /[\ud800-\udbff]/.test(text.charAt(limit - 1))
  return isInsideCharacter ? limit - 1 : limit
}
