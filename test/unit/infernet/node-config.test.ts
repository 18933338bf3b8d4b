import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'
import { FlockError } from '../../../src/lib/errors.js'
import { parseJson } from '../../../src/lib/json.js'
import { parseNodeConfig, renderNodeConfig } from '../../../src/lib/infernet/node-config.js'

const fixtures = fileURLToPath(new URL('../../fixtures/node-config/', import.meta.url))
const KEY = `0x${'59'.repeat(32)}` as const

function read(path: string): unknown {
  return parseJson(readFileSync(`${fixtures}${path}`, 'utf8'), path)
}

describe('parseNodeConfig', () => {
  it('gives the defaults of the reference node for an empty object', () => {
    const { config, warnings } = parseNodeConfig({})

    expect(config).toEqual({
      manage_containers: true,
      startup_wait: 5,
      forward_stats: true,
      log: { path: 'infernet_node.log', max_file_size: 1_073_741_824, backup_count: 2 },
      server: { port: 4000, rate_limit: { num_requests: 60, period: 60 } },
      redis: { host: 'redis', port: 6379 },
      docker: null,
      chain: {
        enabled: false,
        rpc_url: null,
        fallback_rpc_urls: [],
        max_rpc_requests_per_second: null,
        registry_address: null,
        trail_head_blocks: 1,
        wallet: null,
        snapshot_sync: { sleep: 1, batch_size: 500, starting_sub_id: 0, sync_period: 0.5 },
      },
      containers: [],
    })
    expect(warnings).toEqual([])
  })

  it('reads what the operator sets for fees, and writes it again', () => {
    const wallet = {
      max_fee_per_gas: '50000000000',
      priority_fee_per_gas: 0,
      replace_after_blocks: 5,
      min_profit: 1,
    }

    const { config } = parseNodeConfig({ chain: { wallet } })

    expect(config.chain.wallet).toMatchObject({
      max_fee_per_gas: 50_000_000_000n,
      priority_fee_per_gas: 0n,
      replace_after_blocks: 5,
      min_profit: 1n,
    })
    expect(parseNodeConfig(parseJson(renderNodeConfig(config), 'config.json')).config).toEqual(config)
  })

  it('gives the defaults of a container and of a wallet', () => {
    const { config } = parseNodeConfig({ chain: { wallet: {} }, containers: [{ id: 'a', image: 'a' }] })

    expect(config.chain.wallet).toEqual({
      private_key: null,
      max_gas_limit: 5_000_000,
      payment_address: null,
      allowed_sim_errors: [],
      finalize_expired_proofs: false,
      max_fee_per_gas: null,
      priority_fee_per_gas: null,
      replace_after_blocks: 3,
      min_profit: null,
    })
    expect(config.containers[0]).toEqual({
      id: 'a',
      image: 'a',
      url: '',
      bearer: '',
      port: 3000,
      external: true,
      gpu: false,
      accepted_payments: {},
      allowed_ips: [],
      allowed_addresses: [],
      allowed_delegate_addresses: [],
      description: '',
      command: '',
      env: {},
      generates_proofs: false,
      volumes: [],
    })
  })

  it('reads payments above 2^53 exactly and addresses in any casing', () => {
    const { config } = parseNodeConfig(read('valid/reference.json'))

    expect(config.chain.registry_address).toBe('0x663F3ad617193148711d28f5334eE4Ed07016602')
    expect(config.containers[0]?.accepted_payments).toEqual({
      '0x0000000000000000000000000000000000000000': 1_000_000_000_000_000_000n,
      '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913': 40_000_000n,
    })
    expect(config.containers[0]?.allowed_delegate_addresses).toEqual([
      '0x13D69Cf7d6CE4218F646B759Dcf334D82c023d8e',
    ])
  })

  it('takes numbers written as text, a key without 0x, an empty payment address and a former key', () => {
    const { config, warnings } = parseNodeConfig(read('valid/starter-kit.json'))

    expect(config.server).toEqual({ port: 4000, rate_limit: { num_requests: 100, period: 100 } })
    expect(config.startup_wait).toBe(1)
    expect(config.chain.wallet?.private_key).toBe(
      '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
    )
    expect(config.chain.wallet?.payment_address).toBeNull()
    expect(config.containers[0]?.accepted_payments).toEqual({
      '0x0000000000000000000000000000000000000000': 10n ** 18n,
    })
    expect(warnings).toEqual([{ path: 'log_path', message: 'ignored; since 1.1.0 it is log.path' }])
  })

  it('names every key of other tools that it ignores, and every duration it takes for milliseconds', () => {
    const { config, warnings } = parseNodeConfig(read('valid/other-tools.json'))

    expect(warnings.map(({ path }) => path).sort()).toEqual([
      'chain.allowed_sim_errors',
      'chain.payment_address',
      'chain.rpc_ws',
      'chain.snapshot_sync.sleep',
      'chain.snapshot_sync.sync_period',
      'containers[0].colour',
      'containers[0].rate_limit',
      'coordinator_address',
      'snapshot_sync',
      'startup_wait',
    ])
    expect(config.startup_wait).toBe(5)
    expect(config.chain.snapshot_sync).toMatchObject({ sleep: 1, sync_period: 0.5, batch_size: 500 })
    expect(config.chain.wallet).toBeNull()
  })

  it.each(readdirSync(`${fixtures}invalid`).filter((name) => name.endsWith('.json')))(
    'reports all faults of %s at once',
    (name) => {
      const expected = readFileSync(`${fixtures}invalid/${name.replace('.json', '.txt')}`, 'utf8')

      const error = faultsOf(read(`invalid/${name}`))

      expect(error.code).toBe('NODE_CONFIG_INVALID')
      expect(`${error.message}\n`).toBe(expected)
      expect(error.message.split('\n')).toHaveLength(1 + (error.details.faults as unknown[]).length)
    },
  )

  it('shows no secret in its faults', () => {
    const error = faultsOf(read('invalid/everything.json'))

    expect(JSON.stringify([error.message, error.details])).not.toMatch(/hunter2|deadbeef|hidden/)
  })
})

describe('variables of the environment', () => {
  const written = {
    chain: { rpc_url: '${RPC_URL}', wallet: { private_key: '${NODE_KEY}' } },
    docker: { username: '${DOCKER_USER}', password: '${DOCKER_PASSWORD}' },
    containers: [
      {
        id: 'hello',
        image: 'ritual/hello',
        bearer: '${BEARER}',
        command: '--name ${BEARER}',
        description: '${BEARER}',
        env: { HF_TOKEN: '${HF_TOKEN}', LITERAL: 'a${HF_TOKEN}' },
        accepted_payments: { '0x0000000000000000000000000000000000000000': 10n ** 18n },
      },
    ],
  }
  const env = {
    RPC_URL: 'http://127.0.0.1:8545',
    NODE_KEY: KEY,
    DOCKER_USER: 'me',
    DOCKER_PASSWORD: 'secret',
    BEARER: 'token',
    HF_TOKEN: 'hf',
  }

  it('stand where values are secret or go to containers, and nowhere else', () => {
    const { config } = parseNodeConfig(written, 'config.json', env)

    expect(config.chain.rpc_url).toBe('http://127.0.0.1:8545')
    expect(config.chain.wallet?.private_key).toBe(KEY)
    expect(config.docker).toEqual({ username: 'me', password: 'secret' })
    expect(config.containers[0]).toMatchObject({
      bearer: 'token',
      command: '--name ${BEARER}',
      description: '${BEARER}',
      env: { HF_TOKEN: 'hf', LITERAL: 'a${HF_TOKEN}' },
      accepted_payments: { '0x0000000000000000000000000000000000000000': 10n ** 18n },
    })
  })

  it('are all named together when they are not set, once each', () => {
    const error = faultsOf(written)

    expect(error.message.split('\n').slice(1)).toEqual(
      [
        ['chain.rpc_url', 'RPC_URL'],
        ['chain.wallet.private_key', 'NODE_KEY'],
        ['docker.username', 'DOCKER_USER'],
        ['docker.password', 'DOCKER_PASSWORD'],
        ['containers[0].bearer', 'BEARER'],
        ['containers[0].env.HF_TOKEN', 'HF_TOKEN'],
      ].map(
        ([path, name]) =>
          `${path}: found \${${name}}, allowed the name of an environment variable that is set`,
      ),
    )
  })

  it('are not repeated when they look like the secret itself', () => {
    const error = faultsOf({ docker: { username: 'me', password: '${hunter2-of-me}' } })

    expect(JSON.stringify([error.message, error.details])).not.toContain('hunter2')
  })

  it('are checked as what stands in the file', () => {
    expect(faultsOf(written, { ...env, RPC_URL: 'nowhere' }).message).toContain(
      'chain.rpc_url: found [redacted]',
    )
  })
})

describe('renderNodeConfig', () => {
  it.each(readdirSync(`${fixtures}valid`))('writes %s so that it reads as the same configuration', (name) => {
    const { config } = parseNodeConfig(read(`valid/${name}`))

    const again = parseNodeConfig(parseJson(renderNodeConfig(config), name))

    const { wallet } = config.chain
    expect(again.warnings).toEqual([])
    expect(again.config).toEqual({
      ...config,
      chain: { ...config.chain, wallet: wallet && { ...wallet, private_key: null } },
    })
  })

  it('writes amounts above 2^53 as JSON integers', () => {
    const { config } = parseNodeConfig(read('valid/reference.json'))

    expect(renderNodeConfig(config)).toContain(
      '"0x0000000000000000000000000000000000000000": 1000000000000000000,',
    )
  })

  it('writes the private key only when it is handed in', () => {
    const { config } = parseNodeConfig(read('valid/starter-kit.json'))

    expect(renderNodeConfig(config)).not.toContain('private_key')
    expect(renderNodeConfig(config, { privateKey: KEY })).toContain(`"private_key": "${KEY}"`)
  })
})

function faultsOf(input: unknown, env: Record<string, string> = {}): FlockError {
  try {
    parseNodeConfig(input, 'config.json', env)
  } catch (error) {
    if (error instanceof FlockError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}
