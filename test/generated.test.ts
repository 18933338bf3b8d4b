import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { exitStatusOf } from '../src/lib/cli/exit-codes.js'
import { ERRORS } from '../src/lib/errors.js'
import type { ErrorCode } from '../src/lib/errors.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** Runs a script of the project without the marks of the test runner, which oclif would take for development. */
async function script(...args: readonly string[]): Promise<string> {
  const { stderr } = await run(process.execPath, [...args], {
    cwd: root,
    env: { ...process.env, NODE_ENV: undefined },
    timeout: 240_000,
  })
  return stderr
}

describe('generated files', () => {
  it('src/lib/abi is what the contracts compile to', async () => {
    await expect(script('contracts/build.mjs', '--check')).resolves.not.toContain('stale')
  }, 240_000)

  it('oclif.manifest.json describes the commands that are built', async () => {
    await expect(script('scripts/manifest.mjs', '--check')).resolves.not.toContain('stale')
  }, 120_000)
})

describe('the list of error codes in README.md', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (\w+) \| (\d+) \| (.+) \|$/gm)].map(
    ([, code, kind, status, summary]) => ({ code, kind, status: Number(status), summary }),
  )

  it('is the table of errors.ts, with kinds and exit statuses', () => {
    const expected = (Object.keys(ERRORS) as ErrorCode[]).map((code) => ({
      code,
      kind: ERRORS[code].kind,
      status: exitStatusOf(code),
      summary: ERRORS[code].summary,
    }))

    const byCode = (a: { code?: string | undefined }, b: { code?: string | undefined }) =>
      (a.code ?? '') < (b.code ?? '') ? -1 : 1
    expect(rows.sort(byCode)).toEqual(expected.sort(byCode))
  })
})
