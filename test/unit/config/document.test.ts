import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { parseConfig, readDraft, renderConfig } from '../../../src/lib/config/document.js'
import type { Override } from '../../../src/lib/config/document.js'
import type { Fault } from '../../../src/lib/config/faults.js'
import { HOST_DEFAULTS } from '../../../src/lib/config/model-schema.js'
import type { FlockConfig } from '../../../src/lib/config/schema.js'
import type { FlockError } from '../../../src/lib/errors.js'
import { randomConfig } from '../../helpers/random-config.js'

const fixtures = fileURLToPath(new URL('../../fixtures/config', import.meta.url))

function valid(name: string): string {
  return readFileSync(join(fixtures, 'valid', name), 'utf8')
}

function errorOf(text: string, overrides: readonly Override[] = []): FlockError {
  try {
    parseConfig(text, { overrides })
  } catch (error) {
    return error as FlockError
  }
  throw new Error('nothing was thrown')
}

function faultLines(error: FlockError): string[] {
  const faults = error.details.faults as readonly Fault[]
  return faults.map(({ path, message, line, column }) => {
    const place = line === undefined ? '' : `${line}:${column ?? 0} `
    return `${place}${path}: ${message}`
  })
}

describe('parseConfig', () => {
  it('fills in every default of the smallest project', () => {
    const config = parseConfig(valid('smallest.yaml'))

    expect(config).toMatchObject({
      name: 'my-host',
      network: 'local',
      models: [],
      service: {
        host: '127.0.0.1',
        port: 3000,
        maxBodyBytes: 1_048_576,
        answers: { dir: '.flock/answers', fsync: 'always', keepDays: 30 },
        stockTasks: true,
        usageDir: '.flock/usage',
        clients: [],
      },
      node: { config: 'node/config.json' },
    })
    expect(Object.keys(config.networks)).toEqual(['local', 'base-sepolia', 'base', 'ethereum'])
  })

  it('fills in every default of a model and its hosts', () => {
    const [assistant, embedder] = parseConfig(valid('full.yaml')).models

    expect(assistant).toMatchObject({ aliases: ['org/assistant-7b', 'assistant:latest'] })
    expect(embedder).toMatchObject({
      aliases: [],
      routing: { policy: 'latency', retryRatio: 0.2, hedge: false },
      tokenizer: { encoding: 'cl100k_base' },
    })
    expect(embedder?.hosts).toEqual([
      { id: 'cpu', baseUrl: 'http://10.0.0.11:8080/v1', model: 'bge', ...HOST_DEFAULTS },
    ])
    expect(assistant?.hosts.map(({ kind }) => kind)).toEqual(['openai', 'openai', 'openai', 'infernet'])
  })

  it('gives each project headers, fields and clients of its own', () => {
    const [one, other] = [parseConfig(valid('full.yaml')), parseConfig(valid('full.yaml'))]

    expect(one.models[0]?.hosts[0]?.headers).not.toBe(other.models[0]?.hosts[0]?.headers)
    expect(parseConfig(valid('smallest.yaml')).service.clients).not.toBe(
      parseConfig(valid('smallest.yaml')).service.clients,
    )
  })

  it('lays networks of the file over the presets and adds new ones', () => {
    const { networks } = parseConfig(valid('full.yaml'))

    expect(networks.base).toMatchObject({
      chainId: 8453,
      rpcUrl: 'https://rpc.example.org',
      confirmations: 12,
      paymentToken: '0x5aB3D4c385B400F3aBB49e80DE2fAF6a88A7B691',
    })
    expect(networks['my-chain']).toEqual({
      name: 'my-chain',
      chainId: 4242,
      rpcUrl: 'http://10.0.0.7:8545',
      infernetRegistry: '0x663F3ad617193148711d28f5334eE4Ed07016602',
      paymentToken: '0x5aB3D4c385B400F3aBB49e80DE2fAF6a88A7B691',
      rewardDistributor: null,
      explorerUrl: 'https://explorer.example.org',
      confirmations: 1,
    })
  })

  it('reads unquoted addresses as addresses and gives them their checksum', () => {
    const [model] = parseConfig(valid('full.yaml')).models

    expect(model?.nodes).toEqual(['0x70997970C51812dc3A010C7d01b50e0d17dc79C8'])
    expect(model?.receiptSigner).toBe('0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc')
  })

  const invalid = readdirSync(join(fixtures, 'invalid')).filter((file) => file.endsWith('.yaml'))

  it.each(invalid)('names every fault of %s with its place, what was found and what is allowed', (file) => {
    const path = join(fixtures, 'invalid', file)
    const expected: unknown = JSON.parse(readFileSync(path.replace(/\.yaml$/, '.expected.json'), 'utf8'))

    const error = errorOf(readFileSync(path, 'utf8'))

    expect(error.code).toBe('CONFIG_INVALID')
    expect(faultLines(error)).toEqual(expected)
  })

  it('never shows a value that may be a private key', () => {
    const key = 'ab'.repeat(32)

    const error = errorOf(`name: "${key}"\nnetwork: { key: "0x${key}" }\n`)

    expect(JSON.stringify(error.details)).not.toContain(key)
    expect(error.message).not.toContain(key)
  })

  const pasted = ['sk-proj-4f9aQ7', 'AKIAIOSFODNN7EXAMPLE', 'Bearer abcdefgh', 81726354819203]
  it.each(
    [
      ['models', 0, 'hosts', 0, 'apiKeyEnv'],
      ['models', 0, 'hosts', 0, 'apiKeyFile'],
      ['models', 0, 'hosts', 0, 'headers', 'authorization'],
      ['service', 'clients', 0, 'keyEnv'],
      ['service', 'clients', 0, 'keyHash'],
    ].flatMap((path) => pasted.map((value) => ({ path, value, place: path.join('.') }))),
  )('never shows a key that was put at $place: $value', ({ path, value }) => {
    const error = errorOf(valid('full.yaml'), [{ path, value, source: '--from' }])

    expect(inspect(error, { depth: 9 })).not.toContain(String(value))
  })

  it.each([
    'ftp://user:pa55word@host',
    'ws://rpc.example.org/v2/pa55word',
    'wss://rpc.example.org?key=pa55word',
  ])('never shows what opens the address %s', (value) => {
    const override = { path: ['networks', 'base', 'rpcUrl'], value, source: 'FLOCK_RPC_URL_BASE' }

    expect(inspect(errorOf(valid('full.yaml'), [override]), { depth: 9 })).not.toContain('pa55word')
  })

  it.each([
    ['broken YAML', 'name: [a\nb: }'],
    ['a key that stands twice', 'name: a\nname: b\n'],
    [
      'aliases that unfold without end',
      `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
        .split('')
        .map((letter, index) => {
          const before = 'abcdefghij'[index] ?? ''
          return `${letter}: &${letter} [${Array.from({ length: 10 }, () => `*${before}`).join(',')}]`
        })
        .join('\n')}\n`,
    ],
  ])('calls %s unreadable', (_, text) => {
    expect(errorOf(text).code).toBe('CONFIG_UNREADABLE')
  })

  it.each([
    ['an empty file', ''],
    ['a text', 'hello'],
    ['a list', '- a\n- b\n'],
  ])('refuses %s as a project', (_, text) => {
    expect(errorOf(text).code).toBe('CONFIG_INVALID')
  })

  it('lets overrides stand over the file and names their source in faults', () => {
    const overrides: Override[] = [
      { path: ['service', 'port'], value: 4444, source: 'FLOCK_SERVICE_PORT' },
      { path: ['models', 0, 'hosts', 0, 'baseUrl'], value: 'http://10.9.9.9/v1', source: '--host-url' },
    ]

    const config = parseConfig(valid('full.yaml'), { overrides })
    const error = errorOf(valid('full.yaml'), [
      { path: ['service', 'port'], value: 'x', source: 'FLOCK_PORT' },
    ])

    expect(config.service.port).toBe(4444)
    expect(config.models[0]?.hosts[0]?.baseUrl).toBe('http://10.9.9.9/v1')
    expect(config.models[0]?.hosts[1]?.baseUrl).toBe('https://api.flock.io/v1')
    expect(faultLines(error)).toEqual([
      'FLOCK_PORT (service.port): "x" was found, allowed is an integer from 0 to 65535',
    ])
  })

  it('leaves out RPC URLs that are meant for networks of other projects', () => {
    const overrides = [
      { path: ['networks', 'base', 'rpcUrl'], value: 'http://10.1.1.1', source: 'FLOCK_RPC_URL_BASE' },
      {
        path: ['networks', 'elsewhere', 'rpcUrl'],
        value: 'http://10.1.1.2',
        source: 'FLOCK_RPC_URL_ELSEWHERE',
      },
    ]

    const { networks } = parseConfig(valid('smallest.yaml'), { overrides })

    expect(networks.base?.rpcUrl).toBe('http://10.1.1.1')
    expect(networks.elsewhere).toBeUndefined()
  })

  it('completes a draft before it is checked', () => {
    const config = parseConfig('network: base\n', {
      complete: (draft) => ({ ...(draft as object), name: 'filled-in' }),
    })

    expect(config).toMatchObject({ name: 'filled-in', network: 'base' })
    expect(readDraft('network: base\n')).toEqual({ network: 'base' })
  })
})

describe('renderConfig', () => {
  it.each(['smallest.yaml', 'full.yaml'])('writes what parseConfig reads as the same project: %s', (file) => {
    const config = parseConfig(valid(file))

    expect(parseConfig(renderConfig(config))).toEqual(config)
  })

  it('writes any project so that it reads back equal', () => {
    const projects = Array.from({ length: 200 }, (_, seed) => randomConfig(seed))

    for (const project of projects) expect(parseConfig(renderConfig(project))).toEqual(project)
  })

  it('leaves out what a host does not change, and keeps what it does', () => {
    const text = renderConfig(parseConfig(valid('full.yaml')))

    expect(text).toContain(
      '      - id: gpu-1\n        baseUrl: http://10.0.0.8:8000/v1\n        model: assistant\n      - id: platform\n',
    )
    expect(text).toContain('        maxQueued: 0\n')
    expect(text).toContain('        kind: infernet\n')
  })

  it('leaves presets out and says what the parts are for', () => {
    const config: FlockConfig = parseConfig(valid('smallest.yaml'))

    const text = renderConfig(config)

    expect(text).not.toContain('base-sepolia:')
    expect(text).toContain('# Where `flock workflow serve` listens.')
  })
})
