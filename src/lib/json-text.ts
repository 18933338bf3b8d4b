/** Takes JSON texts apart and puts them in order without reading their numbers, which would round them. */

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
    switch (json.charAt(at)) {
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
      default:
    }
  }
  return items
}

/**
 * The same value without blanks and with the keys of every object in alphabetical order; numbers stay as they are written.
 * @param json a text that `JSON.parse` reads
 */
export function sortJson(json: string): string {
  const open: Level[] = []
  let level: Level = { members: null, key: '', text: '' }
  const put = (text: string): void => {
    if (level.members === null) level.text += level.text === '' ? text : `,${text}`
    else if (level.key === '') level.key = text
    else {
      level.members.set(JSON.parse(level.key) as string, `${level.key}:${text}`)
      level.key = ''
    }
  }
  for (let at = 0; at < json.length; at += 1) {
    const char = json.charAt(at)
    if (char === '{' || char === '[') {
      open.push(level)
      level = { members: char === '{' ? new Map() : null, key: '', text: '' }
    } else if (char === '}' || char === ']') {
      const text = char === '}' ? `{${sortedMembers(level)}}` : `[${level.text}]`
      level = open.pop() ?? level
      put(text)
    } else if (!SEPARATOR.test(char)) {
      const end = char === '"' ? endOfString(json, at) + 1 : endOfWord(json, at)
      put(json.slice(at, end))
      at = end - 1
    }
  }
  return level.text
}

/** A list or object that is being read. */
interface Level {
  /** Null in a list. */
  readonly members: Map<string, string> | null
  /** As it is written, with its quotes; empty when the next token is a key. */
  key: string
  /** Items of a list so far. */
  text: string
}

const SEPARATOR = /[\s,:]/

function sortedMembers({ members }: Level): string {
  const sorted = [...(members ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))
  return sorted.map(([, text]) => text).join(',')
}

function endOfWord(json: string, from: number): number {
  let at = from
  while (at < json.length && !/[\s,:\]}]/.test(json.charAt(at))) at += 1
  return at
}

/** Where the string ends that begins at a quote. */
/** Where a string ends that begins at `from`: the place of its last quote. */
export function endOfString(json: string, from: number): number {
  let at = from + 1
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1
  return at
}
