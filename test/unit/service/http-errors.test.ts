import { describe, expect, it } from '@jest/globals'
import { ERRORS, type ErrorCode, FlockError } from '../../../src/lib/errors.js'
import { isFiveFields } from '../../../src/lib/infernet/payload.js'
import { renderHttpError, retryAdvice } from '../../../src/lib/service/http-errors.js'

describe('errors on HTTP', () => {
  it.each([
    ['TASK_INVALID', 400],
    ['PROOF_UNSUPPORTED', 400],
    ['TASK_NOT_FOUND', 404],
    ['BODY_TOO_LARGE', 413],
    ['HOST_REJECTED', 422],
    ['HOST_BUSY', 429],
    ['RECORD_INVALID', 500],
    ['INTERNAL', 500],
    ['CONFIG_INVALID', 500],
    ['HOST_UNREACHABLE', 502],
    ['HOST_FAILED', 502],
    ['HOST_NOT_READY', 502],
    ['HOST_USAGE_INVALID', 502],
    ['HOST_ANSWER_INVALID', 502],
    ['SERVICE_UNREACHABLE', 503],
    ['PATH_UNWRITABLE', 503],
    ['STATE_CONFLICT', 503],
    ['INTERRUPTED', 503],
  ] as const)('%s is answered with %d', (code, status) => {
    expect(renderHttpError(new FlockError(code, 'Why.'))).toMatchObject({
      status,
      body: { code: status.toString(), name: code },
    })
  })

  it('carry message and hint, not details', () => {
    const error = new FlockError('HOST_FAILED', 'Host a failed.', {
      hint: 'Mend it.',
      details: { hostId: 'a' },
    })

    expect(renderHttpError(error).body).toEqual({
      code: '502',
      name: 'HOST_FAILED',
      description: 'Host a failed. Mend it.',
    })
  })

  it('do not describe faults of the program', () => {
    expect(renderHttpError(new TypeError('secret is undefined')).body).toEqual({
      code: '500',
      name: 'INTERNAL',
      description: 'The service failed on this task.',
    })
  })

  it.each(['CONFIG_INVALID', 'PATH_UNWRITABLE', 'STATE_CONFLICT', 'RECORD_INVALID'] as const)(
    'do not tell strangers which folders this machine has: %s',
    (code) => {
      const error = new FlockError(code, '/var/lib/flock cannot be written.', {
        hint: 'Mend /var/lib/flock.',
      })

      expect(renderHttpError(error).body.description).toBe('The service failed on this task.')
    },
  )

  it.each([
    [
      'seconds',
      new FlockError('HOST_BUSY', 'x', { details: { retryAfterMs: 7_000 } }),
      429,
      { 'retry-after': '7' },
    ],
    [
      'parts of one',
      new FlockError('HOST_BUSY', 'x', { details: { retryAfterMs: 20 } }),
      429,
      { 'retry-after': '1' },
    ],
    ['no time', new FlockError('SERVICE_UNREACHABLE', 'x'), 503, { 'retry-after': '1' }],
    ['no sense', new FlockError('HOST_FAILED', 'x', { details: { retryAfterMs: 7_000 } }), 502, {}],
  ])('say when to try again, where they know %s', (_what, error, status, headers) => {
    expect(retryAdvice(error, status)).toEqual(headers)
  })

  it.each(Object.keys(ERRORS))('never let %s look like a result on the chain', (code) => {
    const { status, body } = renderHttpError(new FlockError(code as ErrorCode, 'x'))

    expect(isFiveFields(body)).toBe(false)
    expect(body.code).not.toBe('200')
    expect(status).toBeGreaterThanOrEqual(400)
  })
})
