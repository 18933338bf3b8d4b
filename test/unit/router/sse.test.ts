import { describe, expect, it } from '@jest/globals'
import { SseLineTooLongError, readSseData } from '../../../src/lib/router/sse.js'

async function read(...parts: readonly (string | Uint8Array)[]): Promise<string[]> {
  async function* body() {
    for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part
  }
  const events: string[] = []
  for await (const data of readSseData(body())) events.push(data)
  return events
}

describe('server-sent events', () => {
  it('are read one by one', async () => {
    expect(await read('data: a\n\ndata: b\n\n')).toEqual(['a', 'b'])
  })

  it('are read the same wherever the network cuts them, inside a character or a line end too', async () => {
    const bytes = Buffer.from('data: é😀\r\n\r\ndata:b\r\n\r\n')

    for (let at = 0; at <= bytes.length; at += 1) {
      expect(await read(bytes.subarray(0, at), bytes.subarray(at))).toEqual(['é😀', 'b'])
    }
  })

  it('join several lines of data', async () => {
    expect(await read('data: a\ndata: b\n\n')).toEqual(['a\nb'])
  })

  it('pass over comments, names, ids and empty events', async () => {
    expect(await read(': ping\n\nevent: x\nid: 1\ndata: a\nretry: 5\n\n\n\ndatabase: no\n\n')).toEqual(['a'])
  })

  it('keep blanks of the text but one', async () => {
    expect(await read('data:  a \n\n')).toEqual([' a '])
  })

  it('drop an event that the end of the stream cuts', async () => {
    expect(await read('data: a\n\ndata: b\n')).toEqual(['a'])
  })

  it('refuse a line without end', async () => {
    const part = 'x'.repeat(600_000)

    await expect(read('data: ', part, part)).rejects.toThrow(SseLineTooLongError)
  })
})
