import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { type HostSettings, parseHosts } from '../../../src/lib/router/hosts.js'

const local: HostSettings = {
  id: 'local',
  baseUrl: 'http://127.0.0.1:8000/v1',
  model: 'tiny',
  auth: 'none',
  apiKeyEnv: null,
  timeoutMs: 1000,
}
const keyed: HostSettings = { ...local, id: 'flock', auth: 'bearer', apiKeyEnv: 'FLOCK_API_KEY' }
const secret = 'sk-very-secret'

describe('the host table', () => {
  it('takes hosts in the order they are given, with their address in parts', () => {
    const hosts = parseHosts([local, { ...local, id: 'second', baseUrl: 'https://api.flock.io/v1/' }], {})

    expect(hosts.map(({ id, origin, basePath, model }) => ({ id, origin, basePath, model }))).toEqual([
      { id: 'local', origin: 'http://127.0.0.1:8000', basePath: '/v1', model: 'tiny' },
      { id: 'second', origin: 'https://api.flock.io', basePath: '/v1', model: 'tiny' },
    ])
  })

  it.each([
    ['none', 'http://host', {}],
    ['bearer', 'http://host', { authorization: `Bearer ${secret}` }],
    ['x-litellm-api-key', 'http://host', { 'x-litellm-api-key': secret }],
  ] as const)('sends the API key by %s', (auth, baseUrl, headers) => {
    const [host] = parseHosts([{ ...keyed, auth, baseUrl }], { FLOCK_API_KEY: ` ${secret}\n` })

    expect(host?.basePath).toBe('')
    expect(host?.authHeaders()).toEqual(headers)
  })

  it('never shows a key when a host is printed or serialised', () => {
    const [host] = parseHosts([keyed], { FLOCK_API_KEY: secret })

    expect(inspect(host, { depth: 9, showHidden: true })).not.toContain(secret)
    expect(JSON.stringify(host)).not.toContain(secret)
  })

  it.each([
    ['is not set', {}, 'looked for in FLOCK_API_KEY'],
    ['is empty', { FLOCK_API_KEY: ' ' }, 'looked for in FLOCK_API_KEY'],
    ['holds a line break', { FLOCK_API_KEY: 'sk-a\r\nx: y' }, 'holds blanks'],
    ['holds a blank', { FLOCK_API_KEY: 'sk a' }, 'holds blanks'],
  ])('asks for the API key when it %s', (_what, env, message) => {
    expect(() => parseHosts([keyed], env)).toThrow(
      expect.objectContaining({ code: 'API_KEY_MISSING', message: expect.stringContaining(message) }),
    )
  })

  it('asks for the name of the variable when there is none', () => {
    expect(() => parseHosts([{ ...keyed, apiKeyEnv: null }], {})).toThrow('apiKeyEnv is not set')
  })

  it.each([
    'nonsense',
    '',
    'ftp://host/v1',
    'file:///etc/passwd',
    'http://user:pass@host/v1',
    'http://host/v1?key=1',
    'http://host/v1#part',
  ])('refuses the address %s, without repeating it', (baseUrl) => {
    expect(() => parseHosts([{ ...local, baseUrl }], {})).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: 'The base URL of host local cannot be used.',
      }),
    )
  })

  it('refuses two hosts of one id', () => {
    expect(() => parseHosts([local, local], {})).toThrow('have the id local')
  })
})
