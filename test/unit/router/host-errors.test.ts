import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { type ErrorCode, FlockError } from '../../../src/lib/errors.js'
import { CalledOffError, TimeoutError } from '../../../src/lib/router/send.js'
import {
  callError,
  cutError,
  isOvertaken,
  isRepeatable,
  isStale,
  isTimeout,
  overtaken,
  parseBody,
  statusError,
  verdictOf,
  withAttempts,
} from '../../../src/lib/router/host-errors.js'
import { SseLineTooLongError } from '../../../src/lib/router/sse.js'
import { caught } from '../../helpers/caught.js'
import { hostOf } from '../../helpers/hosts.js'

const host = hostOf()
const container = hostOf({ kind: 'infernet' })
const lost = (code: string) => Object.assign(new Error('connection lost'), { code })

describe('a status that is no answer', () => {
  it.each<[number, ErrorCode, string]>([
    [400, 'HOST_REJECTED', 'refused'],
    [409, 'HOST_REJECTED', 'refused'],
    [413, 'HOST_REJECTED', 'refused'],
    [415, 'HOST_REJECTED', 'refused'],
    [422, 'HOST_REJECTED', 'refused'],
    [401, 'HOST_NOT_READY', 'failed'],
    [403, 'HOST_NOT_READY', 'failed'],
    [404, 'HOST_NOT_READY', 'failed'],
    [405, 'HOST_NOT_READY', 'failed'],
    [301, 'HOST_NOT_READY', 'failed'],
    [308, 'HOST_NOT_READY', 'failed'],
    [201, 'HOST_NOT_READY', 'failed'],
    [408, 'HOST_FAILED', 'failed'],
    [429, 'HOST_BUSY', 'busy'],
    [500, 'HOST_FAILED', 'failed'],
    [503, 'HOST_FAILED', 'failed'],
    [599, 'HOST_FAILED', 'failed'],
  ])('%d is %s and makes the host one that %s', (status, code, verdict) => {
    const error = statusError(status, host)

    expect(error).toMatchObject({ code, details: { hostId: 'a', status } })
    expect(error.message).toContain(status >= 300 && status < 400 ? 'redirect' : `HTTP ${status}`)
    expect(error.message.includes('API key')).toBe(status === 401 || status === 403)
    expect(verdictOf(error)).toBe(verdict)
  })

  it.each([
    [null, 1_000],
    ['0', 0],
    ['7', 7_000],
    ['999999', 999_999_000],
    ['1.5', 1_000],
    ['-1', 1_000],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 1_000],
    ['9999999', 1_000],
    ['', 1_000],
  ])('429 with retry-after %j rests the host for %d ms', (retryAfter, retryAfterMs) => {
    expect(statusError(429, host, retryAfter).details).toMatchObject({ retryAfterMs })
  })
})

describe('what goes wrong with a call', () => {
  it.each<[string, unknown, ErrorCode, string]>([
    ['a refused connection', lost('ECONNREFUSED'), 'HOST_UNREACHABLE', 'failed'],
    ['an unknown name', lost('ENOTFOUND'), 'HOST_UNREACHABLE', 'failed'],
    ['a bad certificate', lost('CERT_HAS_EXPIRED'), 'HOST_UNREACHABLE', 'failed'],
    ['time that ran out', new TimeoutError(50), 'HOST_UNREACHABLE', 'failed'],
    ['an answer above the limit', lost('UND_ERR_RES_EXCEEDED_MAX_SIZE'), 'HOST_NOT_READY', 'failed'],
    ['a line without end', new SseLineTooLongError(), 'HOST_NOT_READY', 'failed'],
    ['what is not HTTP', lost('HPE_INVALID_CONSTANT'), 'HOST_NOT_READY', 'failed'],
    ['a caller who went away', new CalledOffError(), 'INTERRUPTED', 'none'],
    ['a request that cannot be sent', lost('UND_ERR_INVALID_ARG'), 'INTERNAL', 'none'],
    ['a fault of our own', new TypeError('x is not a function'), 'INTERNAL', 'none'],
    ['a code that is a number', Object.assign(new Error('x'), { code: 20 }), 'INTERNAL', 'none'],
    ['a word', 'oops', 'INTERNAL', 'none'],
  ])('%s is named', (_what, error, code, verdict) => {
    const named = callError(error, host)

    expect(named.code).toBe(code)
    expect(verdictOf(named)).toBe(verdict)
  })

  it('keeps what already has a name', () => {
    const error = new FlockError('HOST_REJECTED', 'no')

    expect(callError(error, host)).toBe(error)
  })

  it('says how long was waited', () => {
    const error = callError(new TimeoutError(50), host)

    expect(error.message).toBe('No answer from host a in 50 ms.')
    expect(isTimeout(error)).toBe(true)
    expect(isTimeout(callError(lost('ECONNRESET'), host))).toBe(false)
  })

  it('does not quote a body that is no JSON', async () => {
    const error = await caught(() => parseBody('my prompt', host))

    expect(error.code).toBe('HOST_NOT_READY')
    expect(error.cause).toBeUndefined()
    expect(inspect(error)).not.toContain('my prompt')
    expect(parseBody('{"a":1}', host)).toEqual({ a: 1 })
  })
})

describe('whether a request may be sent once more', () => {
  it.each<[string, FlockError, boolean, boolean]>([
    ['a refused connection', callError(lost('ECONNREFUSED'), host), true, true],
    ['a connection that took too long', callError(lost('UND_ERR_CONNECT_TIMEOUT'), host), true, true],
    ['an unknown name', callError(lost('ENOTFOUND'), host), true, true],
    ['no way there', callError(lost('ENETUNREACH'), host), true, true],
    ['too much to do', statusError(429, host), true, true],
    ['a lost connection', callError(lost('ECONNRESET'), host), true, false],
    ['time that ran out', callError(new TimeoutError(1), host), true, false],
    ['a cut answer', cutError(host), true, false],
    ['a server error', statusError(500, host), true, false],
    ['an unknown route', statusError(404, host), true, false],
    ['a refusal', statusError(400, host), false, false],
    ['a caller who went away', callError(new CalledOffError(), host), false, false],
    ['a fault of our own', callError(new TypeError('x'), host), false, false],
  ])('after %s', (_what, error, openai, infernet) => {
    expect(isRepeatable(error, host)).toBe(openai)
    expect(isRepeatable(error, container)).toBe(infernet)
  })

  it.each([
    ['UND_ERR_SOCKET', true],
    ['ECONNRESET', true],
    ['EPIPE', true],
    ['ECONNREFUSED', false],
    ['UND_ERR_CONNECT_TIMEOUT', false],
  ])('to the same host after %s: %s', (code, expected) => {
    expect(isStale(callError(lost(code), host))).toBe(expected)
  })

  it('never to the same host because of its answer', () => {
    expect(isStale(cutError(host))).toBe(false)
    expect(isStale(statusError(502, host))).toBe(false)
  })
})

describe('a call that was overtaken', () => {
  it('speaks of neither host nor request', () => {
    const error = overtaken('a')

    expect(error).toMatchObject({ code: 'INTERRUPTED', details: { hostId: 'a' } })
    expect(isOvertaken(error)).toBe(true)
    expect(isOvertaken(callError(new CalledOffError(), host))).toBe(false)
    expect(verdictOf(error)).toBe('none')
  })
})

describe('the attempts of a request', () => {
  const error = new FlockError('HOST_FAILED', 'No.', { details: { hostId: 'b' }, hint: 'Look there.' })

  it('stand beside the last error', () => {
    const attempts = [
      { hostId: 'a', code: 'HOST_UNREACHABLE' },
      { hostId: 'b', code: 'HOST_FAILED' },
    ]

    expect(withAttempts(error, attempts)).toMatchObject({
      code: 'HOST_FAILED',
      message: 'None of 2 attempts was answered. No.',
      details: { hostId: 'b', attempts },
      hint: 'Look there.',
      cause: error,
    })
  })

  it('are not worth a word when there was one', () => {
    expect(withAttempts(error, [{ hostId: 'b', code: 'HOST_FAILED' }])).toBe(error)
  })
})
