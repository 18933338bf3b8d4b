import { FlockError } from '../errors.js'

/**
 * Splits a command into words as a POSIX shell does, without expanding anything: blanks separate, quotes and
 * backslashes keep them. The reference node's Docker client does the same.
 * @param where for messages
 * @throws NODE_CONFIG_INVALID when a quote does not end
 */
export function splitCommand(text: string, where: string): string[] {
  const words: string[] = []
  let word: string | null = null
  let rest = text
  for (let part = nextPart(rest); part !== null; part = nextPart(rest)) {
    rest = rest.slice(part.length)
    if (part.text === null) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + part.text
  }
  if (rest !== '')
    throw new FlockError(
      'NODE_CONFIG_INVALID',
      `${where}: found a quote without its end, allowed words of a shell`,
    )
  return word === null ? words : [...words, word]
}

interface Part {
  readonly length: number
  /** Null between words. */
  readonly text: string | null
}

const BLANKS = /^\s+/
const PLAIN = /^[^\s'"\\]+/
const SINGLE_QUOTED = /^'([^']*)'/
const DOUBLE_QUOTED = /^"((?:[^"\\]|\\[\s\S])*)"/
const ESCAPED = /^\\([\s\S])/

/** Null at the end, or where nothing fits. */
function nextPart(rest: string): Part | null {
  const blanks = BLANKS.exec(rest)
  if (blanks !== null) return { length: blanks[0].length, text: null }
  const double = DOUBLE_QUOTED.exec(rest)
  // Inside double quotes a backslash only escapes these two; before anything else it stands for itself.
  if (double !== null)
    return { length: double[0].length, text: (double[1] ?? '').replace(/\\(["\\])/g, '$1') }
  const found = SINGLE_QUOTED.exec(rest) ?? ESCAPED.exec(rest)
  if (found !== null) return { length: found[0].length, text: found[1] ?? '' }
  const plain = PLAIN.exec(rest)
  return plain === null ? null : { length: plain[0].length, text: plain[0] }
}
