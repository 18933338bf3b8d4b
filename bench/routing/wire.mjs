// What the parts of the bench agree on: texts, sizes, and the stamps that tell when a piece of a stream was sent.

/** Size of the chat body, and of its answer. */
export const BODY_BYTES = { small: 1_024, large: 65_536 }

/** Pieces of a streamed answer. */
export const PIECES = 20

const SENTENCE = 'A "flock" of birds rises from the field, turns once, and is gone;\nwho led it? '
export const TEXT = SENTENCE.repeat(Math.ceil(BODY_BYTES.large / SENTENCE.length))

const STAMP_DIGITS = 16

/** A piece of text that says when it was sent, in nanoseconds of the clock that all processes share. */
export function stamp(ns) {
  return `@${ns.toString().padStart(STAMP_DIGITS, '0')};`
}

/** Finds stamps in text that arrives in parts. Returns a function of a part that gives its stamps in milliseconds. */
export function createStampReader() {
  let rest = ''
  return (text) => {
    const all = rest + text
    const found = []
    let end = 0
    for (let at = all.indexOf('@'); at >= 0; at = all.indexOf('@', end)) {
      if (all.length < at + STAMP_DIGITS + 2) break
      end = at + STAMP_DIGITS + 2
      found.push(Number(all.slice(at + 1, end - 1)) / 1e6)
    }
    const cut = all.indexOf('@', end)
    rest = cut < 0 ? '' : all.slice(cut)
    return found
  }
}
