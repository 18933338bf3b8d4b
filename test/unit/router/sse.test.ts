import { describe, expect, it } from '@jest/globals'
import { SseLineTooLongError, createSseReader } from '../../../src/lib/router/sse.js'

function read(...parts: readonly (string | Uint8Array)[]): string[] {
  const reader = createSseReader()
  return parts.flatMap((part) => reader.push(typeof part === 'string' ? Buffer.from(part) : part))
}

describe('server-sent events', () => {
  it('are read one by one', () => {
    expect(read('data: a\n\ndata: b\n\n')).toEqual(['a', 'b'])
  })

  it('are read the same wherever the network cuts them, inside a character or a line end too', () => {
    const bytes = Buffer.from('data: é😀\r\n\r\ndata:b\r\n\r\n')

    for (let at = 0; at <= bytes.length; at += 1) {
      expect(read(bytes.subarray(0, at), bytes.subarray(at))).toEqual(['é😀', 'b'])
    }
  })

  it('join several lines of data', () => {
    expect(read('data: a\ndata: b\n\n')).toEqual(['a\nb'])
  })

  it('pass over comments, names, ids and empty events', () => {
    expect(read(': ping\n\nevent: x\nid: 1\ndata: a\nretry: 5\n\n\n\ndatabase: no\n\n')).toEqual(['a'])
  })

  it('keep blanks of the text but one', () => {
    expect(read('data:  a \n\n')).toEqual([' a '])
  })

  it('drop an event that the end of the stream cuts', () => {
    expect(read('data: a\n\ndata: b\n')).toEqual(['a'])
  })

  it('refuse a line without end', () => {
    const part = 'x'.repeat(600_000)

    expect(() => read('data: ', part, part)).toThrow(SseLineTooLongError)
  })
})
