import { readFile, stat } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import { failureLines, reportFailure } from '../../../src/lib/cli/failure.js'
import { EXIT_STATUSES, exitStatusOf } from '../../../src/lib/cli/exit-codes.js'
import { plainPalette } from '../../../src/lib/cli/palette.js'
import { createRedactor } from '../../../src/lib/cli/redact.js'
import { ERRORS, FlockError } from '../../../src/lib/errors.js'
import type { ErrorCode } from '../../../src/lib/errors.js'
import { withTempDir } from '../../helpers/temp-dir.js'

const KEY = 'ab12'.repeat(16)

function report(error: FlockError, options: { json?: boolean; debug?: boolean; reportDir?: string } = {}) {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const status = reportFailure(error, {
    command: 'deploy',
    json: false,
    debug: false,
    redactor: createRedactor({ FLOCK_PRIVATE_KEY: KEY }),
    ...options,
    stdout,
    stderr,
  })
  const textOf = (stream: PassThrough) => String((stream.read() as Buffer | null) ?? '')
  return { status, stdout: textOf(stdout), stderr: textOf(stderr) }
}

describe('failureLines', () => {
  it('says what failed, why, what to try and where to read more, in four lines', () => {
    const error = new FlockError('RPC_UNREACHABLE', 'No answer from rpc.example.org.', {
      cause: new Error('connect ECONNREFUSED 10.0.0.1:443\nat somewhere'),
      hint: '--rpc-url <url>',
    })

    expect(failureLines(error, { palette: plainPalette, reportPath: null })).toEqual([
      'Error: No answer from rpc.example.org.',
      '  connect ECONNREFUSED 10.0.0.1:443',
      'Try: --rpc-url <url>',
      'More: flock help RPC_UNREACHABLE',
    ])
  })

  it('lists every fault with its place', () => {
    const faults = [
      { path: 'a.b', message: 'x was found', line: 3, column: 7 },
      { path: 'c', message: 'y' },
      'z',
    ]
    const error = new FlockError('CONFIG_INVALID', 'It has 3 faults.', { details: { faults } })

    expect(failureLines(error, { palette: plainPalette, reportPath: null }).slice(1, 4)).toEqual([
      '  3:7 a.b: x was found',
      '  c: y',
      '  z',
    ])
  })
})

describe('reportFailure', () => {
  it('keeps secrets out of messages, details, causes and stack traces', () => {
    const error = new FlockError('RPC_FAILED', `cannot use 0x${KEY}`, {
      cause: new Error(`inner ${KEY}`),
      details: { url: `https://rpc.example.org/?key=${KEY}`, list: [KEY] },
      hint: `try ${KEY}`,
    })

    for (const json of [true, false]) {
      const { status, stdout, stderr } = report(error, { json, debug: true })
      expect(status).toBe(5)
      expect(stdout + stderr).not.toContain(KEY)
      expect(stdout + stderr).toContain('[redacted]')
    }
  })

  it('prints one envelope with all keys on stdout in JSON mode', () => {
    const { stdout, stderr } = report(
      new FlockError('MODEL_NOT_FOUND', 'No model.', { hint: 'flock models list' }),
      {
        json: true,
      },
    )

    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({
      schema_version: 1,
      command: 'deploy',
      success: false,
      data: null,
      errors: [{ level: 'error', code: 'MODEL_NOT_FOUND', message: 'No model.', next: 'flock models list' }],
      warnings: [],
    })
  })

  it('saves a report of a fault of flock itself for its owner only', async () => {
    await withTempDir(async (dir) => {
      const error = new FlockError('INTERNAL', 'oops', { cause: new TypeError(`x is undefined ${KEY}`) })

      const { status, stderr } = report(error, { reportDir: dir })

      const path = /what happened is in (\S+)/.exec(stderr)?.[1] ?? ''
      expect(status).toBe(1)
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      const text = await readFile(path, 'utf8')
      expect(text).toContain('command: deploy')
      expect(text).toContain('TypeError: x is undefined [redacted]')
    })
  })

  it('does not fail when the report cannot be written', () => {
    expect(report(new FlockError('INTERNAL', 'oops'), { reportDir: '/proc/flock' }).stderr).toContain(
      'Error: oops',
    )
  })
})

describe('exit statuses', () => {
  it('stand for every error code, 0 for none of them', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      expect(exitStatusOf(code)).toBeGreaterThan(0)
      expect(EXIT_STATUSES).toHaveProperty(String(exitStatusOf(code)))
    }
  })

  it('are 1 for faults of flock alone', () => {
    const codes = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => exitStatusOf(code) === 1)

    expect(codes.map((code) => ERRORS[code].kind)).toEqual(codes.map(() => 'bug'))
  })
})
