import { describe, expect, it } from '@jest/globals'
import { ERRORS, type ErrorCode, FlockError } from '../../../src/lib/errors.js'
import { openAiError, renderOpenAiError } from '../../../src/lib/service/openai-errors.js'

describe('errors in the words of OpenAI', () => {
  it.each([
    ['TASK_INVALID', 400, 'invalid_request_error', 'task_invalid'],
    ['USAGE_INVALID', 400, 'invalid_request_error', 'usage_invalid'],
    ['TASK_NOT_FOUND', 404, 'invalid_request_error', 'task_not_found'],
    ['BODY_TOO_LARGE', 413, 'invalid_request_error', 'body_too_large'],
    ['HOST_REJECTED', 422, 'invalid_request_error', 'host_rejected'],
    ['HOST_BUSY', 429, 'requests', 'rate_limit_exceeded'],
    ['CONFIG_INVALID', 500, 'server_error', 'config_invalid'],
    ['INTERNAL', 500, 'server_error', 'internal'],
    ['HOST_FAILED', 502, 'server_error', 'host_failed'],
    ['SERVICE_UNREACHABLE', 503, 'server_error', 'service_unreachable'],
    ['INTERRUPTED', 503, 'server_error', 'interrupted'],
  ] as const)('%s has the status %d, type %s and code %s', (code, status, type, name) => {
    expect(renderOpenAiError(new FlockError(code, 'Why.'))).toMatchObject({
      status,
      body: { error: { type, code: name, param: null } },
    })
  })

  it('name a missing model as SDKs know it', () => {
    const error = new FlockError('TASK_NOT_FOUND', 'It is not served.', {
      details: { model: 'x' },
      hint: 'Try y.',
    })

    expect(renderOpenAiError(error)).toEqual({
      status: 404,
      body: {
        error: {
          message: 'It is not served. Try y.',
          type: 'invalid_request_error',
          param: 'model',
          code: 'model_not_found',
        },
      },
    })
  })

  it('do not describe faults of the program or of its set-up', () => {
    for (const error of [new TypeError('secret'), new FlockError('PATH_UNWRITABLE', 'secret')]) {
      expect(renderOpenAiError(error).body.error.message).toBe('The service failed on this task.')
    }
  })

  it.each(Object.keys(ERRORS) as ErrorCode[])('have text, a type and a code for %s', (code) => {
    const { status, body } = renderOpenAiError(new FlockError(code, 'x'))

    expect(status).toBeGreaterThanOrEqual(400)
    expect(body).toEqual({
      error: {
        message: expect.stringMatching(/./),
        type: expect.stringMatching(/^[a-z_]+$/),
        param: null,
        code: expect.stringMatching(/^[a-z_]+$/),
      },
    })
  })

  it('stand for faults of HTTP as well', () => {
    expect(openAiError(405, 'METHOD_NOT_ALLOWED', 'It takes POST.')).toEqual({
      status: 405,
      body: {
        error: {
          message: 'It takes POST.',
          type: 'invalid_request_error',
          param: null,
          code: 'method_not_allowed',
        },
      },
    })
  })
})
