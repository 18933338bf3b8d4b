import { describe, expect, it } from '@jest/globals'
import { parseBatch, parseJobRequest } from '../../../src/lib/node/offchain-request.js'

const DELEGATED = `{"signature":{"nonce":5,"expiry":4102444800,"v":28,"r":1,"s":2},"subscription":{
  "owner":"0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e","active_at":0,"period":0,"frequency":1,"redundancy":1,
  "containers":"${'ab'.repeat(32)}","lazy":false,"verifier":"0x${'0'.repeat(40)}","payment_amount":0,
  "payment_token":"0x${'0'.repeat(40)}","wallet":"0x${'0'.repeat(40)}"},"data":{"a":1.0}}`

describe('parseJobRequest', () => {
  it('reads an off-chain job, its data as written, and leaves out what it does not know', () => {
    expect(
      parseJobRequest(
        '{"id":"mine","ip":"1.2.3.4","containers":["a","b"],"data":{"x": 1.0, "y":12345678901234567890}}',
      ),
    ).toEqual({
      kind: 'offchain',
      request: {
        containers: ['a', 'b'],
        dataJson: '{"x": 1.0, "y":12345678901234567890}',
        requiresProof: false,
      },
    })
  })

  it.each([
    ['null', false],
    ['true', true],
  ])('reads requires_proof %s as %s', (text, requiresProof) => {
    expect(parseJobRequest(`{"containers":[],"data":{},"requires_proof":${text}}`)).toMatchObject({
      request: { requiresProof },
    })
  })

  it('reads a delegated subscription', () => {
    expect(parseJobRequest(DELEGATED)).toMatchObject({
      kind: 'delegated',
      request: { nonce: 5, dataJson: '{"a":1.0}' },
    })
  })

  it('takes what has both shapes for an off-chain job', () => {
    expect(parseJobRequest(`{"containers":["a"],${DELEGATED.slice(1)}`).kind).toBe('offchain')
  })

  it.each([
    ['', 'empty'],
    ['{', 'not valid JSON'],
    ['[]', 'JSON object'],
    ['null', 'JSON object'],
    ['"a"', 'JSON object'],
    ['{}', '`containers`'],
    ['{"containers":"a","data":{}}', '`containers`'],
    ['{"containers":["a",1],"data":{}}', '`containers`'],
    ['{"containers":["a"]}', '`data`'],
    ['{"containers":["a"],"data":[]}', '`data`'],
    ['{"containers":["a"],"data":{},"requires_proof":1}', '`requires_proof`'],
    ['{"subscription":{},"data":{}}', '`signature`'],
    [`{"containers":[${'"a",'.repeat(64)}"a"],"data":{}}`, 'at most 64'],
    ['{"__proto__":{"containers":["a"],"data":{}}}', '`containers`'],
  ])('refuses %s', (body, message) => {
    expect(() => parseJobRequest(body)).toThrow(
      expect.objectContaining({ code: 'TASK_INVALID', message: expect.stringContaining(message) as unknown }),
    )
  })
})

describe('parseBatch', () => {
  it('reads a list of both kinds in order', () => {
    const jobs = parseBatch(`[ {"containers":["a"],"data":{"x":1.0}} , ${DELEGATED} ]`)

    expect(jobs?.map(({ kind, request }) => [kind, request.dataJson])).toEqual([
      ['offchain', '{"x":1.0}'],
      ['delegated', '{"a":1.0}'],
    ])
  })

  it('reads an empty list', () => {
    expect(parseBatch('[]')).toEqual([])
  })

  it.each(['{}', 'null', '"a"', '1'])('finds no list in %s', (body) => {
    expect(parseBatch(body)).toBeNull()
  })

  it.each(['[{"containers":["a"],"data":{}},{}]', '[[]]', '[', `[${'{},'.repeat(1_000)}{}]`])(
    'refuses %.40s as a whole',
    (body) => {
      expect(() => parseBatch(body)).toThrow(expect.objectContaining({ code: 'TASK_INVALID' }))
    },
  )
})
