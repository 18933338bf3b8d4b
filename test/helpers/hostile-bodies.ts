/** Bodies that the service refuses: no JSON, values of the wrong type in every field, tasks that are none. */
import { encodeTaskEnvelope } from '../../src/lib/infernet/task-envelope.js'
import { encodeStock } from './random-stock.js'
import { envelopeOf } from './tasks.js'

/** Larger than the service takes, see `serve-small.mjs`. */
export const TOO_LARGE = 17_000

export const POST_ROUTES = [
  '/service_output',
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
] as const
type PostRoute = (typeof POST_ROUTES)[number]

const messages = [{ role: 'user', content: 'hi' }]

/** A body of each route that would be answered. */
export const GOOD_BODIES: Readonly<Record<PostRoute, Readonly<Record<string, unknown>>>> = {
  '/service_output': { source: 1, destination: 1, data: { prompt: 'hi' }, requires_proof: false },
  '/v1/chat/completions': { model: 'tiny', messages },
  '/v1/completions': { model: 'tiny', prompt: 'hi' },
  '/v1/embeddings': { model: 'tiny', input: 'hi' },
}

/** Text and bytes go as they are, all else as JSON. */
export type WrongBody = readonly [route: PostRoute, name: string, body: unknown]

/** Every wrong body of every route. */
export function wrongBodies(): WrongBody[] {
  const ofEach = POST_ROUTES.flatMap((route) => [
    ...NO_JSON.map(([name, body]): WrongBody => [route, name, body]),
    ...[null, true, 1, -0.5, 'text', '', [], [{}], [GOOD_BODIES[route]], {}].map((body): WrongBody => [
      route,
      `JSON ${JSON.stringify(body).slice(0, 40)}`,
      JSON.stringify(body),
    ]),
  ])
  return [...ofEach, ...wrongFields(), ...wrongTasks()]
}

const utf8 = (...bytes: number[]) =>
  Buffer.concat([Buffer.from('{"model":"'), Buffer.from(bytes), Buffer.from('"}')])

/** What is no JSON in UTF-8, or too much of it. */
const NO_JSON: readonly (readonly [string, string | Buffer])[] = [
  ...[
    '{',
    '}',
    '[',
    '"',
    '"half',
    'nul',
    'nulll',
    'undefined',
    'NaN',
    'Infinity',
    '-',
    '01',
    '+1',
    '.5',
    '1.',
    '1e',
    '0x1',
    "{'a':1}",
    '{a:1}',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{"a":1 "b":2}',
    '{"a":1}}',
    '{"a":1}{"b":2}',
    '[1,]',
    '{"a":"\n"}',
    '{"a":"\\x"}',
    '{"a":"\\u12"}',
    '{"a":1} // why',
    '/* */{}',
    '<xml/>',
    'a=1&b=2',
    '--x\r\ncontent-disposition: form-data\r\n\r\n',
  ].map((text) => [`no JSON ${JSON.stringify(text)}`, text] as const),
  ['null bytes', '\0'.repeat(8)],
  ['a null byte behind it', '{}\0'],
  ['a mark of byte order', '\ufeff{}'],
  ['UTF-16', Buffer.from('{"model":"tiny"}', 'utf16le')],
  ['a lone continuation byte', utf8(0x80)],
  ['an overlong slash', utf8(0xc0, 0xaf)],
  ['half a character', utf8(0xe2, 0x82)],
  ['a surrogate in UTF-8', utf8(0xed, 0xa0, 0x80)],
  ['a character beyond Unicode', utf8(0xf4, 0x90, 0x80, 0x80)],
  ['bytes that are in no text', utf8(0xfe, 0xff)],
  ['Latin-1', Buffer.from('{"model":"größe"}', 'latin1')],
  ['lists without end', '['.repeat(16_000)],
  ['objects without end', '{"a":'.repeat(3_200)],
  ['lists in lists', `${'['.repeat(8_000)}${']'.repeat(8_000)}`],
  ['objects in objects', `${'{"a":'.repeat(2_600)}1${'}'.repeat(2_600)}`],
  ['more than is taken', JSON.stringify({ model: 'x'.repeat(TOO_LARGE) })],
  ['far more than is taken', ' '.repeat(20 * TOO_LARGE)],
  ['a number without end', `{"n":${'9'.repeat(16_000)}}`],
  [
    'many fields',
    JSON.stringify(Object.fromEntries(Array.from({ length: 1_500 }, (_, at) => [`f${at}`, at]))),
  ],
]

type Kind = keyof typeof WRONG_VALUES

const deep = (levels: number): unknown => (levels === 0 ? 1 : { in: deep(levels - 1) })

/** Values that a field of a kind cannot have. */
const WRONG_VALUES = {
  text: [5, true, [], {}, ['x']],
  number: ['1', true, [], {}],
  integer: ['1', 1.5, true, [], {}, 1e300],
  positive: ['1', 0, -1, 1.5, true, [], {}],
  truth: ['true', 1, 0, [], {}],
  object: ['x', 1, true, [], deep(60)],
  list: ['x', 1, true, {}, ['x', 1]],
  one: [0, 2, '1', true, [], {}],
  stop: [1, true, {}, [1], Array(17).fill('x')],
} as const

const SAMPLING: Readonly<Record<string, Kind>> = {
  model: 'text',
  max_tokens: 'positive',
  max_completion_tokens: 'positive',
  temperature: 'number',
  top_p: 'number',
  top_k: 'integer',
  min_p: 'number',
  frequency_penalty: 'number',
  presence_penalty: 'number',
  repetition_penalty: 'number',
  seed: 'integer',
  stop: 'stop',
  logit_bias: 'object',
  n: 'one',
}
const UNUSED: Readonly<Record<string, Kind>> = {
  stream: 'truth',
  stream_options: 'object',
  user: 'text',
  metadata: 'object',
  store: 'truth',
  service_tier: 'text',
  safety_identifier: 'text',
  prompt_cache_key: 'text',
  best_of: 'one',
}

/** Fields that tasks have beside what is to be answered. */
const TASK_FIELDS: Readonly<Record<string, Kind>> = {
  ...SAMPLING,
  stream: 'truth',
  stream_options: 'object',
  user: 'text',
  response_format: 'object',
}

const FIELDS: Readonly<Record<Exclude<PostRoute, '/service_output'>, Readonly<Record<string, Kind>>>> = {
  '/v1/chat/completions': {
    ...SAMPLING,
    ...UNUSED,
    messages: 'list',
    response_format: 'object',
    tools: 'list',
    parallel_tool_calls: 'truth',
    logprobs: 'truth',
    top_logprobs: 'integer',
    reasoning_effort: 'text',
    verbosity: 'text',
    chat_template_kwargs: 'object',
  },
  '/v1/completions': { ...SAMPLING, ...UNUSED, suffix: 'text', echo: 'truth', logprobs: 'integer' },
  '/v1/embeddings': { ...UNUSED, model: 'text', encoding_format: 'text', dimensions: 'integer', n: 'one' },
}

/** Fields that no route takes: of other services, of the makers of proxies, of JavaScript. */
const UNKNOWN_FIELDS = [
  'api_base',
  'base_url',
  'api_key',
  'custom_llm_provider',
  'extra_headers',
  'extra_body',
  'functions',
  'function_call',
  'modalities',
  'audio',
  'guided_json',
  'guided_regex',
  'lora_request',
  'use_beam_search',
  '__proto__',
  'constructor',
  'a\r\nset-cookie: a=b',
  'x'.repeat(9_000),
]

function wrongFields(): WrongBody[] {
  const all: WrongBody[] = []
  const add = (route: PostRoute, field: string, value: unknown) => {
    const shown = JSON.stringify(value).slice(0, 30)
    // Written by hand: `__proto__` in an object literal would be no field.
    const rest = JSON.stringify({ ...GOOD_BODIES[route], [field]: undefined }).slice(1)
    const body = `{${JSON.stringify(field)}:${JSON.stringify(value)}${rest === '}' ? '' : ','}${rest}`
    all.push([route, `${field.slice(0, 30)} = ${shown}`, body])
  }
  for (const [route, fields] of Object.entries(FIELDS) as [keyof typeof FIELDS, Record<string, Kind>][]) {
    for (const [field, kind] of Object.entries(fields)) {
      for (const value of WRONG_VALUES[kind]) add(route, field, value)
    }
    for (const field of UNKNOWN_FIELDS) add(route, field, 1)
    for (const model of [
      'huge',
      '',
      ' ',
      'tiny\0',
      'TINY',
      '../tiny',
      '\r\nset-cookie: a=b',
      'x'.repeat(9_000),
    ]) {
      add(route, 'model', model)
    }
  }
  for (const prompt of ['', [], ['a', 'b'], [1], [[1]], {}, 5, true]) add('/v1/completions', 'prompt', prompt)
  for (const input of [
    '',
    [],
    [''].concat(Array<string>(2_048).fill('')),
    [1, 'a'],
    [[1]],
    [-1],
    [0.5],
    {},
    5,
  ]) {
    add('/v1/embeddings', 'input', input)
  }
  for (const message of WRONG_MESSAGES) add('/v1/chat/completions', 'messages', [message])
  for (const route of ['/v1/chat/completions', '/v1/completions'] as const) {
    for (const options of WRONG_STREAM_OPTIONS) add(route, 'stream_options', options)
  }
  add('/v1/chat/completions', 'tool_choice', 5)
  add('/v1/chat/completions', 'tools', Array(129).fill({}))
  add('/v1/chat/completions', 'messages', [{ role: 'user', content: 'x'.repeat(9_000) }])
  add('/v1/completions', 'prompt', 'x'.repeat(9_000))
  add('/v1/embeddings', 'input', Array(1_001).fill(1))
  return all
}

const part = (content: unknown) => ({ role: 'user', content: [content] })
const image = (url: unknown) => part({ type: 'image_url', image_url: { url } })

const WRONG_STREAM_OPTIONS: readonly unknown[] = [
  { include_usage: 1 },
  { include_usage: 'true' },
  { callback: 'http://169.254.169.254/' },
]

const WRONG_MESSAGES: readonly unknown[] = [
  null,
  'hi',
  5,
  [],
  {},
  { role: 'user' },
  { content: 'hi' },
  { role: 'root', content: 'hi' },
  { role: ['user'], content: 'hi' },
  { role: 'user', content: 5 },
  { role: 'user', content: {} },
  { role: 'user', content: [] },
  { role: 'user', content: null },
  { role: 'user', content: 'hi', name: 5 },
  { role: 'user', content: 'hi', weight: 1 },
  { role: 'user', content: 'hi', tool_calls: {} },
  { role: 'assistant', content: null },
  { role: 'assistant', content: null, tool_calls: ['x'] },
  { role: 'assistant', content: null, tool_calls: [deep(60)] },
  { role: 'tool', content: 'hi', tool_call_id: 5 },
  part('hi'),
  part(null),
  part({}),
  part({ type: 'text' }),
  part({ type: 'text', text: 5 }),
  part({ type: 'video_url', video_url: { url: 'http://169.254.169.254/' } }),
  part({ type: 'input_audio', input_audio: {} }),
  part({ type: 'file', file: { file_id: 'x' } }),
  part({ type: 'text', text: 'hi', image_url: { url: 'http://169.254.169.254/' } }),
  image('http://169.254.169.254/latest/meta-data'),
  image('https://evil.example/cat.png'),
  image('file:///etc/passwd'),
  image('data:text/html,x'),
  image(5),
]

function wrongTasks(): WrongBody[] {
  const all: WrongBody[] = []
  const add = (name: string, change: Readonly<Record<string, unknown>>) =>
    all.push(['/service_output', name, { ...GOOD_BODIES['/service_output'], ...change }])
  for (const field of ['source', 'destination']) {
    for (const value of [-1, 3, 0.5, '1', true, null, [], {}, 1e300]) {
      add(`${field} = ${JSON.stringify(value)}`, { [field]: value })
    }
  }
  for (const value of [1, 0, 'true', null, [], {}, true]) {
    add(`requires_proof = ${JSON.stringify(value)}`, { requires_proof: value })
  }
  for (const data of [null, 5, true, 'hi', [], [{}], {}]) add(`data = ${JSON.stringify(data)}`, { data })

  const onChain = { source: 0, destination: 0 }
  for (const [name, data] of wrongHex()) add(`bytes of the chain: ${name}`, { ...onChain, data })
  const stock = encodeStock('tgi', ['hi']).slice(2)
  add('a stream for the chain', { ...onChain, destination: 2, data: stock })
  add('a proof of a stock task', { ...onChain, data: stock, requires_proof: true })
  for (const data of [5, true, null, {}, []])
    add(`bytes of the chain = ${JSON.stringify(data)}`, { ...onChain, data })

  for (const [field, kind] of Object.entries(TASK_FIELDS)) {
    for (const value of WRONG_VALUES[kind]) {
      add(`data.${field} = ${JSON.stringify(value).slice(0, 30)}`, { data: { prompt: 'hi', [field]: value } })
    }
  }
  for (const field of [...UNKNOWN_FIELDS, 'tools', 'logprobs', 'suffix']) {
    if (field !== '__proto__') add(`data.${field.slice(0, 30)}`, { data: { prompt: 'hi', [field]: 1 } })
  }
  for (const options of WRONG_STREAM_OPTIONS) {
    add(`data.stream_options = ${JSON.stringify(options)}`, {
      data: { prompt: 'hi', stream_options: options },
    })
  }
  for (const data of WRONG_DATA) add(`data ${JSON.stringify(data).slice(0, 60)}`, { data })
  for (const message of WRONG_MESSAGES) {
    add(`data.messages ${JSON.stringify(message).slice(0, 60)}`, { data: { messages: [message] } })
  }
  return all
}

const WRONG_DATA: readonly unknown[] = [
  { prompt: '' },
  { prompt: ' \n' },
  { prompt: 5 },
  { prompt: ['hi'] },
  { text: '' },
  { text: {} },
  { prompt: 'a', text: 'b' },
  { prompt: 'a', messages },
  { messages: [] },
  { messages: 'hi' },
  { messages, max_tokens: 5, max_completion_tokens: '5' },
  { messages, max_tokens: '5', max_completion_tokens: 5 },
  { prompt: 'hi', max_tokens: 5, max_completion_tokens: 0 },
  { prompt: 'hi', model: 'huge' },
  { envelope: 'zz' },
  { envelope: 5 },
  { envelope: '' },
  { envelope: '0x00' },
  { envelope: 'ab'.repeat(32) },
  { task_id: '1', prompt: 'hi' },
  { task_id: 1 },
  { task_id: 1, prompt: 5 },
  { task_id: 9, prompt: 'hi' },
  { task_id: 5, prompt: 'hi' },
  { task_id: 1, prompt: 'hi', parameters: 5 },
  { task_id: 1, prompt: 'hi', parameters: { truncate: 5 } },
  { task_id: 1, prompt: 'hi', parameters: { max_new_tokens: -5 } },
  { task_id: 1, prompt: 'hi', max_new_tokens: 5, parameters: { max_length: 5 } },
  { params: {} },
  { provider: 'EVIL', endpoint: 'completions', params: { messages } },
  { provider: 'OPENAI', endpoint: 'embeddings', params: { input: 'hi' } },
  { provider: 'OPENAI', endpoint: 'completions', params: { messages: [] } },
  { provider: 'OPENAI', endpoint: 'completions', params: { messages: ['hi'] } },
  { provider: 'OPENAI', endpoint: 'completions', model: 'gpt-4', params: { messages } },
  { provider: 'OPENAI', endpoint: 'completions', params: { messages }, extra_args: { messages } },
  { provider: 'OPENAI', endpoint: 'completions', params: { messages }, extra_args: { api_base: 'x' } },
  { provider: 'OPENAI', endpoint: 'completions', params: { messages }, api_keys: { OPENAI: 'x' } },
]

/** Bytes that no consumer gives, or none that this service answers. */
function wrongHex(): readonly (readonly [string, string])[] {
  const envelope = encodeTaskEnvelope(envelopeOf()).slice(2)
  const word = (value: bigint) => value.toString(16).padStart(64, '0')
  return [
    ['none', ''],
    ['0x alone', '0x'],
    ['half a byte', 'abc'],
    ['no digits', 'zz'],
    ['an upper-case X', '0Xab'],
    ['0x twice', '0x0xab'],
    ['blanks', 'ab cd'],
    ['digits of other alphabets', '１２'],
    ['a line feed behind them', 'abcd\n'],
    ['one byte', '00'],
    ['one word', word(0x20n)],
    ['words of zeros', '00'.repeat(320)],
    ['words of ones', 'ff'.repeat(320)],
    ['an offset beyond the end', word(0xffffffffn)],
    ['a length beyond the end', word(0x20n) + word(0xffffffffffffffffn)],
    ['a text without padding', `${word(0x20n)}${word(2n)}6869`],
    ['a text of blanks', encodeStock('tgi', [' ']).slice(2)],
    ['an empty chat', encodeStock('css', [0, 0, '', []]).slice(2)],
    ['a chat with an unknown role', encodeStock('css', [0, 0, '', [['root', 'hi']]]).slice(2)],
    ['a chat for another model', encodeStock('css', [0, 0, 'gpt-4', [['user', 'hi']]]).slice(2)],
    ['embeddings', encodeStock('css', [0, 1, '', [['user', 'hi']]]).slice(2)],
    ['a picture', encodeStock('hf', [5, '', 'hi']).slice(2)],
    ['an unknown task', encodeStock('hf', [77, '', 'hi']).slice(2)],
    ['an envelope for another model', envelope],
    ['an envelope of another chain', encodeTaskEnvelope(envelopeOf({ chainId: 1n })).slice(2)],
    ['an envelope that is cut', envelope.slice(0, -64)],
    ['an envelope with more behind it', `${envelope}${'00'.repeat(32)}`],
    ['the name of an envelope alone', envelope.slice(0, 64)],
    ['two envelopes', envelope + envelope],
  ]
}
