// The servers that are compared. Each is started alone on its core and asks the same model server.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { devnetAccounts } from '../../dist/lib/devnet/accounts.js'
import { artifactIdOf, modelIdOf } from '../../dist/lib/models/model.js'
import { runNpm } from '../../scripts/lib/steps.mjs'
import { findProgram, freePort } from '../lib/processes.mjs'

const benchFolder = fileURLToPath(new URL('..', import.meta.url))
const entry = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const bareProxy = fileURLToPath(new URL('bare-proxy.mjs', import.meta.url))
const json = { 'content-type': 'application/json' }
const CHAT_PATH = '/v1/chat/completions'
const TASK_PATH = '/service_output'
const CHAIN_ID = 31_337

const accountOf = (wanted) => devnetAccounts().find(({ role }) => role === wanted)
const artifact = { hg_repo_id: 'flock-io/bench', revision: 'main', base_model: 'bench' }

/** The model that the service serves, as paid tasks name it. */
export const model = {
  chainId: CHAIN_ID,
  modelId: modelIdOf(accountOf('model-host').address, artifactIdOf(artifact)),
}

/**
 * Starts everything there is to compare.
 * @param {{ processes: object, core?: number, modelHostPort: number, profileFolder?: string }} place where; with a
 *   folder for profiles, the service writes one there when it ends
 * @returns what was started, in the order of the table, and what was left out and why
 */
export async function startServers(place) {
  const direct = { id: 'direct', label: 'the model server itself', format: 'chat', pid: null }
  const servers = [{ ...direct, port: place.modelHostPort, path: CHAT_PATH, headers: json }]
  const leftOut = []
  const unpaid = { id: 'service', label: 'FlockWorkflow, receipts off', format: 'task' }
  const paid = { id: 'receipts', label: 'FlockWorkflow, receipts on', format: 'paid' }
  servers.push(await startBare(place), await startService(place, unpaid), await startService(place, paid))
  for (const start of [startPortkey, startNginx]) {
    const { leftOut: reason, ...server } = await start(place)
    if (reason === undefined) servers.push(server)
    else leftOut.push({ id: server.id, reason })
  }
  return { servers, leftOut }
}

async function startBare({ processes, core, modelHostPort }) {
  const port = await freePort()
  const ports = [port, modelHostPort].map(String)
  const child = processes.start([process.execPath, bareProxy, ...ports], { name: 'bare-proxy', core })
  await child.ready(port)
  const bare = { id: 'bare', label: 'bare node:http + undici', format: 'task', path: TASK_PATH }
  return { ...bare, pid: child.pid, port, headers: json }
}

/** The command that operators run, in a project of its own; its log goes to a file, as it does in a container. */
export async function startService({ processes, core, modelHostPort, profileFolder }, { id, label, format }) {
  const port = await freePort()
  const cwd = join(processes.folder, id)
  mkdirSync(cwd)
  const host = { id: 'bench', baseUrl: `http://127.0.0.1:${modelHostPort}/v1`, model: 'bench' }
  const served = {
    name: 'bench',
    ...artifact,
    price: { request: '0', promptPerMillion: '0', completionPerMillion: '0' },
    limits: { maxPromptTokens: 1_000_000, maxCompletionTokens: 1_024 },
    hosts: [host],
  }
  // JSON is YAML too.
  writeFileSync(
    join(cwd, 'flock.yaml'),
    JSON.stringify({ name: 'bench', network: 'local', models: [served] }),
  )
  const profiling =
    profileFolder === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${id}.cpuprofile`]
  const serve = ['workflow', 'serve', '--port', port.toString()]
  const contracts = [
    '--usage-meter',
    accountOf('owner').address,
    '--model-host',
    accountOf('model-host').address,
  ]
  const child = processes.start([process.execPath, ...profiling, entry, ...serve, ...contracts], {
    name: id,
    core,
    cwd,
    channel: false,
    env: { FLOCK_RECEIPT_KEY: accountOf('receipt-signer').privateKey },
  })
  await child.ready(port)
  return { id, label, format, pid: child.pid, port, path: TASK_PATH, headers: json }
}

async function startPortkey({ processes, core, modelHostPort }) {
  const name = '@portkey-ai/gateway'
  const { dependencies } = JSON.parse(readFileSync(join(benchFolder, 'package.json'), 'utf8'))
  const version = dependencies[name]
  const installed = await installPortkey(join(benchFolder, 'node_modules', name), version)
  if (!installed) return { id: 'portkey', leftOut: `npm could not install ${name}` }
  const port = await freePort()
  const program = join(benchFolder, 'node_modules', name, 'build/start-server.js')
  const child = processes.start([process.execPath, program, '--headless', `--port=${port}`], {
    name: 'portkey',
    core,
    channel: false,
    env: { NODE_ENV: 'production' },
  })
  await child.ready(port)
  const headers = {
    ...json,
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${modelHostPort}/v1`,
  }
  const portkey = { id: 'portkey', label: `${name} ${version}`, format: 'chat', path: CHAT_PATH }
  return { ...portkey, pid: child.pid, port, headers }
}

async function installPortkey(folder, version) {
  try {
    if (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version === version) return true
  } catch {
    // Not installed yet.
  }
  process.stderr.write('Installing what the service is compared with: npm ci in bench/\n')
  const { code } = await runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: benchFolder })
  return code === 0
}

async function startNginx({ processes, core, modelHostPort }) {
  const program = findProgram('nginx')
  if (program === null) return { id: 'nginx', leftOut: 'nginx is not on the PATH' }
  const port = await freePort()
  const config = join(processes.folder, 'nginx.conf')
  writeFileSync(config, nginxConfig({ folder: processes.folder, port, modelHostPort }))
  const child = processes.start([program, '-p', processes.folder, '-e', 'stderr', '-c', config], {
    name: 'nginx',
    core,
    channel: false,
  })
  await child.ready(port)
  const nginx = { id: 'nginx', label: 'nginx', format: 'chat', path: CHAT_PATH }
  return { ...nginx, pid: child.pid, port, headers: json }
}

/** One process, no log, connections to the model server kept, nothing buffered on disk. */
function nginxConfig({ folder, port, modelHostPort }) {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off; master_process off; pid ${folder}/nginx.pid;
events { worker_connections 2048; }
http {
  access_log off; client_max_body_size 2m; client_body_buffer_size 256k;
  ${paths.map((name) => `${name}_temp_path ${folder}/nginx-${name};`).join(' ')}
  upstream model_server { server 127.0.0.1:${modelHostPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port}; keepalive_requests 1000000000;
    location / {
      proxy_pass http://model_server; proxy_http_version 1.1; proxy_set_header connection "";
      proxy_buffering off; proxy_read_timeout 60s;
    }
  }
}
`
}
