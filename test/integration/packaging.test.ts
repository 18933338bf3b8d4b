import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { parse as parseYaml } from 'yaml'
import { encryptKeystore } from '../../src/lib/config/keystore.js'
import type { FiveFields } from '../../src/lib/infernet/payload.js'
import { artifactIdOf, modelIdOf } from '../../src/lib/models/model.js'
import { decodeReceipt, verifyReceipt } from '../../src/lib/usage/receipt.js'
import { parseDockerfile, type Dockerfile } from '../helpers/dockerfile.js'
import { completion, startFakeHost, type FakeHost } from '../helpers/fake-host.js'
import { manifestOf, readManifests } from '../helpers/kubernetes.js'
import { BIN, runCommand } from '../helpers/run-command.js'
import {
  CHAIN_ID,
  envelopeOf,
  onChainBody,
  RECEIPT_KEY,
  RECEIPT_SIGNER,
  USAGE_METER,
} from '../helpers/tasks.js'
import { createTempDir } from '../helpers/temp-dir.js'

type Env = Readonly<Record<string, string>>

const MODEL_HOST = '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65'
const artifact = { hg_repo_id: 'flock-io/demo', revision: 'main', base_model: 'tiny' }
const modelId = modelIdOf(MODEL_HOST, artifactIdOf(artifact))
/** What the operator puts into .env, or into the secret of the cluster. */
const SECRETS: Env = { FLOCK_RECEIPT_KEY: RECEIPT_KEY }

let base = ''
let host: FakeHost
let image: Dockerfile
const running: ChildProcess[] = []

/** In the places of /srv/flock and /var/lib/flock. */
const projectDir = () => join(base, 'project')
const stateDir = () => join(base, 'state')

beforeEach(async () => {
  base = await createTempDir()
  host = await startFakeHost(completion('They sleep.'))
  const { code, stderr } = await runCommand(
    [
      ...['init', 'project', '--target', 'compose', '--target', 'kubernetes', '--target', 'systemd'],
      ...['--name', 'packaged', '--host-url', host.baseUrl, '--host-model', 'org/tiny'],
      ...['--hg-repo-id', artifact.hg_repo_id, '--revision', 'main', '--base-model', 'tiny'],
    ],
    { cwd: base },
  )
  if (code !== 0) throw new Error(stderr)
  await writeRecord()
  await mkdir(stateDir(), { mode: 0o700 })
  image = parseDockerfile(await read('Dockerfile'))
  await makeReadOnly()
})

afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
  await host.close()
  await setModes(0o755, 0o644)
  await rm(base, { recursive: true })
})

const read = (path: string) => readFile(join(projectDir(), path), 'utf8')

/** As `flock deploy` leaves it. */
async function writeRecord(): Promise<void> {
  const contract = (address: string, args: unknown[]) => ({
    address,
    txHash: null,
    blockNumber: 1,
    deployer: MODEL_HOST,
    args,
    codeHash: `0x${'11'.repeat(32)}`,
  })
  const contracts = {
    UsageMeter: contract(USAGE_METER, []),
    ModelHostConsumer: contract(RECEIPT_SIGNER, [USAGE_METER, USAGE_METER, MODEL_HOST, MODEL_HOST]),
  }
  const record = { schemaVersion: 1, chainId: CHAIN_ID, network: 'local', contracts }
  await writeFile(join(projectDir(), 'deployments', `${CHAIN_ID}.json`), JSON.stringify(record))
}

/** The user of the image where the tests run as root and that user can reach the program, else whoever runs the tests. */
function user(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const [uid, gid] = image.last('USER').split(':').map(Number) as [number, number]
  return spawnSync(process.execPath, [BIN, '--version'], { uid, gid }).status === 0 ? { uid, gid } : {}
}

/** The user owns the state and may read the rest. */
async function makeReadOnly(): Promise<void> {
  const { uid, gid } = user()
  if (uid !== undefined && gid !== undefined) {
    await chmod(base, 0o755)
    await chown(stateDir(), uid, gid)
    return
  }
  await setModes(0o555, 0o444)
}

async function setModes(ofFolders: number, ofFiles: number): Promise<void> {
  await chmod(projectDir(), ofFolders)
  for (const entry of await readdir(projectDir(), { recursive: true, withFileTypes: true }))
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? ofFolders : ofFiles)
}

/** Paths of the container, or of the machine, as they are here. */
function here(text: string): string {
  return text
    .replaceAll(image.last('WORKDIR'), projectDir())
    .replaceAll('/etc/flock', projectDir())
    .replaceAll(image.last('VOLUME'), stateDir())
}

/** `flock` is this program, and `node` the one that runs it. */
function commandHere([program = '', ...args]: readonly string[]): [string, string[]] {
  return program.endsWith('flock') ? [process.execPath, [BIN, ...args]] : [process.execPath, args]
}

async function freePort(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return String(port)
}

interface Started {
  readonly child: ChildProcess
  readonly env: Env
  readonly output: () => string
  readonly exit: Promise<number | null>
}

/** Starts a command as its container or unit would, with nothing of the environment of the tests; waits for its URL. */
async function start(command: readonly string[], given: Env): Promise<Started> {
  const shown = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, here(value)]))
  const env: Env = { ...shown, PATH: dirname(process.execPath), HOME: '/nonexistent' }
  const [program, args] = commandHere(command.map(here))
  const child = spawn(program, args, { ...user(), cwd: projectDir(), env, stdio: 'pipe' })
  running.push(child)
  let output = ''
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve))
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString('utf8')
      if (/http:\/\/[\d.]+:\d+/.test(output)) resolve()
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void exit.then((code) => reject(new Error(`ended with ${code}\n${output}`)))
  })
  return { child, env, exit, output: () => output }
}

const answerOf = (port: string, path: string, body?: unknown) =>
  fetch(`http://127.0.0.1:${port}${path}`, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json' },
  })

/** Asks as a node would, and takes the receipt apart. */
async function paidReceipt(port: string) {
  const response = await answerOf(port, '/service_output', onChainBody(envelopeOf({ modelId })))
  const { processed_output, proof } = (await response.json()) as FiveFields
  const receipt = decodeReceipt(`0x${processed_output}`)
  const domain = { chainId: CHAIN_ID, usageMeter: USAGE_METER } as const
  verifyReceipt(receipt, { domain, signature: `0x${proof}`, signer: RECEIPT_SIGNER })
  return receipt
}

/** `${NAME:-preset}` and `${NAME:?message}`, as Compose reads them. */
function interpolate(text: string): string {
  return text.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, mark: string, rest: string) => {
    const value = SECRETS[name]
    if (value === undefined && mark === '?') throw new Error(`${name} ${rest}`)
    return value ?? rest ?? ''
  })
}

async function composeEnv(): Promise<Env> {
  const { services } = parseYaml(await read('compose.yaml')) as {
    services: { workflow: { environment: Env } }
  }
  const entries = Object.entries(services.workflow.environment)
  return Object.fromEntries(entries.map(([name, value]) => [name, interpolate(value)]))
}

async function kubernetesEnv(): Promise<Env> {
  const set = manifestOf(readManifests(await read('kubernetes/stateful-set.yaml')), 'StatefulSet')
  const env = set.spec.template.spec.containers.flatMap((container) => container.env)
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => [
      name,
      (value as unknown) === undefined ? (SECRETS[valueFrom.secretKeyRef.key] ?? '') : value,
    ]),
  )
}

describe('the image', () => {
  it.each([
    ['compose.yaml', composeEnv],
    ['the pods', kubernetesEnv],
  ])('serves with the environment of %s, on a project that it cannot write to', async (_, envOf) => {
    const port = await freePort()
    const before = await readdir(projectDir(), { recursive: true })
    const env = { ...image.properties('ENV'), ...(await envOf()), FLOCK_SERVICE_PORT: port }
    const command = [...image.command('ENTRYPOINT'), ...image.command('CMD')]

    const { child, exit, output, env: shown } = await start(command, env)
    const [check, args] = commandHere(image.command('HEALTHCHECK'))
    const healthy = spawnSync(check, args, { env: shown })
    const ready = await answerOf(port, '/ready')
    const receipt = await paidReceipt(port)
    child.kill(image.last('STOPSIGNAL') as NodeJS.Signals)
    const code = await exit
    const gone = spawnSync(check, args, { env: shown })

    expect(healthy.status).toBe(0)
    expect(ready.status).toBe(200)
    expect(receipt.modelId).toBe(modelId)
    expect(code).toBe(0)
    expect(gone.status).toBe(1)
    expect(output()).not.toContain(RECEIPT_KEY.slice(2))
    expect((await readdir(stateDir())).sort()).toEqual(['answers', 'usage'])
    expect((await stat(join(stateDir(), 'answers'))).uid).toBe(user().uid ?? process.getuid?.() ?? 0)
    expect(await readdir(projectDir(), { recursive: true })).toEqual(before)
  })

  it('gives the same answer to a second try after it was replaced, without asking the model again', async () => {
    const port = await freePort()
    const env = { ...image.properties('ENV'), ...(await composeEnv()), FLOCK_SERVICE_PORT: port }
    const command = [...image.command('ENTRYPOINT'), ...image.command('CMD')]
    const first = await start(command, env)
    const before = await paidReceipt(port)
    first.child.kill('SIGKILL')
    await first.exit

    await start(command, env)
    const after = await paidReceipt(port)

    expect(after).toEqual(before)
    expect(host.requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })
})

describe('the unit for systemd', () => {
  it('starts the service with the key from its credentials, and reloads and stops it', async () => {
    const unit = await read('systemd/flock-workflow.service')
    const setting = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? ''
    const credentials = join(base, 'credentials')
    const { uid = process.getuid?.() ?? 0, gid = process.getgid?.() ?? 0 } = user()
    const keystore = await encryptKeystore(RECEIPT_KEY, 'geheim', { n: 1024, r: 8, p: 1 })
    await mkdir(credentials)
    for (const [name, text] of [
      ['receipt-key', JSON.stringify(keystore)],
      ['receipt-password', 'geheim\n'],
    ] as const) {
      await writeFile(join(credentials, name), text, { mode: 0o400 })
      await chown(join(credentials, name), uid, gid)
    }
    const port = await freePort()
    const settings = [...unit.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value])
    const env = { ...(Object.fromEntries(settings) as Env), FLOCK_SERVICE_PORT: port }
    const words = setting('ExecStart').replaceAll('${CREDENTIALS_DIRECTORY}', credentials).split(' ')

    const { child, exit, output } = await start(words, env)
    const receipt = await paidReceipt(port)
    const [, signal = ''] = / -(\w+) \$MAINPID$/.exec(setting('ExecReload')) ?? []
    const reloaded = new Promise<void>((resolve) =>
      child.stderr?.on('data', () => {
        if (output().includes('The configuration was read again.')) resolve()
      }),
    )
    child.kill(`SIG${signal}` as NodeJS.Signals)
    await reloaded
    child.kill('SIGTERM')

    expect(receipt.modelId).toBe(modelId)
    expect(await exit).toBe(0)
    expect((await readdir(stateDir())).sort()).toEqual(['answers', 'usage'])
  })
})
