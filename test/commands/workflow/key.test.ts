import { createHash } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { parseConfig } from '../../../src/lib/config/document.js'
import { expectRefusal } from '../../helpers/refusal.js'
import { runCommand } from '../../helpers/run-command.js'

interface Made {
  readonly client: string
  readonly key: string
  readonly keyHash: string
}

const hashOf = (key: string) => `sha256:${createHash('sha256').update(key).digest('hex')}`

describe('flock workflow key', () => {
  it.each(['my-app', '2', 'true'])(
    'prints the key alone on stdout, and what flock.yaml takes for the client %s on stderr',
    async (client) => {
      const { code, stdout, stderr } = await runCommand(['workflow', 'key', client])

      const key = stdout.trimEnd()
      const entry = stderr.slice(stderr.indexOf('service:'))
      expect(code).toBe(0)
      expect(stdout).toMatch(/^flock-sk-[0-9a-f]{64}\n$/)
      expect(parseConfig(`name: test\n${entry}`).service.clients).toMatchObject([
        { name: client, keyHash: hashOf(key) },
      ])
      expect(stderr).not.toContain(key)
    },
  )

  it('makes another key each time, and tells all of it under --json', async () => {
    const [one, other] = await Promise.all(
      [1, 2].map(async () => runCommand(['workflow', 'key', 'my-app', '--json'])),
    )

    const [a, b] = [one?.json?.data as Made, other?.json?.data as Made]
    expect(a).toEqual({ client: 'my-app', key: a.key, keyHash: hashOf(a.key) })
    expect(a.key).not.toBe(b.key)
  })

  it.each(['My App', 'my_app', 'a'.repeat(65), ''])('refuses %j as a name', async (name) => {
    await expectRefusal(['workflow', 'key', name], {
      code: 'USAGE_INVALID',
      status: 2,
      message: /lower case, digits and dashes/,
    })
  })

  it('asks for a name', async () => {
    await expectRefusal(['workflow', 'key'], { code: 'INPUT_MISSING', status: 2, message: /client/ })
  })
})
