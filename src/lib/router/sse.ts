/** Longest line that is kept; a chunk of text is a few hundred bytes. */
const MAX_LINE_CHARACTERS = 1_048_576

/** Thrown when a line has no end in sight. */
export class SseLineTooLongError extends Error {
  constructor() {
    super(`a line of the event stream is longer than ${MAX_LINE_CHARACTERS} characters`)
    this.name = 'SseLineTooLongError'
  }
}

/**
 * Yields the data of each server-sent event, in order. Comments, names and ids are passed over; an event that the
 * end of the stream cuts is dropped, as the standard says. Lines end in LF or CRLF; nobody sends a bare CR.
 */
export async function* readSseData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let data: string[] = []
  let rest = ''
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r?\n/)
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE_CHARACTERS) throw new SseLineTooLongError()
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield data.join('\n')
        data = []
      } else if (line.startsWith('data:')) {
        data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
      }
    }
  }
}
