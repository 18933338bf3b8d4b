import { PassThrough } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import { logLine } from '../../../src/lib/cli/log-lines.js'
import { colorLevel, createPalette, plainPalette } from '../../../src/lib/cli/palette.js'
import { createProgress } from '../../../src/lib/cli/progress.js'
import { createPrompter } from '../../../src/lib/cli/prompts.js'
import { shellLine } from '../../../src/lib/cli/shell.js'

function stream(isTTY: boolean) {
  return Object.assign(new PassThrough(), { isTTY })
}

describe('colorLevel', () => {
  it.each([
    ['a terminal', true, { TERM: 'xterm' }, false, 1],
    ['a terminal with 256 colours', true, { TERM: 'xterm-256color' }, false, 2],
    ['a terminal with true colour', true, { TERM: 'xterm', COLORTERM: 'truecolor' }, false, 3],
    ['a pipe', false, { TERM: 'xterm' }, false, 0],
    ['a dumb terminal', true, { TERM: 'dumb' }, false, 0],
    ['NO_COLOR', true, { TERM: 'xterm', NO_COLOR: '1' }, false, 0],
    ['NO_COLOR that is empty', true, { TERM: 'xterm', NO_COLOR: '' }, false, 1],
    ['--no-color', true, { TERM: 'xterm', FORCE_COLOR: '3' }, true, 0],
    ['FORCE_COLOR on a pipe', false, { FORCE_COLOR: '1' }, false, 1],
    ['FORCE_COLOR=0 on a terminal', true, { TERM: 'xterm', FORCE_COLOR: '0' }, false, 0],
    ['NO_COLOR against FORCE_COLOR', true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false, 0],
  ])('knows %s', (_, isTTY, env, noColor, level) => {
    expect(colorLevel(stream(isTTY), { env, noColor })).toBe(level)
  })
})

describe('createPalette', () => {
  it('colours where colours are wanted and leaves text alone elsewhere', async () => {
    const env = { FORCE_COLOR: '1' }

    expect((await createPalette(stream(false), { env, noColor: false })).bad('x')).toBe(
      '\u001b[31mx\u001b[39m',
    )
    expect(await createPalette(stream(false), { env: {}, noColor: false })).toBe(plainPalette)
  })
})

describe('createProgress', () => {
  it('writes plain lines where nothing may move, and few for many updates', () => {
    const stderr = stream(false)
    let now = 0
    const progress = createProgress(stderr, { env: {}, quiet: false, now: () => now })

    progress.start('Deploying')
    for (now = 1000; now <= 25_000; now += 1000) progress.update(`Deploying, second ${now / 1000}`)
    progress.succeed('Deployed')

    expect(String(stderr.read())).toBe(
      'Deploying ...\nDeploying, second 10 ...\nDeploying, second 20 ...\nDeployed: done\n',
    )
  })

  it('is plain in CI and on dumb terminals, and silent when asked', () => {
    for (const [env, quiet, expected] of [
      [{ CI: 'true' }, false, 'x ...\n'],
      [{ TERM: 'dumb' }, false, 'x ...\n'],
      [{}, true, null],
    ] as const) {
      const stderr = stream(true)
      createProgress(stderr, { env, quiet }).start('x')
      expect((stderr.read() as Buffer | null)?.toString() ?? null).toBe(expected)
    }
  })
})

describe('createPrompter', () => {
  const options = (over: object) => ({
    stdin: stream(true) as unknown as NodeJS.ReadStream,
    stderr: stream(true),
    env: {},
    json: false,
    noInput: false,
    signal: new AbortController().signal,
    ...over,
  })

  it.each([
    ['a terminal', {}, true],
    ['no terminal at stdin', { stdin: stream(false) }, false],
    ['no terminal at stderr', { stderr: stream(false) }, false],
    ['CI', { env: { CI: '1' } }, false],
    ['--json', { json: true }, false],
    ['--no-input', { noInput: true }, false],
  ])('may ask or not: %s', (_, over, canAsk) => {
    expect(createPrompter(options(over) as never).canAsk).toBe(canAsk)
  })

  it('refuses to ask where it may not', async () => {
    const prompter = createPrompter(options({ json: true }))

    await expect(prompter.confirm('Sure?')).rejects.toMatchObject({ code: 'INPUT_MISSING' })
  })
})

describe('logLine', () => {
  const record = {
    level: 'info',
    message: 'delivered',
    fields: { id: 3, node: 'a b', fee: 10n, gone: undefined },
  } as const
  const now = new Date('2026-01-02T03:04:05.678Z')

  it('writes time, level, message and fields', () => {
    expect(logLine(record, { json: false, now, palette: plainPalette })).toBe(
      '2026-01-02T03:04:05.678Z info  delivered id=3 node="a b" fee=10',
    )
  })

  it('writes JSON under --json, and fields cannot stand over time and level', () => {
    const line = logLine(
      { ...record, fields: { level: 'x', fee: 10n } },
      { json: true, now, palette: plainPalette },
    )

    expect(JSON.parse(line)).toEqual({
      time: '2026-01-02T03:04:05.678Z',
      level: 'info',
      message: 'delivered',
      fee: '10',
    })
  })
})

describe('shellLine', () => {
  it('quotes what a shell would take apart', () => {
    expect(shellLine(['flock', 'init', 'my host', "it's", '$HOME', '--price=0.5', ''])).toBe(
      `flock init 'my host' 'it'\\''s' '$HOME' --price=0.5 ''`,
    )
  })
})
