import { describe, expect, it } from '@jest/globals'
import { MAX_TOOLS, readMessages } from '../../../src/lib/router/relay-messages.js'

const nested = (depth: number): unknown => (depth === 0 ? 1 : { in: nested(depth - 1) })
const image = (url: unknown, more: object = {}) => ({ type: 'image_url', image_url: { url, ...more } })
const user = (...content: unknown[]) => [{ role: 'user', content }]
const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"in":"Paris"}' } }

describe('messages that are handed on', () => {
  it('may be of every role, and their texts are those that a model reads', () => {
    const talk = [
      { role: 'system', content: 'Be brief.' },
      { role: 'developer', content: 'In English.' },
      {
        role: 'user',
        name: 'ann',
        content: [
          { type: 'text', text: 'hi' },
          { type: 'text', text: '!' },
        ],
      },
      { role: 'assistant', content: '' },
      { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
    ]

    expect(readMessages(talk)).toEqual(['Be brief.', 'In English.', 'hi', '!', '', 'sunny'])
  })

  it('may be answers as SDKs give them back, with calls of tools, thoughts and what is null', () => {
    const answer = {
      role: 'assistant',
      content: null,
      refusal: null,
      audio: null,
      function_call: null,
      annotations: [],
      reasoning: 'I look it up.',
      reasoning_content: 'I look it up.',
      tool_calls: [call],
    }

    expect(readMessages([answer])).toEqual(['weather', '{"in":"Paris"}'])
    expect(readMessages([{ ...answer, content: 'One moment.' }])).toEqual([
      'One moment.',
      'weather',
      '{"in":"Paris"}',
    ])
  })

  it('may be refusals without words of their own', () => {
    expect(readMessages([{ role: 'assistant', content: null, refusal: 'No.' }])).toEqual(['No.'])
  })

  it('may hold images that come with the request', () => {
    const data = 'data:image/png;base64,iVBORw0KGgo='

    expect(readMessages(user({ type: 'text', text: 'What is it?' }, image(data, { detail: 'low' })))).toEqual(
      ['What is it?'],
    )
  })
})

describe('messages are refused', () => {
  it.each([
    'http://169.254.169.254/latest/meta-data',
    'https://example.org/cat.png',
    'file:///etc/passwd',
    'ftp://example.org/cat.png',
    '//example.org/cat.png',
    'DATA:text/html,hi',
    'data:text/html,hi',
    ' data:image/png;base64,AA==',
    '',
    5,
    null,
    ['data:image/png;base64,AA=='],
  ])('with an image that a host would fetch, or that is none: %j', (url) => {
    expect(() => readMessages(user(image(url)))).toThrow(
      expect.objectContaining({
        code: 'TASK_INVALID',
        message: expect.stringContaining('`messages[0].content[0].image_url.url`'),
      }),
    )
  })

  it.each([
    ['none', undefined, '`messages`'],
    ['a text', 'hi', '`messages`'],
    ['an empty list', [], '`messages`'],
    ['a message that is null', [null], '`messages[0]`'],
    ['a message that is a list', [[]], '`messages[0]`'],
    ['nesting without end', [{ role: 'user', content: 'hi', annotations: [nested(40)] }], 'too deeply'],
    ['no role', [{ content: 'hi' }], '`messages[0].role`'],
    ['an unknown role', [{ role: 'function', content: 'hi' }], '`messages[0].role`'],
    ['a role from the prototype', [{ role: 'constructor', content: 'hi' }], '`messages[0].role`'],
    ['no content', [{ role: 'user' }], '`messages[0].content`'],
    ['content that is null', [{ role: 'user', content: null }], '`messages[0].content`'],
    ['content that is a number', [{ role: 'user', content: 7 }], '`messages[0].content`'],
    ['content that is an object', [{ role: 'user', content: {} }], '`messages[0].content`'],
    ['no parts', user(), '`messages[0].content`'],
    ['a part that is a text', user('hi'), '`messages[0].content[0]`'],
    ['a part without a type', user({ text: 'hi' }), '`messages[0].content[0]`'],
    ['a part of a type from the prototype', user({ type: 'toString' }), '`messages[0].content[0]`'],
    ['a video', user({ type: 'video_url', video_url: { url: 'http://x' } }), '`messages[0].content[0]`'],
    ['a file', user({ type: 'file', file: { file_id: '1' } }), '`messages[0].content[0]`'],
    ['audio', user({ type: 'input_audio', input_audio: {} }), '`messages[0].content[0]`'],
    ['a part without text', user({ type: 'text' }), '`messages[0].content[0].text`'],
    ['a part whose text is a number', user({ type: 'text', text: 7 }), '`messages[0].content[0].text`'],
    ['an image without an address', user({ type: 'image_url' }), '`messages[0].content[0].image_url`'],
    ['an image that is a text', user({ type: 'image_url', image_url: 'data:image/png,' }), 'image_url`'],
    [
      'an address beside a text',
      user({ type: 'text', text: 'hi', image_url: { url: 'http://x' } }),
      '`messages[0].content[0].image_url`',
    ],
    [
      'an address beside an image',
      user(image('data:image/png;base64,AA==', { fallback: 'http://x' })),
      '`messages[0].content[0].image_url.fallback`',
    ],
    ['an unknown field', [{ role: 'user', content: 'hi', weight: 1 }], '`messages[0].weight`'],
    ['a name that is a number', [{ role: 'user', content: 'hi', name: 1 }], '`messages[0].name`'],
    ['an id of a call that is none', [{ role: 'tool', content: 'hi', tool_call_id: {} }], 'tool_call_id`'],
    ['calls that are texts', [{ role: 'assistant', content: 'hi', tool_calls: ['x'] }], 'tool_calls`'],
    ['no calls and no content', [{ role: 'assistant', content: null, tool_calls: [] }], '.content`'],
    [
      'too many calls',
      [{ role: 'assistant', content: '', tool_calls: Array(MAX_TOOLS + 1).fill(call) }],
      'tool_calls`',
    ],
  ])('with %s', (_what, messages, message) => {
    expect(() => readMessages(messages)).toThrow(
      expect.objectContaining({ code: 'TASK_INVALID', message: expect.stringContaining(message) }),
    )
  })
})
