import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import type { HostSettings } from '../../../src/lib/router/hosts.js'
import { isSameHost, parseHosts } from '../../../src/lib/router/hosts.js'
import { hostOf, hostSettings, noKeys } from '../../helpers/hosts.js'

const local = hostSettings({ id: 'local', baseUrl: 'http://127.0.0.1:8000/v1' })
const keyed = hostSettings({ id: 'flock', auth: 'bearer', apiKeyEnv: 'FLOCK_API_KEY' })
const secret = 'sk-very-secret'
const withEnv = (env: Record<string, string>) => ({ ...noKeys, env })

describe('the host table', () => {
  it('takes hosts in the order they are given, with their address in parts', () => {
    const second = { ...local, id: 'second', baseUrl: 'https://api.flock.io/v1/' }

    const hosts = parseHosts([local, second], noKeys)

    expect(hosts.map(({ id, origin, basePath, model }) => ({ id, origin, basePath, model }))).toEqual([
      { id: 'local', origin: 'http://127.0.0.1:8000', basePath: '/v1', model: 'org/model' },
      { id: 'second', origin: 'https://api.flock.io', basePath: '/v1', model: 'org/model' },
    ])
  })

  it('keeps every setting', () => {
    const settings = hostSettings({ weight: 7, maxQueued: 0, body: { temperature: 0 }, kind: 'infernet' })

    expect(hostOf(settings)).toMatchObject({ ...settings })
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
    expect(() => parseHosts([{ ...local, baseUrl }], noKeys)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: 'The base URL of host local cannot be used.',
      }),
    )
  })

  it('refuses two hosts of one id', () => {
    expect(() => parseHosts([local, local], noKeys)).toThrow('have the id local')
  })
})

describe('the API key of a host', () => {
  it.each([
    ['none', 'http://host', {}],
    ['bearer', 'http://host', { authorization: `Bearer ${secret}` }],
    ['x-litellm-api-key', 'http://host', { 'x-litellm-api-key': secret }],
  ] as const)('is sent by %s', (auth, baseUrl, headers) => {
    const [host] = parseHosts([{ ...keyed, auth, baseUrl }], withEnv({ FLOCK_API_KEY: ` ${secret}\n` }))

    expect(host?.basePath).toBe('')
    expect(host?.requestHeaders()).toEqual(headers)
  })

  it('is read from a file', () => {
    const read: string[] = []
    const settings = { ...keyed, apiKeyEnv: null, apiKeyFile: 'keys/flock' }
    const readFile = (path: string) => {
      read.push(path)
      return `${secret}\r\n`
    }

    const [host] = parseHosts([settings], { env: { FLOCK_API_KEY: 'other' }, readFile })

    expect(host?.requestHeaders()).toEqual({ authorization: `Bearer ${secret}` })
    expect(read).toEqual(['keys/flock'])
  })

  it('is left in its file by a host that needs none', () => {
    const [host] = parseHosts([{ ...local, apiKeyFile: 'keys/flock' }], noKeys)

    expect(host?.requestHeaders()).toEqual({})
  })

  it('never shows when a host is printed or serialised', () => {
    const [host] = parseHosts([keyed], withEnv({ FLOCK_API_KEY: secret }))

    expect(inspect(host, { depth: 9, showHidden: true })).not.toContain(secret)
    expect(JSON.stringify(host)).not.toContain(secret)
  })

  it.each([
    ['is not set', {}, 'looked for in FLOCK_API_KEY'],
    ['is empty', { FLOCK_API_KEY: ' ' }, 'looked for in FLOCK_API_KEY'],
    ['holds a line break', { FLOCK_API_KEY: 'sk-a\r\nx: y' }, 'holds blanks'],
    ['holds a blank', { FLOCK_API_KEY: 'sk a' }, 'holds blanks'],
  ])('is asked for when it %s', (_what, env, message) => {
    expect(() => parseHosts([keyed], withEnv(env))).toThrow(
      expect.objectContaining({ code: 'API_KEY_MISSING', message: expect.stringContaining(message) }),
    )
  })

  it.each([
    ['cannot be read', () => noKeys.readFile()],
    ['is empty', () => '\n'],
  ])('is asked for when its file %s, which is named', (_what, readFile) => {
    const settings = { ...keyed, apiKeyEnv: null, apiKeyFile: 'keys/flock' }

    expect(() => parseHosts([settings], { env: {}, readFile })).toThrow(
      expect.objectContaining({
        code: 'API_KEY_MISSING',
        message: 'Host flock needs an API key, looked for in keys/flock.',
      }),
    )
  })

  it('is not repeated when it stands in the place of its variable', () => {
    let error: unknown
    try {
      parseHosts([{ ...keyed, apiKeyEnv: secret }], noKeys)
    } catch (thrown) {
      error = thrown
    }

    expect(error).toMatchObject({ code: 'API_KEY_MISSING', details: { apiKeyEnv: '[redacted]' } })
    expect(inspect(error, { depth: 9 })).not.toContain(secret)
  })

  it('is asked for when no place is named', () => {
    expect(() => parseHosts([{ ...keyed, apiKeyEnv: null }], noKeys)).toThrow(
      'neither apiKeyEnv nor apiKeyFile is set',
    )
  })
})

describe('headers and fields of a host', () => {
  it('are sent beside the key, with names in lower case', () => {
    const settings = { ...keyed, headers: { 'X-Team': 'bees', 'x-tab': 'a\tb' } }

    const [host] = parseHosts([settings], withEnv({ FLOCK_API_KEY: secret }))

    expect(host?.requestHeaders()).toEqual({
      'x-team': 'bees',
      'x-tab': 'a\tb',
      authorization: `Bearer ${secret}`,
    })
  })

  it.each([
    'Authorization',
    'x-litellm-api-key',
    'Host',
    'content-length',
    'Content-Type',
    'accept',
    'Accept-Encoding',
    'connection',
    'keep-alive',
    'transfer-encoding',
    'te',
    'trailer',
    'upgrade',
    'Expect',
  ])('leave the header %s to the service', (name) => {
    expect(() => hostOf({ headers: { [name]: 'x' } })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: `The header ${name} of host a is set by the service itself.`,
      }),
    )
  })

  it.each([
    ['a name with a blank', { 'x y': '1' }],
    ['a name with a colon', { 'x:': '1' }],
    ['no name', { '': '1' }],
    ['a second line', { x: '1\r\ny: 2' }],
    ['signs beyond ASCII', { x: 'é' }],
  ])('cannot hold %s', (_what, headers) => {
    expect(() => hostOf({ headers: headers as unknown as Record<string, string> })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('cannot be sent'),
      }),
    )
  })

  it.each([
    'model',
    'messages',
    'prompt',
    'input',
    'max_tokens',
    'max_completion_tokens',
    'n',
    'stream',
    'stream_options',
  ])('leave the field %s to the service', (name) => {
    expect(() => hostOf({ body: { temperature: 0, [name]: 1 } })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: `The field ${name} in the body of host a is set by the service itself.`,
      }),
    )
  })
})

describe('a host of a reloaded configuration', () => {
  const headers = { 'x-team': 'bees' }

  it('is the same when nothing has changed', () => {
    const settings = { ...keyed, headers, body: { stop: ['x'] } }
    const env = withEnv({ FLOCK_API_KEY: secret })

    const [[before], [after]] = [parseHosts([settings], env), parseHosts([{ ...settings }], env)]

    expect(isSameHost(before!, after!)).toBe(true)
  })

  it.each<[string, Partial<HostSettings>]>([
    ['address', { baseUrl: 'http://127.0.0.1:8001/v1' }],
    ['model', { model: 'other' }],
    ['limit', { maxConcurrent: 2 }],
    ['weight', { weight: 2 }],
    ['header', { headers: { 'x-team': 'wasps' } }],
    ['field', { body: { temperature: 0 } }],
  ])('is another with another %s', (_what, change) => {
    expect(isSameHost(hostOf({ headers }), hostOf({ headers, ...change }))).toBe(false)
  })

  it('is another with another key', () => {
    const [[before], [after]] = ['sk-1', 'sk-2'].map((key) =>
      parseHosts([keyed], withEnv({ FLOCK_API_KEY: key })),
    ) as [[ReturnType<typeof hostOf>], [ReturnType<typeof hostOf>]]

    expect(isSameHost(before, after)).toBe(false)
  })
})
