import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { ERRORS } from '../../src/lib/errors.js'
import { BIN, runCommand } from '../helpers/run-command.js'

const { version } = JSON.parse(
  readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'),
) as { version: string }

describe('flock', () => {
  it('tells its version', async () => {
    const text = await runCommand(['--version'])
    const json = await runCommand(['--version', '--json'])

    expect(text).toMatchObject({ code: 0, stderr: '' })
    expect(text.stdout).toMatch(new RegExp(`^@flock-io/cli/${version} .* node-v`))
    expect(json.json).toMatchObject({ success: true, data: { version, node: process.version } })
  })

  it.each([[[]], [['--help']], [['-h']], [['help']]])('shows its commands for %j', async (args) => {
    const { code, stdout, stderr } = await runCommand(args)

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^ {2}init +Write the files of a model host project\.$/m)
  })

  it('shows a page for a command: usage, examples, flags by group with their variables, exit statuses', async () => {
    const byFlag = await runCommand(['init', '--help'])
    const byWord = await runCommand(['help', 'init'])

    expect(byFlag.code).toBe(0)
    expect(byWord.stdout).toBe(byFlag.stdout)
    const sections = byFlag.stdout.match(/^[A-Z][A-Z ]+$/gm)
    expect(sections?.slice(0, 2)).toEqual(['USAGE', 'EXAMPLES'])
    expect(sections).toEqual(expect.arrayContaining(['NETWORK FLAGS', 'OUTPUT FLAGS', 'EXIT STATUS']))
    expect(byFlag.stdout).toContain('[env: FLOCK_RPC_URL]')
  })

  it('gives the table of commands as data', async () => {
    const { json } = await runCommand(['help', '--json'])

    const { commands } = json?.data as {
      commands: { command: string; flags: { name: string; env: string }[] }[]
    }
    const init = commands.find(({ command }) => command === 'init')
    expect(init?.flags).toContainEqual(expect.objectContaining({ name: 'json', env: 'FLOCK_JSON' }))
  })

  it('explains exit statuses and every error code', async () => {
    expect((await runCommand(['help', 'exit-codes'])).stdout).toMatch(/^130 {2}Stopped by Ctrl-C/m)
    const { json } = await runCommand(['help', 'errors', '--json'])
    const codes = (json?.data as { errors: { code: string }[] }).errors.map(({ code }) => code)
    expect(codes).toEqual(Object.keys(ERRORS))
    expect((await runCommand(['help', 'PARTIAL'])).stdout).toContain('Exit status 9')
    expect(await runCommand(['help', 'PARTAIL'])).toMatchObject({ code: 2 })
  })

  it.each([
    ['an unknown command', ['frobnicate'], 'USAGE_INVALID'],
    ['an unknown command with arguments and flags', ['frobnicate', 'x', '--y'], 'USAGE_INVALID'],
    ['a flag of nobody', ['--nonsense'], 'INPUT_MISSING'],
    ['a topic without a command', ['models'], 'INPUT_MISSING'],
    ['a topic with a command that it lacks', ['models', 'shwo'], 'USAGE_INVALID'],
    ['help for a command that does not exist', ['frobnicate', '--help'], 'USAGE_INVALID'],
    ['flags that exclude each other', ['init', '-q', '-v'], 'USAGE_INVALID'],
    ['an RPC URL that is none', ['init', '--rpc-url', 'ftp://x'], 'USAGE_INVALID'],
    ['a timeout that is none', ['init', '--timeout', '0'], 'USAGE_INVALID'],
  ])('refuses %s with the same code in text and JSON', async (_, args, code) => {
    const [text, json] = await Promise.all([runCommand(args), runCommand([...args, '--json'])])

    expect({ code: text.code, stdout: text.stdout }).toEqual({ code: 2, stdout: '' })
    expect(text.stderr).toContain(`More: flock help ${code}\n`)
    expect(text.stderr.trim().split('\n').length).toBeLessThanOrEqual(4)
    expect({ code: json.code, stderr: json.stderr }).toEqual({ code: 2, stderr: '' })
    expect(json.json).toMatchObject({ schema_version: 1, success: false, data: null, errors: [{ code }] })
  })

  it('names the nearest command and flag and runs neither', async () => {
    expect((await runCommand(['inti'])).stderr).toContain('Try: flock init\n')
    expect((await runCommand(['models', 'lsit'])).stderr).toContain('Try: flock models list\n')
    expect((await runCommand(['init', '--pirce-request', '1'])).stderr).toContain(
      'Try: flock init --price-request\n',
    )
  })

  it('never repeats what may be a key that was typed where none belongs', async () => {
    const key = '1f'.repeat(32)

    for (const args of [
      ['init', '.', key],
      [key],
      ['init', `--private-key=0x${key}`],
      ['init', '--timeout', key],
    ]) {
      const [text, json] = await Promise.all([runCommand(args), runCommand([...args, '--json'])])
      expect(text.code).toBe(2)
      expect(text.stderr + json.stdout).not.toContain(key)
    }
  })

  it('takes its modes from the environment as from flags', async () => {
    const { json, stderr } = await runCommand(['frobnicate'], { env: { FLOCK_JSON: '1' } })

    expect(json).toMatchObject({ success: false })
    expect(stderr).toBe('')
  })

  it('leaves JSON mode off behind --', async () => {
    const { stdout, stderr } = await runCommand(['init', 'a', '--', 'b', '--json'])

    expect(stdout).toBe('')
    expect(stderr).toContain('Error: Unexpected argument')
  })

  it('colours errors only where that is wanted', async () => {
    const forced = await runCommand(['frobnicate'], { env: { FORCE_COLOR: '1' } })
    const refused = await runCommand(['frobnicate', '--no-color'], { env: { FORCE_COLOR: '1' } })

    expect(forced.stderr).toContain('\u001b[31mError:\u001b[39m')
    expect(refused.stderr).toMatch(/^Error: /)
  })

  it('loses nothing of an output that is longer than a pipe holds', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [BIN, 'help', '--json'], {
      maxBuffer: 1 << 26,
    })

    expect(stdout.length).toBeGreaterThan(65_536)
    expect(() => JSON.parse(stdout) as unknown).not.toThrow()
  })
})
