import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { startHttpServer } from '../../helpers/http-server.js'
import { runCommand, startCommand } from '../../helpers/run-command.js'
import { withTempDir } from '../../helpers/temp-dir.js'

const ask = async (baseUrl: string, model: string) => {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Where do geese go?' }] }),
  })
  return (await response.json()) as { usage: unknown; choices: { message: { content: string } }[] }
}

describe('flock devnet demo-host', () => {
  it('prints its base URL alone, answers, and ends with 0 on SIGTERM', async () => {
    const command = startCommand(['devnet', 'demo-host', '--port', '0', '--model', 'tiny'])
    const [baseUrl] = await command.waitFor(/http:\/\/127\.0\.0\.1:\d+\/v1/)

    const answer = await ask(baseUrl, 'tiny')
    command.child.kill('SIGTERM')
    const { code, stdout } = await command.result

    expect(answer.choices[0]?.message.content).toMatch(/\w+ \w+/)
    expect(code).toBe(0)
    expect(stdout).toBe(`${baseUrl}\n`)
  })

  it('prints one JSON document and learns the text that it is given', async () => {
    await withTempDir(async (dir) => {
      await writeFile(join(dir, 'notes.txt'), 'Geese go south.')
      const command = startCommand(
        ['devnet', 'demo-host', '--port', '0', '--corpus', 'notes.txt', '--json'],
        {
          cwd: dir,
        },
      )
      const [baseUrl] = await command.waitFor(/http:\/\/127\.0\.0\.1:\d+\/v1/)

      const answer = await ask(baseUrl, 'flock-demo')
      command.child.kill('SIGINT')
      const { code, json } = await command.result

      expect(answer.choices[0]?.message.content).toBe('Geese go south.')
      expect(code).toBe(0)
      expect(json).toMatchObject({ success: true, data: { baseUrl, model: 'flock-demo', vocabularySize: 4 } })
    })
  })

  it.each([
    ['a text that is not there', ['--corpus', 'nothing.txt'], 3, 'CONFIG_UNREADABLE'],
    ['a port that is none', ['--port', 'x'], 2, 'USAGE_INVALID'],
    ['an address that is not here', ['--port', '0', '--host', '203.0.113.7'], 2, 'USAGE_INVALID'],
    ['an argument', ['8000'], 2, 'USAGE_INVALID'],
  ])('refuses %s, alike in text and JSON', async (_what, args, status, code) => {
    const text = await runCommand(['devnet', 'demo-host', ...args])
    const json = await runCommand(['devnet', 'demo-host', ...args, '--json'])

    expect(text).toMatchObject({ code: status, stdout: '' })
    expect(json.code).toBe(status)
    expect(json.json).toMatchObject({ success: false, errors: [{ code }] })
  })

  it('refuses a port that is taken', async () => {
    const other = await startHttpServer(() => undefined)
    const result = await runCommand(['devnet', 'demo-host', '--port', String(other.port), '--json'])
    await other.close()

    expect(result.code).toBe(8)
    expect(result.json?.errors[0]).toMatchObject({ code: 'PORT_IN_USE' })
  })
})
