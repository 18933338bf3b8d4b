/** What strangers may send to the service, none of which a host may be asked for. */
import { createDice } from './dice.js'
import { GOOD_BODIES, POST_ROUTES, TOO_LARGE, wrongBodies } from './hostile-bodies.js'
import { type Manner, rawRequest } from './raw-client.js'

export interface HostileRequest {
  readonly name: string
  readonly bytes: Buffer
  readonly manner: Manner
  /**
   * Why there is no answer with a reason, where HTTP leaves no other way: the client is gone, it never said anything, or
   * it asked for an answer without a body.
   */
  readonly unanswered: 'gone' | 'silent' | 'bodiless' | null
}

const GET_ROUTES = [
  '/',
  '/health',
  '/ready',
  '/metrics',
  '/service-resources',
  '/v1/models',
  '/v1/models/tiny',
  '/v1/usage',
]

/** @param key of a client, so that requests get beyond the first look at them */
export function hostileRequests(key: string): HostileRequest[] {
  const auth = `authorization: Bearer ${key}`
  const all = new Map<string, HostileRequest>()

  /** Adds a request, once: some tables overlap. */
  function add(
    name: string,
    bytes: Buffer | string,
    { manner = 'whole', unanswered = null }: Partial<Pick<HostileRequest, 'manner' | 'unanswered'>> = {},
  ): void {
    const raw = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    all.set(`${manner} ${raw.toString('latin1')}`, { name, bytes: raw, manner, unanswered })
  }
  const post = (target: string, body: string | Buffer, headers = ['content-type: application/json']) =>
    rawRequest({ method: 'POST', target, headers: [auth, 'connection: close', ...headers], body })

  for (const [route, name, body] of wrongBodies()) {
    add(
      `${route}: ${name}`,
      post(route, typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)),
    )
  }
  for (const route of POST_ROUTES) {
    const good = JSON.stringify(GOOD_BODIES[route])
    for (const type of WRONG_TYPES) {
      add(`${route}: content type ${type}`, post(route, good, type === '' ? [] : [`content-type: ${type}`]))
    }
    for (const encoding of ['gzip', 'br', 'deflate', 'zstd', 'gzip, identity', 'chunked', 'x']) {
      const headers = ['content-type: application/json', `content-encoding: ${encoding}`]
      add(`${route}: content encoding ${encoding}`, post(route, good, headers))
    }
    const head = `POST ${route} HTTP/1.1\r\nhost: localhost\r\n${auth}\r\ncontent-type: application/json\r\n`
    for (const [name, rest] of wrongFrames(good)) add(`${route}: ${name}`, `${head}${rest}`)
    for (const [name, sent] of cutShort(good)) {
      add(`${route}: ${name}, then closed`, `${head}${sent}`, { manner: 'closed' })
      add(`${route}: ${name}, then torn down`, `${head}${sent}`, { manner: 'reset', unanswered: 'gone' })
      add(`${route}: ${name}, byte by byte`, `${head}${sent}`, { manner: 'slow' })
    }
  }
  for (const route of [...GET_ROUTES, ...POST_ROUTES]) {
    const isPost = POST_ROUTES.some((known) => known === route)
    for (const method of [
      'PUT',
      'DELETE',
      'PATCH',
      'OPTIONS',
      'TRACE',
      'PROPFIND',
      isPost ? 'GET' : 'POST',
    ]) {
      add(`${method} ${route}`, rawRequest({ method, target: route, headers: [auth, 'connection: close'] }))
    }
    if (!isPost) continue
    const bytes = rawRequest({ method: 'HEAD', target: route, headers: [auth, 'connection: close'] })
    add(`HEAD ${route}`, bytes, { unanswered: 'bodiless' })
  }
  for (const target of WRONG_TARGETS) {
    for (const method of ['GET', 'POST']) {
      add(
        `${method} ${target.slice(0, 60)} (${target.length})`,
        rawRequest({ method, target, headers: [auth, 'connection: close'] }),
      )
    }
  }
  for (const header of WRONG_KEYS) {
    for (const [method, target] of [
      ['GET', '/v1/models'],
      ['POST', '/v1/embeddings'],
    ] as const) {
      const headers = [header, 'connection: close', 'content-type: application/json']
      add(
        `${method} ${target} with ${header.slice(0, 60)} (${header.length})`,
        rawRequest({ method, target, headers, body: JSON.stringify(GOOD_BODIES['/v1/embeddings']) }),
      )
    }
  }
  for (const [name, text] of NO_HTTP) add(name, text)
  const dice = createDice(7)
  for (let index = 0; index < 24; index += 1) {
    const noise = Buffer.from(Array.from({ length: dice.between(1, 400) }, () => dice.between(0, 255)))
    // A first byte that begins no method: otherwise the service may rightly wait for the rest of it.
    add(`noise ${index}`, Buffer.concat([Buffer.from([dice.between(0x80, 0xff)]), noise]))
  }
  add('nothing at all', '', { manner: 'closed', unanswered: 'silent' })
  add('nothing at all, torn down', '', { manner: 'reset', unanswered: 'gone' })
  return [...all.values()]
}

const WRONG_TYPES = [
  '',
  'text/plain',
  'text/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/jsonp',
  'application/json-seq',
  'application/vnd.api+json',
  'application/json/x',
  'application/octet-stream',
  'json',
  '*/*',
]

const WRONG_TARGETS = [
  '*',
  '//',
  '///',
  '/v1',
  '/v1/',
  '/v2/models',
  '/v1/chat',
  '/v1/chat/completions/',
  '/v1/chat/completions/x',
  '/v1//models',
  '/V1/MODELS',
  '/v1/models/huge',
  '/v1/models/%2e%2e%2fusage',
  '/v1/models/x%0d%0aset-cookie:%20a=b',
  '/v1/models/%00',
  '/v1/models/%zz',
  '/v1/models/%ff%fe',
  `/v1/models/${'x'.repeat(8_000)}`,
  '/v1/responses',
  '/v1/files',
  '/v1/usage/all',
  '/v1/engines/tiny/completions',
  '/service_output/',
  '/service_output%00',
  '/service-output',
  '/constructor',
  '/__proto__',
  '/toString',
  '/hasOwnProperty',
  '/%',
  '/%2e%2e/%2e%2e/etc/passwd',
  '/../../etc/passwd',
  '/.git/config',
  '/.env',
  '/index.html',
  '/metrics/',
  '/health;x=1',
  '/\\health',
  'health',
  'http://localhost/health',
  'https://evil.example/',
  'localhost:80',
  '/\xff\xfe',
  `/${'a/'.repeat(5_000)}`,
]

const WRONG_KEYS = [
  'x: y',
  'authorization:',
  'authorization: Bearer',
  'authorization: Bearer ',
  'authorization: Bearer flock-sk-wrong-one-0123456789',
  'authorization: bearer null',
  'authorization: Basic c2hvcDpzaG9w',
  'authorization: Digest username="shop"',
  'authorization: \xff\xfe',
  `authorization: Bearer ${'x'.repeat(9_000)}`,
  'api-key: wrong-key-0123456789',
  'x-api-key: wrong-key-0123456789',
  'x-api-key: sha256:0000',
  'cookie: authorization=Bearer x',
]

/** Faults of the head or of how the body is framed, behind a right beginning of the head. */
function wrongFrames(good: string): readonly (readonly [string, string])[] {
  const length = `content-length: ${good.length}`
  const chunked = 'transfer-encoding: chunked'
  const chunk = `${good.length.toString(16)}\r\n${good}\r\n`
  const smuggled = 'GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n'
  const inChunks = (text: string) => `${chunked}\r\n\r\n${text}`
  return [
    ['length and chunks', `${length}\r\n${chunked}\r\n\r\n${chunk}0\r\n\r\n`],
    ['chunks and length', `${chunked}\r\n${length}\r\n\r\n${chunk}0\r\n\r\n`],
    ['a request behind length and chunks', `content-length: 4\r\n${chunked}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['two lengths', `${length}\r\ncontent-length: 1\r\n\r\n${good}${smuggled}`],
    ['the same length twice', `${length}\r\n${length}\r\n\r\n${good}`],
    ['two lengths in one', `content-length: ${good.length}, 1\r\n\r\n${good}`],
    ['a length below zero', `content-length: -1\r\n\r\n${good}`],
    ['a length with a sign', `content-length: +${good.length}\r\n\r\n${good}`],
    ['a length in hexadecimal', `content-length: 0x${good.length.toString(16)}\r\n\r\n${good}`],
    ['a length with a blank in it', `content-length: 1 2\r\n\r\n${good}`],
    ['a length that is text', `content-length: many\r\n\r\n${good}`],
    ['no length', `content-length:\r\n\r\n${good}`],
    ['a length beyond 64 bits', `content-length: 99999999999999999999999\r\n\r\n${good}`],
    ['a length of a terabyte', `connection: close\r\ncontent-length: 1099511627776\r\n\r\n${good}`],
    ['a length just above the limit', `connection: close\r\ncontent-length: 16385\r\n\r\n${good}`],
    ['neither length nor chunks', `connection: close\r\n\r\n${good}`],
    ['a length of zero', `connection: close\r\ncontent-length: 0\r\n\r\n${good}`],
    ['an unknown transfer encoding', `transfer-encoding: xchunked\r\n\r\n${chunk}0\r\n\r\n`],
    ['gzip as transfer encoding', `transfer-encoding: gzip\r\n\r\n${chunk}0\r\n\r\n`],
    ['chunks that are not the last encoding', `transfer-encoding: chunked, gzip\r\n\r\n${chunk}0\r\n\r\n`],
    ['chunked and identity', `transfer-encoding: chunked, identity\r\n\r\n${chunk}0\r\n\r\n`],
    ['a blank before the colon', `transfer-encoding : chunked\r\n\r\n${chunk}0\r\n\r\n`],
    ['a tab before chunked', `transfer-encoding: \x0bchunked\r\n\r\n${chunk}0\r\n\r\n`],
    ['a folded transfer encoding', `transfer-encoding:\r\n chunked\r\n${length}\r\n\r\n${chunk}0\r\n\r\n`],
    ['a folded length', `content-length: 1\r\n ${good.length}\r\n\r\n${good}`],
    ['a folded first line', ` folded: x\r\n${length}\r\n\r\n${good}`],
    ['chunks in HTTP/1.0 words', `transfer-encoding: CHUNKED, CHUNKED\r\n\r\n${chunk}0\r\n\r\n`],
    ['a chunk without a size', inChunks(`\r\n${good}\r\n0\r\n\r\n`)],
    ['a chunk size that is none', inChunks(`zz\r\n${good}\r\n0\r\n\r\n`)],
    ['a chunk size below zero', inChunks(`-5\r\n${good}\r\n0\r\n\r\n`)],
    ['a chunk size with 0x', inChunks(`0x${chunk}0\r\n\r\n`)],
    ['a chunk size with a blank before it', inChunks(` ${chunk}0\r\n\r\n`)],
    ['a chunk size beyond 64 bits', inChunks(`fffffffffffffffff\r\n${good}\r\n0\r\n\r\n`)],
    ['a chunk larger than it says', inChunks(`2\r\n${good}\r\n0\r\n\r\n`)],
    ['a chunk without an end', inChunks(`${good.length.toString(16)}\r\n${good}0\r\n\r\n`)],
    ['a chunk extension without end', inChunks(`5;${'x'.repeat(20_000)}\r\n`)],
    ['many chunk extensions', inChunks(`1;${'a=b;'.repeat(300)}\r\n{\r\n`.repeat(60))],
    ['chunks with bare line feeds', inChunks(`${good.length.toString(16)}\n${good}\n0\n\n`)],
    [
      'chunks above the limit',
      `connection: close\r\n${inChunks(`1000\r\n${'x'.repeat(4_096)}\r\n`.repeat(5))}0\r\n\r\n`,
    ],
    ['trailers that are none', inChunks(`1\r\n{\r\n0\r\nno trailer\r\n\r\n`)],
    ['trailers without end', inChunks(`1\r\n{\r\n0\r\nx: ${'y'.repeat(20_000)}`)],
    ['a header without a colon', `no header\r\n${length}\r\n\r\n${good}`],
    ['a header without a name', `: x\r\n${length}\r\n\r\n${good}`],
    ['a blank in the name of a header', `a b: x\r\n${length}\r\n\r\n${good}`],
    ['a null byte in the name of a header', `a\0b: x\r\n${length}\r\n\r\n${good}`],
    ['a null byte in a header', `x: a\0b\r\n${length}\r\n\r\n${good}`],
    ['a bare carriage return in a header', `x: a\rb: c\r\n${length}\r\n\r\n${good}`],
    ['a bell in a header', `x: \x07\r\n${length}\r\n\r\n${good}`],
    ['a header of other letters', `\xe9: x\r\n${length}\r\n\r\n${good}`],
    ['a header that is too large', `x: ${'y'.repeat(20_000)}\r\n${length}\r\n\r\n${good}`],
    ['too many headers', `${'x: y\r\n'.repeat(4_000)}${length}\r\n\r\n${good}`],
    ['a second host', `Host: evil.example\r\n${length}\r\n\r\n${good}`],
    ['an expectation', `connection: close\r\nexpect: x\r\n${length}\r\n\r\n${good}`],
    [
      'an expectation to go on with too much',
      `connection: close\r\nexpect: 100-continue\r\ncontent-length: ${TOO_LARGE}\r\n\r\n`,
    ],
  ]
}

/** Bodies that do not come to their end, behind a right beginning of the head. */
function cutShort(good: string): readonly (readonly [string, string])[] {
  const half = good.slice(0, good.length / 2)
  return [
    ['half a head', 'x-half: '],
    ['a head without a body', `content-length: ${good.length}\r\n\r\n`],
    ['half a body', `content-length: ${good.length + 9_000}\r\n\r\n${half}`],
    ['half a chunk', `transfer-encoding: chunked\r\n\r\n1fff\r\n${half}`],
  ]
}

const NO_HTTP: readonly (readonly [string, string])[] = [
  ['no HTTP at all', 'hello\r\n\r\n'],
  ['HTTP/0.9', 'GET /\r\n'],
  ['an empty method', ' / HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['an unknown method', 'BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a method in lower case', 'get /health HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a method without end', `${'G'.repeat(30_000)} / HTTP/1.1\r\n\r\n`],
  ['no target', 'GET HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['two targets', 'GET /health /ready HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a target without end', `GET /${'x'.repeat(30_000)} HTTP/1.1\r\nhost: x\r\n\r\n`],
  ['a null byte in the target', 'GET /he\0alth HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a tab in the target', 'GET /he\talth HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/3', 'GET /health HTTP/3.0\r\nhost: x\r\n\r\n'],
  ['HTTP/1.2', 'GET /health HTTP/1.2\r\nhost: x\r\n\r\n'],
  ['HTTP/1.10', 'GET /health HTTP/1.10\r\nhost: x\r\n\r\n'],
  ['HTTP in lower case', 'GET /health http/1.1\r\nhost: x\r\n\r\n'],
  ['another protocol', 'GET /health FTP/1.1\r\nhost: x\r\n\r\n'],
  ['no host', 'GET /health HTTP/1.1\r\n\r\n'],
  ['two hosts', 'GET /health HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n'],
  ['line feeds alone', 'GET /health HTTP/1.1\nhost: x\n\n'],
  ['carriage returns alone', 'GET /health HTTP/1.1\rhost: x\r\r'],
  ['a tunnel', 'CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n'],
  ['TLS', '\x16\x03\x01\x00\xf5\x01\x00\x00\xf1\x03\x03'],
  ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ['SMTP', 'EHLO evil.example\r\n'],
  ['Redis', '*1\r\n$4\r\nPING\r\n'],
  ['SOCKS', '\x05\x01\x00'],
  ['a JSON-RPC line', '{"jsonrpc":"2.0","method":"eth_accounts","id":1}\n'],
  ['an answer', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
  ['null bytes', '\0'.repeat(64)],
]
