import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { freePort } from '../../helpers/docker-server.js'
import { startHttpServer, type TestServer } from '../../helpers/http-server.js'
import { createNodeWorld, privateKeyOf, type NodeWorld } from '../../helpers/node-world.js'
import { runCommand, startCommand, type RunningCommand } from '../../helpers/run-command.js'
import { createTempDir } from '../../helpers/temp-dir.js'

const NODE = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'

let world: NodeWorld
let container: TestServer
let dir: string
let config: string
let port: number
let node: RunningCommand

beforeAll(async () => {
  world = await createNodeWorld()
  container = await startHttpServer((_, response) => {
    const fields = { raw_input: '', processed_input: '', raw_output: '', processed_output: '', proof: '' }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(fields))
  })
  dir = await createTempDir()
  config = join(dir, 'config.json')
  port = await freePort()
  const chain = {
    enabled: true,
    rpc_url: world.rpcUrl,
    registry_address: world.registry,
    trail_head_blocks: 0,
    wallet: {},
  }
  const containers = [{ id: 'echo', url: container.url }]
  await writeFile(config, JSON.stringify({ manage_containers: false, server: { port }, chain, containers }))
  node = startCommand(['node', 'start', '--config', config], {
    cwd: dir,
    env: { FLOCK_NODE_KEY: privateKeyOf(1) },
    timeoutMs: 600_000,
  })
  await node.waitFor(/caught up with the chain/)
  const id = await world.ask('echo')
  await node.waitFor(new RegExp(`delivered .*id=${id} `))
}, 120_000)

afterAll(async () => {
  node.child.kill('SIGTERM')
  await node.result
  await container.close()
  await world.close()
  await rm(dir, { recursive: true, force: true })
})

const run = (args: readonly string[]) => runCommand(['node', 'status', ...args], { cwd: dir })

describe('flock node status', () => {
  it('shows what the node did, and its endpoint', async () => {
    const { code, stdout } = await run(['--config', config])

    expect(code).toBe(0)
    expect(stdout).toContain(`${NODE} on chain 31337`)
    expect(stdout).toMatch(/^intervals +1 delivered \(\d+ gas\)$/m)
    expect(stdout).toMatch(/^balance +9999\.\d+ ETH$/m)
    expect(stdout).toMatch(/^rpc +block \d+, \d+ s old, \d+ ms a call$/m)
    expect(stdout).toMatch(/^DELIVERED .*TRANSACTION$/m)
  })

  it('prints it as JSON', async () => {
    const { json } = await run(['--url', `http://127.0.0.1:${port}`, '--json'])

    expect(json?.success).toBe(true)
    expect(json?.data).toMatchObject({
      node: { address: NODE, port },
      figures: { isSynced: true, delivered: 1 },
      journal: { open: 0 },
      probe: { fault: null },
    })
  })

  it('shows it again and again until Ctrl-C', async () => {
    const watching = startCommand(
      ['node', 'status', '--config', config, '--watch', '--every', '1', '--json'],
      {
        cwd: dir,
      },
    )
    await watching.waitFor(/"figures".*\n.*"figures"/)
    watching.child.kill('SIGINT')
    const { code, stdout } = await watching.result

    expect(code).toBe(0)
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ success: true })
  })

  it('fails when no node is there', async () => {
    const { code, json } = await run(['--url', `http://127.0.0.1:${await freePort()}`, '--json'])

    expect(code).toBe(5)
    expect(json?.errors[0]?.code).toBe('SERVICE_UNREACHABLE')
  })
})

describe('/metrics of a node', () => {
  it('have its figures', async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()

    expect(text).toMatch(/^flock_node_deliveries_total 1$/m)
    expect(text).toMatch(/^flock_node_rpc_up 1$/m)
    expect(text).toContain(`flock_node_info{address="${NODE}",chain_id="31337"} 1`)
  })
})
