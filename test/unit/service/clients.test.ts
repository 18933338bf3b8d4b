import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { newClientKey } from '../../../src/lib/service/client-keys.js'
import { type ClientSettings, type Clients, createClients } from '../../../src/lib/service/clients.js'
import { caught } from '../../helpers/caught.js'

/** A key that is the same on every run; keys of different numbers differ. */
const keyNumber = (number: number) => newClientKey((size) => new Uint8Array(size).fill(number))
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

function client(settings: Partial<ClientSettings> & { name: string }): ClientSettings {
  return {
    keyHash: null,
    keyEnv: null,
    models: null,
    requestsPerMinute: null,
    tokensPerMinute: null,
    maxConcurrent: null,
    ...settings,
  }
}

const create = (settings: readonly ClientSettings[], env: Record<string, string> = {}) =>
  createClients(settings, { env, nowMs: () => 0 })

describe('clients', () => {
  it('are known by their keys', () => {
    const [one, two] = [keyNumber(1), keyNumber(2)]
    const clients = create([
      client({ name: 'one', keyHash: one.keyHash }),
      client({ name: 'two', keyHash: two.keyHash }),
    ])

    expect(clients.authenticate(bearer(two.key)).client?.name).toBe('two')
    expect(clients.authenticate({ 'x-api-key': one.key }).client?.name).toBe('one')
    expect(clients.names).toEqual(['one', 'two'])
  })

  it('are known by keys of the environment', () => {
    const clients = create([client({ name: 'one', keyEnv: 'ONE_KEY' })], { ONE_KEY: ' a-key-of-a-client\n' })

    expect(clients.authenticate(bearer('a-key-of-a-client')).client?.name).toBe('one')
  })

  it('may have two keys while one follows the other', () => {
    const { key, keyHash } = keyNumber(1)
    const clients = create([client({ name: 'one', keyHash, keyEnv: 'NEXT_KEY' })], {
      NEXT_KEY: 'the-key-that-follows',
    })

    const [old, next] = [bearer(key), bearer('the-key-that-follows')].map(
      (headers) => clients.authenticate(headers).client,
    )

    expect(old?.name).toBe('one')
    expect(next).toBe(old)
  })

  it('are turned away without a key, in the words of OpenAI', () => {
    const clients = create([client({ name: 'one', keyHash: keyNumber(1).keyHash })])

    expect(clients.authenticate({})).toEqual({
      client: null,
      refusal: {
        reason: 'AUTH_REQUIRED',
        status: 401,
        headers: { 'www-authenticate': 'Bearer' },
        body: {
          error: {
            message:
              'No API key was provided. Send it as "authorization: Bearer <key>", "api-key" or "x-api-key".',
            type: 'invalid_request_error',
            param: null,
            code: 'invalid_api_key',
          },
        },
      },
    })
  })

  it.each([
    'flock-sk-wrong',
    `${keyNumber(1).key}0`,
    keyNumber(1).key.slice(0, -1),
    keyNumber(1).keyHash,
    'x'.repeat(9_999),
  ])('are turned away with the wrong key %j, which is not repeated', (key) => {
    const clients = create([client({ name: 'one', keyHash: keyNumber(1).keyHash })])

    const { refusal } = clients.authenticate(bearer(key))

    expect(refusal?.status).toBe(401)
    expect(refusal?.body.error.message).toBe('Incorrect API key provided.')
    expect(JSON.stringify(refusal)).not.toContain(key)
  })

  it('may use the models of their list alone', () => {
    const { key, keyHash } = keyNumber(1)
    const clients = create([client({ name: 'one', keyHash, models: ['small'] })])
    const one = clients.authenticate(bearer(key)).client
    if (one === null) throw new Error('the key is that of the client')

    expect(clients.refuseModel(one, 'small')).toBeNull()
    expect(clients.refuseModel(one, 'large')).toEqual({
      reason: 'MODEL_FORBIDDEN',
      status: 403,
      headers: {},
      body: {
        error: {
          message: 'Client one does not have access to the model "large".',
          type: 'invalid_request_error',
          param: 'model',
          code: 'model_not_found',
        },
      },
    })
  })

  it('may use every model without a list, and none with an empty one', () => {
    const [one, two] = [keyNumber(1), keyNumber(2)]
    const clients = create([
      client({ name: 'one', keyHash: one.keyHash }),
      client({ name: 'two', keyHash: two.keyHash, models: [] }),
    ])

    expect(clients.authenticate(bearer(one.key)).client?.allows('large')).toBe(true)
    expect(clients.authenticate(bearer(two.key)).client?.allows('large')).toBe(false)
  })

  it('are counted each for itself, however often they come', () => {
    const [one, two] = [keyNumber(1), keyNumber(2)]
    const clients = create([
      client({ name: 'one', keyHash: one.keyHash, requestsPerMinute: 1 }),
      client({ name: 'two', keyHash: two.keyHash, requestsPerMinute: 1 }),
    ])
    const admit = (key: string) => clients.authenticate(bearer(key)).client?.limits.admit(0).refusal

    expect([admit(one.key), admit(two.key)]).toEqual([null, null])
    expect(admit(one.key)?.status).toBe(429)
  })

  it('keep what they used of their limits when they are read again, as long as those stay', () => {
    const [one, two] = [keyNumber(1), keyNumber(2)]
    const settings = [
      client({ name: 'one', keyHash: one.keyHash, requestsPerMinute: 1 }),
      client({ name: 'two', keyHash: two.keyHash, requestsPerMinute: 1 }),
    ]
    const former = create(settings)
    const admit = (clients: Clients, { key }: { key: string }) =>
      clients.authenticate(bearer(key)).client?.limits.admit(0).refusal?.status
    for (const key of [one, two]) admit(former, key)

    const next = createClients(
      settings.map((entry) =>
        entry.name === 'two' ? { ...entry, requestsPerMinute: 2 } : { ...entry, models: [] },
      ),
      { env: {}, nowMs: () => 0, former },
    )

    expect([admit(next, one), admit(next, two)]).toEqual([429, undefined])
  })

  it('show no key and no digest when they are printed', () => {
    const { key, keyHash } = keyNumber(1)
    const clients = create([client({ name: 'one', keyHash, keyEnv: 'ONE_KEY' })], {
      ONE_KEY: 'a-key-of-a-client',
    })
    const { client: one } = clients.authenticate(bearer(key))

    const printed =
      inspect({ clients, one }, { depth: 9, showHidden: true }) + JSON.stringify({ clients, one })

    expect(printed).toContain('one')
    for (const secret of [key, keyHash.slice(7), 'a-key-of-a-client']) expect(printed).not.toContain(secret)
  })
})

describe('without clients', () => {
  it('everybody is let in, under one name', () => {
    const clients = create([])

    expect(clients.authenticate({}).client?.name).toBe('anonymous')
    expect(clients.authenticate(bearer('any')).client).toBe(clients.authenticate({}).client)
    expect(clients.names).toEqual(['anonymous'])
    expect([clients.isOpen, create([client({ name: 'one', keyHash: keyNumber(1).keyHash })]).isOpen]).toEqual(
      [true, false],
    )
  })

  it.each(['127.0.0.1', '127.8.8.8', '::1', '[::1]', 'localhost'])('the routes may be open on %s', (host) => {
    expect(() => create([]).requireClients(host)).not.toThrow()
  })

  it.each(['0.0.0.0', '::', '192.168.1.2', '10.0.0.1', 'localhost.example.org', '127.0.0.1.example.org', ''])(
    'the routes may not be open on %j',
    async (host) => {
      const error = await caught(() => create([]).requireClients(host))

      expect(error.code).toBe('CONFIG_INVALID')
      expect(error.hint).toContain('service.clients')
    },
  )

  it('is no question where clients are set up', () => {
    const clients = create([client({ name: 'one', keyHash: keyNumber(1).keyHash })])

    expect(() => clients.requireClients('0.0.0.0')).not.toThrow()
  })
})

describe('settings of clients', () => {
  it('are refused with all their faults, none of which shows a key', async () => {
    const { key, keyHash } = keyNumber(1)
    const settings = [
      client({ name: 'one', keyHash }),
      client({ name: 'one', keyHash: key }),
      client({ name: 'three' }),
      client({ name: 'four', keyEnv: 'FOUR_KEY' }),
      client({ name: 'five', keyEnv: 'FIVE_KEY', requestsPerMinute: 0, maxConcurrent: 1.5 }),
      client({ name: 'six', keyHash, tokensPerMinute: 2_000_000_000 }),
      client({ name: 'seven', keyEnv: 'flock-sk-of-seven' }),
    ]

    const error = await caught(() => create(settings, { FIVE_KEY: 'too-short' }))

    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.details.faults).toEqual([
      { path: 'service.clients[1].keyHash', message: 'allowed is sha256: and 64 hexadecimal digits' },
      { path: 'service.clients[1].name', message: 'one is there twice' },
      { path: 'service.clients[2]', message: 'neither keyHash nor keyEnv was found, one is required' },
      { path: 'service.clients[3].keyEnv', message: 'the key in FOUR_KEY is not set' },
      {
        path: 'service.clients[4].requestsPerMinute',
        message: '0 was found, allowed is a whole number from 1 to 1000000000',
      },
      {
        path: 'service.clients[4].maxConcurrent',
        message: '1.5 was found, allowed is a whole number from 1 to 1000000000',
      },
      { path: 'service.clients[4].keyEnv', message: 'the key in FIVE_KEY is shorter than 16 characters' },
      {
        path: 'service.clients[5].tokensPerMinute',
        message: '2000000000 was found, allowed is a whole number from 1 to 1000000000',
      },
      { path: 'service.clients[5]', message: 'its key is that of one as well' },
      { path: 'service.clients[6].keyEnv', message: 'allowed is the name of an environment variable' },
    ])
    for (const secret of [key, keyHash.slice(7), 'too-short', 'flock-sk-of-seven'])
      expect(inspect(error, { depth: 9 })).not.toContain(secret)
  })
})
