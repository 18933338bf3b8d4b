import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { freePort, startDocker } from '../../helpers/docker-server.js'
import { startHttpServer, type TestServer } from '../../helpers/http-server.js'
import { createNodeWorld, privateKeyOf, type NodeWorld } from '../../helpers/node-world.js'
import { startRpcProxy, type RpcProxy } from '../../helpers/rpc-proxy.js'
import { runCommand, startCommand, type RunningCommand } from '../../helpers/run-command.js'
import { createTempDir } from '../../helpers/temp-dir.js'

const NODE = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

let world: NodeWorld
let proxy: RpcProxy
let container: TestServer
let dir: string
let running: RunningCommand[] = []

/** Gives back what it is asked. */
function answer(body: string, response: ServerResponse): void {
  const { data } = JSON.parse(body) as { readonly data: string }
  const fields = { raw_input: '', processed_input: '', raw_output: data, processed_output: '', proof: '' }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(fields))
}

const echo: RequestListener = (request, response) => {
  void text(request).then((body) => answer(body, response))
}

beforeAll(async () => {
  world = await createNodeWorld()
  proxy = await startRpcProxy(world.rpcUrl)
}, 120_000)

afterAll(async () => {
  await proxy.close()
  await world.close()
})

beforeEach(async () => {
  dir = await createTempDir()
  container = await startHttpServer(answer)
})

afterEach(async () => {
  proxy.decide(() => 'pass')
  for (const { child, result } of running) {
    child.kill('SIGKILL')
    await result.catch(() => undefined)
  }
  running = []
  await container.close()
  await rm(dir, { recursive: true, force: true })
})

interface ConfigChanges {
  readonly top?: object
  readonly chain?: object
  readonly wallet?: object
}

async function writeConfig({ top, chain, wallet }: ConfigChanges = {}): Promise<string> {
  const path = join(dir, 'config.json')
  const config = {
    manage_containers: false,
    server: { port: 0 },
    chain: {
      enabled: true,
      rpc_url: proxy.url,
      registry_address: world.registry,
      trail_head_blocks: 0,
      wallet: { max_gas_limit: 5_000_000, ...wallet },
      ...chain,
    },
    containers: [{ id: 'echo', url: container.url }],
    ...top,
  }
  await writeFile(path, JSON.stringify(config), { mode: 0o600 })
  return path
}

function start(args: readonly string[], env: Record<string, string> = { FLOCK_NODE_KEY: privateKeyOf(1) }) {
  const command = startCommand(['node', 'start', ...args], { cwd: dir, env })
  running.push(command)
  return command
}

const run = (args: readonly string[], env: Record<string, string> = { FLOCK_NODE_KEY: privateKeyOf(1) }) =>
  runCommand(['node', 'start', ...args], { cwd: dir, env })

async function answersTo(id: number): Promise<number> {
  return (await world.answers()).filter(({ subscriptionId }) => subscriptionId === BigInt(id)).length
}

describe('flock node start', () => {
  it('prints one line when it is ready, tells events on stderr, and ends with 0 on SIGTERM', async () => {
    const command = start(['--config', await writeConfig()])
    await command.waitFor(/Node 0x/)
    const id = await world.ask('echo')
    await command.waitFor(new RegExp(`delivered .*id=${id} `))
    command.child.kill('SIGTERM')
    const { code, stdout, stderr } = await command.result

    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^Node ${NODE} serves echo on chain 31337; REST on port \\d+\\n$`))
    expect(stderr).toContain('node stopped')
    expect(await answersTo(id)).toBe(1)
  })

  it('prints each event as a line of JSON, and the result as the last one', async () => {
    const command = start(['--node-config', await writeConfig(), '--json'])
    await command.waitFor(/"type":"synced"/)
    const id = await world.ask('echo')
    await command.waitFor(new RegExp(`"type":"delivered","id":${id},`))
    command.child.kill('SIGINT')
    const { code, stdout } = await command.result

    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(code).toBe(0)
    expect(lines[0]).toMatchObject({ type: 'started', address: NODE, chainId: 31_337, containers: ['echo'] })
    expect(lines.at(-2)).toEqual({ type: 'stopped' })
    expect(lines.at(-1)).toMatchObject({
      success: true,
      command: 'node:start',
      data: { address: NODE, delivered: 1, closed: {} },
      errors: [],
    })
  })

  it('delivers exactly once when it is killed between computing and sending', async () => {
    const config = await writeConfig()
    proxy.decide(({ method }) => (method === 'eth_estimateGas' ? 'refuse' : 'pass'))
    const first = start(['--config', config, '--json'])
    await first.waitFor(/"type":"synced"/)
    const id = await world.ask('echo')
    await first.waitFor(/"type":"deliveryFailed"/)
    first.child.kill('SIGKILL')
    await first.result
    proxy.decide(() => 'pass')

    const second = start(['--config', config, '--json'])
    await second.waitFor(new RegExp(`"type":"delivered","id":${id},`))

    expect(await answersTo(id)).toBe(1)
    expect(container.requests).toHaveLength(1)
  })

  it('sends the same transaction again when it is killed while sending', async () => {
    const config = await writeConfig()
    proxy.decide(({ method }) => (method === 'eth_sendRawTransaction' ? 'hang' : 'pass'))
    const first = start(['--config', config, '--json'])
    await first.waitFor(/"type":"synced"/)
    const before = proxy.calls.length
    const id = await world.ask('echo')
    await first.waitFor(/"type":"computed"/)
    const sent = () => proxy.calls.slice(before).filter(({ method }) => method === 'eth_sendRawTransaction')
    while (sent().length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    first.child.kill('SIGKILL')
    await first.result
    proxy.decide(() => 'pass')

    const second = start(['--config', config, '--json'])
    await second.waitFor(new RegExp(`"type":"delivered","id":${id},`))

    expect(new Set(sent().map(({ params }) => params[0])).size).toBe(1)
    expect(await answersTo(id)).toBe(1)
    expect(container.requests).toHaveLength(1)
  })

  it('reaches a container where --containers says', async () => {
    const config = await writeConfig({ top: { containers: [{ id: 'elsewhere', port: 1 }] } })

    const command = start(['--config', config, '--containers', `elsewhere=${container.url}`])
    await command.waitFor(/Node 0x/)
    const id = await world.ask('elsewhere')

    await command.waitFor(new RegExp(`delivered .*id=${id} `))
    expect(container.requests).toHaveLength(1)
  })

  it('prefers --rpc-url to the configuration, and --port to its port', async () => {
    const config = await writeConfig({ chain: { enabled: true, registry_address: world.registry } })

    const command = start(['--config', config, '--rpc-url', world.rpcUrl, '--port', '0'])

    await command.waitFor(/Node 0x/)
  })

  it('finds the configuration and the chain of the project it stands in', async () => {
    await mkdir(join(dir, 'node'))
    await writeFile(join(dir, 'node', 'config.json'), await readFile(await writeConfig(), 'utf8'))
    await writeFile(join(dir, 'flock.yaml'), 'name: test\nnetwork: local\n')

    const command = start([])
    await command.waitFor(/Node 0x/)
    const wrongChain = await run(['--network', 'base', '--json'])

    expect(wrongChain.code).toBe(6)
    expect(wrongChain.json?.errors[0]?.code).toBe('CHAIN_MISMATCH')
  })

  it('takes the key of the configuration, and warns when others can read it', async () => {
    const config = await writeConfig({ wallet: { private_key: privateKeyOf(1).slice(2) } })
    await chmod(config, 0o644)

    const command = start(['--config', config], {})
    await command.waitFor(/Node 0x/)
    command.child.kill('SIGTERM')
    const { stdout, stderr } = await command.result

    expect(stdout).toContain(NODE)
    expect(stderr).toContain('holds a private key and can be read by others (mode 0644)')
    expect(stderr).not.toContain(privateKeyOf(1).slice(2))
  })

  it('says what it reads differently from the reference node', async () => {
    const config = await writeConfig({
      top: {
        log_path: 'x',
      },
      wallet: { allowed_sim_errors: ['x'] },
    })

    const command = start(['--config', config])
    await command.waitFor(/Node 0x/)
    command.child.kill('SIGTERM')
    const { stderr } = await command.result

    expect(stderr).toContain('log_path: ignored')
    expect(stderr).toContain('allowed_sim_errors: this node sends nothing that fails in simulation')
  })

  it('starts the containers in Docker when they are to be managed, and stops them at the end', async () => {
    const docker = await startDocker({ service: echo })
    docker.remote.set('me/echo:1', { id: 'sha256:1', login: 'me:secret-of-me' })
    const containers = [{ id: 'managed', image: 'me/echo:1', port: await freePort() }]
    const login = { username: 'me', password: '${REGISTRY_PASSWORD}' }
    const config = await writeConfig({
      top: { manage_containers: true, startup_wait: 0, docker: login, containers },
    })

    const command = start(['--config', config], {
      FLOCK_NODE_KEY: privateKeyOf(1),
      DOCKER_HOST: `unix://${docker.socketPath}`,
      REGISTRY_PASSWORD: 'secret-of-me',
    })
    await command.waitFor(/Node 0x/)
    const id = await world.ask('managed')
    await command.waitFor(new RegExp(`delivered .*id=${id} `))
    command.child.kill('SIGTERM')
    const { code, stderr } = await command.result
    const status = docker.containers.get('managed')?.status
    await docker.close()

    expect(code).toBe(0)
    expect(status).toBe('exited')
    expect(stderr).toMatch(/image pulled .*me\/echo:1/)
    expect(stderr).toMatch(/container started .*managed/)
    expect(stderr).toMatch(/container stopped .*managed/)
    expect(stderr).not.toContain('secret-of-me')
  })

  it('leaves containers alone while another node holds the journal', async () => {
    const docker = await startDocker({ service: echo })
    docker.remote.set('echo:latest', { id: 'sha256:1' })
    const containers = [{ id: 'managed', image: 'echo', port: await freePort() }]
    const config = await writeConfig({ top: { manage_containers: true, startup_wait: 0, containers } })
    const env = { FLOCK_NODE_KEY: privateKeyOf(1), DOCKER_HOST: `unix://${docker.socketPath}` }
    await start(['--config', config], env).waitFor(/Node 0x/)

    const { json } = await run(['--config', config, '--json'], env)
    const status = docker.containers.get('managed')?.status
    await docker.close()

    expect(json?.errors[0]).toMatchObject({ code: 'STATE_CONFLICT' })
    expect(status).toBe('running')
  })

  it('needs no Docker when all containers are said to run elsewhere', async () => {
    const containers = [{ id: 'echo', image: 'echo' }]
    const config = await writeConfig({ top: { manage_containers: true, containers } })
    const env = { FLOCK_NODE_KEY: privateKeyOf(1), DOCKER_HOST: 'unix:///nowhere/docker.sock' }

    await start(['--config', config, '--containers', `echo=${container.url}`], env).waitFor(/Node 0x/)
    const without = await run(['--config', config, '--journal', join(dir, 'other'), '--json'], env)

    expect(without.code).toBe(8)
    expect(without.json?.errors[0]).toMatchObject({ code: 'DOCKER_MISSING' })
  })

  it('refuses a second node with the same journal', async () => {
    const config = await writeConfig()
    await start(['--config', config]).waitFor(/Node 0x/)

    const { code, json } = await run(['--config', config, '--json'])

    expect(code).toBe(7)
    expect(json?.errors[0]).toMatchObject({ code: 'STATE_CONFLICT' })
  })

  it('refuses a port that is taken', async () => {
    const taken: Server = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '0.0.0.0', resolve))
    const { port } = taken.address() as AddressInfo

    const { code, json } = await run(['--config', await writeConfig(), '--port', String(port), '--json'])
    await new Promise((resolve) => taken.close(resolve))

    expect(code).toBe(8)
    expect(json?.errors[0]).toMatchObject({ code: 'PORT_IN_USE' })
  })

  it.each<[string, ConfigChanges, readonly string[], Record<string, string> | undefined, number, string]>([
    ['no key', {}, [], {}, 4, 'KEY_MISSING'],
    ['a malformed key', {}, [], { FLOCK_NODE_KEY: 'abc' }, 4, 'KEY_INVALID'],
    ['an override without a url', {}, ['--containers', 'echo'], undefined, 2, 'USAGE_INVALID'],
    [
      'an override of an unknown container',
      {},
      ['--containers', 'ehco=http://x'],
      undefined,
      2,
      'USAGE_INVALID',
    ],
    ['a chain that is switched off', { chain: { enabled: false } }, [], undefined, 3, 'NODE_CONFIG_INVALID'],
    ['a faulty configuration', { top: { startup_wait: 'x' } }, [], undefined, 3, 'NODE_CONFIG_INVALID'],
    [
      'an address without a Registry',
      { chain: { registry_address: '0x00000000000000000000000000000000000000aa' } },
      [],
      undefined,
      7,
      'CONTRACT_MISSING',
    ],
    [
      'an RPC endpoint that is away',
      { chain: { rpc_url: 'http://127.0.0.1:1' } },
      [],
      undefined,
      5,
      'RPC_UNREACHABLE',
    ],
  ])('fails with %s', async (_, changes, args, env, status, errorCode) => {
    const config = await writeConfig({
      ...changes,
      chain: { enabled: true, rpc_url: proxy.url, registry_address: world.registry, ...changes.chain },
    })

    const { code, json } = await run(['--config', config, ...args, '--json'], env)

    expect(json?.errors.map(({ code: found }) => found)).toEqual([errorCode])
    expect(code).toBe(status)
  })

  it.each([
    ['is missing', null],
    ['is not JSON', '{'],
  ])('fails when the configuration %s', async (_, text) => {
    const path = join(dir, 'other.json')
    if (text !== null) await writeFile(path, text)

    const { code, json } = await run(['--config', path, '--json'])

    expect(code).toBe(3)
    expect(json?.errors[0]?.code).toBe('NODE_CONFIG_INVALID')
    expect(json?.errors[0]?.message).toContain('other.json')
  })
})
