/** Longest line that is kept; a chunk of text is a few hundred bytes. */
const MAX_LINE_CHARACTERS = 1_048_576

/** Thrown when a line has no end in sight. */
export class SseLineTooLongError extends Error {
  constructor() {
    super(`a line of the event stream is longer than ${MAX_LINE_CHARACTERS} characters`)
    this.name = 'SseLineTooLongError'
  }
}

/** Reads server-sent events as their bytes come. */
export interface SseReader {
  /**
   * The data of each event that these bytes complete, in order.
   * @throws SseLineTooLongError
   */
  push(bytes: Uint8Array): string[]
}

/**
 * Comments, names and ids are passed over; an event that the end of the stream cuts is dropped, as the standard says.
 * Lines end in LF or CRLF; nobody sends a bare CR.
 */
export function createSseReader(): SseReader {
  const decoder = new TextDecoder()
  let data: string[] = []
  let rest = ''
  return {
    push(bytes) {
      const text = rest + decoder.decode(bytes, { stream: true })
      const events: string[] = []
      let start = 0
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
        const line = text.slice(start, text[end - 1] === '\r' ? end - 1 : end)
        start = end + 1
        if (line === '') {
          if (data.length > 0) events.push(data.join('\n'))
          data = []
        } else if (line.startsWith('data:')) {
          data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
        }
      }
      rest = text.slice(start)
      if (rest.length > MAX_LINE_CHARACTERS) throw new SseLineTooLongError()
      return events
    },
  }
}
