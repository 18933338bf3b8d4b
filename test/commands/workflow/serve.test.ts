import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { FiveFields } from '../../../src/lib/infernet/payload.js'
import { artifactIdOf, modelIdOf } from '../../../src/lib/models/model.js'
import { decodeReceipt, verifyReceipt } from '../../../src/lib/usage/receipt.js'
import { type FakeHost, completion, silence, startFakeHost } from '../../helpers/fake-host.js'
import { startHttpServer } from '../../helpers/http-server.js'
import { type RunningCommand, runCommand, startCommand } from '../../helpers/run-command.js'
import {
  CHAIN_ID,
  RECEIPT_KEY,
  RECEIPT_SIGNER,
  USAGE_METER,
  envelopeOf,
  onChainBody,
} from '../../helpers/tasks.js'
import { createTempDir } from '../../helpers/temp-dir.js'

const MODEL_HOST = '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65'
const artifact = { hg_repo_id: 'flock-io/demo', revision: 'main', base_model: 'tiny' }
const modelId = modelIdOf(MODEL_HOST, artifactIdOf(artifact))
const receiptEnv = { FLOCK_RECEIPT_KEY: RECEIPT_KEY }

let dir = ''
let host: FakeHost
const running: RunningCommand[] = []

beforeEach(async () => {
  dir = await createTempDir()
  host = await startFakeHost(completion('They sleep.'))
  await writeProject()
  await writeRecord()
})

afterEach(async () => {
  for (const { child, result } of running.splice(0)) {
    child.kill('SIGKILL')
    await result.catch(() => undefined)
  }
  await host.close()
  await rm(dir, { recursive: true })
})

/** A project with one model; `hostLines` go below its host. */
async function writeProject(
  hostLines: readonly string[] = [],
  modelLines: readonly string[] = [],
): Promise<void> {
  const lines = [
    'name: test',
    'network: local',
    'models:',
    '  - name: demo',
    '    hg_repo_id: flock-io/demo',
    '    revision: main',
    '    base_model: tiny',
    '    price: { request: "0", promptPerMillion: "1", completionPerMillion: "1" }',
    ...modelLines.map((line) => `    ${line}`),
    '    hosts:',
    '      - id: fake',
    `        baseUrl: ${host.baseUrl}`,
    '        model: org/tiny',
    ...hostLines.map((line) => `        ${line}`),
  ]
  await writeFile(join(dir, 'flock.yaml'), `${lines.join('\n')}\n`)
}

async function writeRecord(text?: string): Promise<void> {
  const contract = (address: string, args: unknown[]) => ({
    address,
    txHash: null,
    blockNumber: 1,
    deployer: MODEL_HOST,
    args,
    codeHash: `0x${'11'.repeat(32)}`,
  })
  const record = {
    schemaVersion: 1,
    chainId: CHAIN_ID,
    network: 'local',
    contracts: {
      UsageMeter: contract(USAGE_METER, []),
      ModelHostConsumer: contract(RECEIPT_SIGNER, [USAGE_METER, USAGE_METER, MODEL_HOST, MODEL_HOST]),
    },
  }
  await mkdir(join(dir, 'deployments'), { recursive: true })
  await writeFile(join(dir, 'deployments', `${CHAIN_ID}.json`), text ?? JSON.stringify(record))
}

async function serve(args: readonly string[] = [], env: Record<string, string> = receiptEnv) {
  const command = startCommand(['workflow', 'serve', '--port', '0', ...args], { cwd: dir, env })
  running.push(command)
  const [url] = await command.waitFor(/http:\/\/127\.0\.0\.1:\d+/)
  return { command, url }
}

const post = (url: string, body: unknown) =>
  fetch(`${url}/service_output`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

describe('flock workflow serve', () => {
  it('prints its URL alone on stdout, answers a paid request, and ends with 0 on SIGTERM', async () => {
    const { command, url } = await serve()

    const response = await post(url, onChainBody(envelopeOf({ modelId })))
    const fields = (await response.json()) as FiveFields
    command.child.kill('SIGTERM')
    const result = await command.result

    const receipt = decodeReceipt(`0x${fields.processed_output}`)
    const domain = { chainId: CHAIN_ID, usageMeter: USAGE_METER } as const
    expect(() =>
      verifyReceipt(receipt, { domain, signature: `0x${fields.proof}`, signer: RECEIPT_SIGNER }),
    ).not.toThrow()
    expect(receipt.modelId).toBe(modelId)
    expect(result.code).toBe(0)
    expect(result.stdout).toBe(`${url}\n`)
    expect(result.stderr).toContain('Answered a paid request.')
    expect(result.stderr).not.toContain(RECEIPT_KEY.slice(2))
    expect(host.requests[0]?.body).toMatchObject({ model: 'org/tiny', max_tokens: 64 })
  })

  it('prints one JSON document when it is ready, and nothing after it', async () => {
    const { command } = await serve(['--json'])

    command.child.kill('SIGINT')
    const { code, json } = await command.result

    expect(code).toBe(0)
    expect(json).toMatchObject({
      command: 'workflow:serve',
      success: true,
      data: {
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
        chainId: CHAIN_ID,
        usageMeter: USAGE_METER,
        receiptSigner: RECEIPT_SIGNER,
        models: [{ name: 'demo', modelId, hosts: ['fake'] }],
      },
      errors: [],
      warnings: [],
    })
  })

  it('finishes what is under way before it ends', async () => {
    let release: (() => void) | undefined
    host.answerWith((response, request) => {
      release = () => completion('In time.')(response, request)
    })
    const { command, url } = await serve()
    const pending = post(url, { source: 1, destination: 1, data: { prompt: 'hi' } })
    while (release === undefined) await new Promise((resolve) => setImmediate(resolve))

    command.child.kill('SIGTERM')
    await command.waitFor(/The service goes down/)
    release()

    expect(await (await pending).json()).toMatchObject({ output: 'In time.' })
    expect((await command.result).code).toBe(0)
  })

  it('gives up what takes longer than the drain time', async () => {
    host.answerWith(silence)
    const { command, url } = await serve(['--drain-timeout', '0'])
    const pending = post(url, { source: 1, destination: 1, data: { prompt: 'hi' } })
    while (host.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))

    command.child.kill('SIGTERM')

    expect((await pending).status).toBe(503)
    expect((await command.result).code).toBe(0)
  })

  it('needs no deployment record when the contracts are named', async () => {
    await writeRecord('not read')
    const { command } = await serve(['--json', '--usage-meter', USAGE_METER.toLowerCase()], {
      ...receiptEnv,
      FLOCK_MODEL_HOST: MODEL_HOST,
    })

    command.child.kill('SIGTERM')

    expect((await command.result).json?.data).toMatchObject({
      usageMeter: USAGE_METER,
      models: [{ modelId }],
    })
  })

  it('sends the API key of a host and shows it nowhere', async () => {
    await writeProject(['auth: bearer', 'apiKeyEnv: TINY_KEY'])
    const { command, url } = await serve(['-v'], { ...receiptEnv, TINY_KEY: 'sk-very-secret' })

    await post(url, { source: 1, destination: 1, data: { prompt: 'hi' } })
    command.child.kill('SIGTERM')
    const { stdout, stderr } = await command.result

    expect(host.requests[0]?.headers.authorization).toBe('Bearer sk-very-secret')
    expect(stdout + stderr).not.toContain('sk-very-secret')
  })

  it('warns when the receipts are signed by another key than flock.yaml names', async () => {
    await writeProject([], [`receiptSigner: "${MODEL_HOST}"`])
    const { command } = await serve(['--json'])

    command.child.kill('SIGTERM')

    expect((await command.result).json?.warnings).toMatchObject([
      { code: 'RECEIPT_SIGNER_DIFFERS', message: expect.stringContaining(MODEL_HOST) },
    ])
  })
})

describe('flock workflow serve refuses', () => {
  const cases: readonly {
    what: string
    args?: string[]
    env?: Record<string, string>
    prepare?: () => Promise<void>
    status: number
    code: string
    message: string
  }[] = [
    { what: 'to run without a key', env: {}, status: 4, code: 'KEY_MISSING', message: 'FLOCK_RECEIPT_KEY' },
    {
      what: 'a key that is none',
      env: { FLOCK_RECEIPT_KEY: '0x1234' },
      status: 4,
      code: 'KEY_INVALID',
      message: 'FLOCK_RECEIPT_KEY',
    },
    {
      what: 'a folder without a project',
      args: ['--config', 'nothing.yaml'],
      status: 3,
      code: 'CONFIG_NOT_FOUND',
      message: 'nothing.yaml',
    },
    {
      what: 'a project with faults',
      prepare: () => writeProject(['timeOutMs: 5']),
      status: 3,
      code: 'CONFIG_INVALID',
      message: 'timeOutMs',
    },
    {
      what: 'an unknown model',
      args: ['--model', 'demmo'],
      status: 7,
      code: 'MODEL_NOT_FOUND',
      message: 'demmo',
    },
    {
      what: 'a project without models',
      prepare: () => writeFile(join(dir, 'flock.yaml'), 'name: test\n'),
      status: 7,
      code: 'MODEL_NOT_FOUND',
      message: 'names no model',
    },
    {
      what: 'a network on which nothing is recorded',
      args: ['--network', 'base-sepolia'],
      status: 7,
      code: 'DEPLOYMENT_NOT_FOUND',
      message: 'base-sepolia',
    },
    {
      what: 'a broken record',
      prepare: () => writeRecord('{'),
      status: 3,
      code: 'RECORD_INVALID',
      message: '31337.json',
    },
    {
      what: 'an API key that is not set',
      prepare: () => writeProject(['auth: bearer', 'apiKeyEnv: TINY_KEY']),
      status: 4,
      code: 'API_KEY_MISSING',
      message: 'TINY_KEY',
    },
    {
      what: 'a port that is none',
      args: ['--port', '70000'],
      status: 2,
      code: 'USAGE_INVALID',
      message: '70000',
    },
    {
      what: 'an address that is none',
      args: ['--usage-meter', '0x12'],
      status: 2,
      code: 'ADDRESS_INVALID',
      message: '--usage-meter',
    },
    { what: 'an unknown flag', args: ['--prot', '1'], status: 2, code: 'USAGE_INVALID', message: '--prot' },
  ]

  it.each(cases)(
    '$what, alike in text and JSON',
    async ({ args = [], env = receiptEnv, prepare, ...expected }) => {
      await prepare?.()

      const text = await runCommand(['workflow', 'serve', ...args], { cwd: dir, env })
      const json = await runCommand(['workflow', 'serve', ...args, '--json'], { cwd: dir, env })

      expect(text.code).toBe(expected.status)
      expect(text.stdout).toBe('')
      expect(text.stderr).toContain(expected.message)
      expect(json.code).toBe(expected.status)
      expect(json.json).toMatchObject({ success: false, data: null, errors: [{ code: expected.code }] })
    },
  )

  it('a port that is taken', async () => {
    const other = await startHttpServer(() => undefined)
    try {
      const result = await runCommand(['workflow', 'serve', '--port', String(other.port), '--json'], {
        cwd: dir,
        env: receiptEnv,
      })

      expect(result.code).toBe(8)
      expect(result.json?.errors[0]).toMatchObject({ code: 'PORT_IN_USE', details: { port: other.port } })
    } finally {
      await other.close()
    }
  })
})
