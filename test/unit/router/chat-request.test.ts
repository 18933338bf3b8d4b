import { describe, expect, it } from '@jest/globals'
import { chatOfPrompt, parseChatBody, renderMessages } from '../../../src/lib/router/chat-request.js'

const nested = (depth: number): unknown => (depth === 0 ? 1 : { in: nested(depth - 1) })
const messages = [{ role: 'user', content: 'hi' }]

describe('a chat body', () => {
  it('is read with its sampling options, its limit and its model', () => {
    const stop = ['a', 'b']
    const body = parseChatBody({
      messages,
      temperature: 0.5,
      stop,
      seed: 7,
      max_tokens: 9,
      model: 'm',
      user: 'me',
    })

    expect(body).toEqual({ messages, options: { temperature: 0.5, stop, seed: 7 }, maxTokens: 9, model: 'm' })
  })

  it('leaves limit and model open when they are not given', () => {
    expect(parseChatBody({ messages, temperature: null, stream: true, n: 1, stream_options: {} })).toEqual({
      messages,
      options: {},
      maxTokens: null,
      model: null,
    })
  })

  it('takes the newer name of the limit', () => {
    expect(parseChatBody({ messages, max_completion_tokens: 4 }).maxTokens).toBe(4)
    expect(parseChatBody({ messages, max_completion_tokens: 4, max_tokens: 9 }).maxTokens).toBe(4)
  })

  it('takes fields that are null for fields that are not there', () => {
    const talk = [{ ...messages[0], name: null, tool_calls: null }]

    expect(parseChatBody({ messages: talk, user: null, stream_options: null, max_tokens: null })).toEqual({
      messages,
      options: {},
      maxTokens: null,
      model: null,
    })
  })

  it('takes names, all roles of plain talk and parts of text', () => {
    const talk = [
      { role: 'system', content: 'Be brief.' },
      { role: 'developer', content: 'In English.' },
      { role: 'user', name: 'ann', content: [{ type: 'text', text: 'hi' }] },
      { role: 'assistant', content: '' },
    ]

    expect(parseChatBody({ messages: talk }).messages).toEqual(talk)
  })

  it.each([
    ['no messages', {}, '`messages`'],
    ['messages as text', { messages: 'hi' }, '`messages`'],
    ['an empty list', { messages: [] }, '`messages`'],
    ['a message that is text', { messages: ['hi'] }, '`messages[0]`'],
    ['an unknown role', { messages: [{ role: 'tool', content: '' }] }, '`messages[0].role`'],
    ['a role from the prototype', { messages: [{ role: 'constructor', content: '' }] }, 'role'],
    ['a message without content', { messages: [{ role: 'user' }] }, '`messages[0].content`'],
    ['content that is a number', { messages: [{ role: 'user', content: 1 }] }, '`messages[0].content`'],
    ['no parts', { messages: [{ role: 'user', content: [] }] }, '`messages[0].content`'],
    [
      'an image, which the host would fetch',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://x' } }] }] },
      '`messages[0].content[0]`',
    ],
    ['calls of tools', { messages: [{ role: 'assistant', content: '', tool_calls: [] }] }, 'tool_calls'],
    ['a name that is a number', { messages: [{ ...messages[0], name: 1 }] }, '`messages[0].name`'],
    ['several choices', { messages, n: 2 }, '`n`'],
    ['tools', { messages, tools: [] }, '`tools`'],
    ['a base URL for the proxy', { messages, api_base: 'http://10.0.0.1' }, '`api_base`'],
    ['a field named as a method', { messages, constructor: 1 }, '`constructor`'],
    ['a field named __proto__', JSON.parse('{"messages":[],"__proto__":{}}') as object, '`__proto__`'],
    ['a temperature as text', { messages, temperature: '1' }, '`temperature`'],
    ['a seed that is no integer', { messages, seed: 1.5 }, '`seed`'],
    ['a stop that is a number', { messages, stop: 3 }, '`stop`'],
    ['too many stops', { messages, stop: Array(17).fill('x') }, '`stop`'],
    ['a limit of zero', { messages, max_tokens: 0 }, '`max_tokens`'],
    ['a limit below zero', { messages, max_tokens: -1 }, '`max_tokens`'],
    ['a limit as text', { messages, max_tokens: '5' }, '`max_tokens`'],
    ['a broken limit', { messages, max_tokens: 1.5 }, '`max_tokens`'],
    ['an empty model', { messages, model: '' }, '`model`'],
    ['an option nested without end', { messages, response_format: nested(40) }, '`response_format`'],
    ['a bias that is a list', { messages, logit_bias: [1] }, '`logit_bias`'],
    ['a stream that is text', { messages, stream: 'yes' }, '`stream`'],
    ['options of a stream that are text', { messages, stream_options: 'usage' }, '`stream_options`'],
    [
      'an unknown option of a stream',
      { messages, stream_options: { to: 'http://x' } },
      '`stream_options.to`',
    ],
    [
      'a wish for usage that is no yes or no',
      { messages, stream_options: { include_usage: 1 } },
      '`stream_options.include_usage`',
    ],
    ['a user that is an object', { messages, user: {} }, '`user`'],
    ['a limit behind a right one', { messages, max_tokens: '5', max_completion_tokens: 5 }, '`max_tokens`'],
    [
      'a newer limit beside a right one',
      { messages, max_tokens: 5, max_completion_tokens: 0 },
      '`max_completion_tokens`',
    ],
    [
      'an address beside text',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'hi', image_url: { url: 'x' } }] }] },
      '`messages[0].content[0].image_url`',
    ],
  ])('is refused for %s', (_what, body, message) => {
    expect(() => parseChatBody(body as Record<string, unknown>)).toThrow(
      expect.objectContaining({ code: 'TASK_INVALID', message: expect.stringContaining(message) }),
    )
  })
})

describe('the messages for a host', () => {
  it('are those of the request', () => {
    const talk = parseChatBody({
      messages: [...messages, { role: 'assistant', name: 'bee', content: [{ type: 'text', text: 'ho' }] }],
    }).messages

    expect(renderMessages(talk)).toEqual(talk)
    expect(renderMessages(chatOfPrompt('hi'))).toEqual(messages)
  })
})
