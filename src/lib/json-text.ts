/** Takes JSON texts apart without reading their numbers, which would round them. */

/**
 * The members of an object, each value as its own text. Of a key that is there twice the last one counts, as with
 * `JSON.parse`.
 * @param json a text that `JSON.parse` reads as an object
 */
export function jsonMembers(json: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>()
  const parts = jsonItems(json)
  for (let at = 0; at + 1 < parts.length; at += 2)
    members.set(JSON.parse(parts[at] ?? '') as string, parts[at + 1] ?? '')
  return members
}

/**
 * What stands between the brackets, commas and colons of the outermost level: the items of a list, or the keys and
 * values of an object by turns.
 * @param json a text that `JSON.parse` reads as a list or an object
 */
export function jsonItems(json: string): string[] {
  const items: string[] = []
  let depth = 0
  let from = 0
  // Goes character by character: on a text with millions of escapes a regular expression runs out of stack.
  for (let at = 0; at < json.length; at += 1) {
    switch (json[at]) {
      case '"':
        at = endOfString(json, at)
        break
      case '[':
      case '{':
        depth += 1
        if (depth === 1) from = at + 1
        break
      case ']':
      case '}':
        depth -= 1
        if (depth > 0) break
        // An empty list has blanks at most before its end.
        if (items.length > 0 || json.slice(from, at).trim() !== '') items.push(json.slice(from, at).trim())
        return items
      case ',':
      case ':':
        if (depth > 1) break
        items.push(json.slice(from, at).trim())
        from = at + 1
        break
    }
  }
  return items
}

/** Where the string ends that begins at a quote. */
export function endOfString(json: string, from: number): number {
  let at = from + 1
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1
  return at
}
