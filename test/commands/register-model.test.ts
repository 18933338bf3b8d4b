import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { readContributors } from '../../src/lib/models/contributors.js'
import { dataOf } from '../helpers/data.js'
import { completion, json } from '../helpers/fake-host.js'
import { closedPort } from '../helpers/http-server.js'
import { MODEL_NAME, createTestProject, readyHost, type TestProject } from '../helpers/project.js'
import { expectRefusal } from '../helpers/refusal.js'
import { runCommand } from '../helpers/run-command.js'
import { withTempDir } from '../helpers/temp-dir.js'

let project: TestProject

beforeAll(async () => {
  project = await createTestProject()
}, 180_000)

afterAll(() => project?.close())

beforeEach(() => project.configure())

let revision = 0

/** A revision that nothing has registered. */
async function newRevision(change: Readonly<Record<string, unknown>> = {}): Promise<string> {
  revision += 1
  await project.configure({ revision: `r${revision}`, ...change })
  return `r${revision}`
}

const register = (...args: string[]) => ['register-model', '--yes', ...args]

describe('flock register-model', () => {
  it('asks the endpoint first, registers, and sends nothing the second time', async () => {
    await newRevision()
    const before = project.host.requests.length

    const first = await runCommand(register('--json'), project.as('model-host'))
    const second = await runCommand(register('--json'), project.as('model-host'))

    expect(first.code).toBe(0)
    expect(dataOf(first)).toMatchObject({ name: MODEL_NAME, isNew: true, changed: true, dryRun: false })
    expect(dataOf(first).transactions).toHaveLength(1)
    expect(dataOf(first).probes).toEqual([
      expect.objectContaining({
        hostId: 'main',
        usage: { promptTokens: 9, completionTokens: 2, cachedTokens: 0, reasoningTokens: 0 },
      }),
    ])
    expect(project.host.requests.slice(before, before + 2).map(({ method }) => method)).toEqual([
      'GET',
      'POST',
    ])
    expect(second.code).toBe(0)
    expect(dataOf(second)).toMatchObject({
      modelId: dataOf(first).modelId,
      isNew: false,
      changed: false,
      transactions: [],
      cost: null,
    })
  })

  it('prints the id alone on stdout, and the plan on stderr', async () => {
    await newRevision()
    const { code, stdout, stderr } = await runCommand(register(), project.as('model-host'))

    expect(code).toBe(0)
    expect(stdout).toMatch(/^0x[0-9a-f]{64}\n$/)
    expect(stderr).toContain('Host main serves demo-7b and answered in')
    expect(stderr).toMatch(/Network +local \(chain 31337\)/)
    expect(stderr).toMatch(/Highest cost +0\.000\d+ in native token/)
  })

  it('shows the plan without a key and sends nothing in a dry run', async () => {
    await newRevision()
    const from = project.world.nth('model-host').address
    const args = ['register-model', '--dry-run', '--from', from]
    const nonce = await project.world.chain.provider.getTransactionCount(from)
    const { code, stdout } = await runCommand(args, project.as())

    expect(code).toBe(0)
    expect(stdout).toContain('1. register the model\n   ModelRegistry.register at 0x')
    expect(await project.world.chain.provider.getTransactionCount(from)).toBe(nonce)
  })

  it('registers and puts contributors in force at once when it holds the key of an attester', async () => {
    await newRevision()
    const attester = { FLOCK_ATTESTER_KEY: project.world.nth('attester').privateKey }
    const registered = await runCommand(register('--json'), project.as('model-host', 0, attester))
    const again = await runCommand(register('--json'), project.as('model-host', 0, attester))

    expect(dataOf(registered).transactions.map(({ label }) => label)).toEqual([
      'register the model',
      'put 2 contributors in force',
    ])
    const { place, nth } = project.world
    const { modelId } = dataOf(registered)
    expect(await readContributors(place.chain, place.rewardDistributor, modelId)).toEqual({
      tableId: expect.any(BigInt),
      nonce: 1n,
      training: [{ account: nth('training-node').address, weight: 7 }],
      validators: [{ account: nth('validator').address, weight: 3 }],
    })
    expect(dataOf(again)).toMatchObject({ changed: false })
  })

  it('brings an attestation that somebody else signed', async () => {
    await newRevision()
    const file = join(project.dir, 'attestation.json')
    await runCommand(register(), project.as('model-host'))
    const attester = { FLOCK_ATTESTER_KEY: project.world.nth('attester').privateKey }
    const signed = await runCommand(
      ['models', 'attest', MODEL_NAME, '--out', file, '--force'],
      project.as(undefined, 0, attester),
    )
    const brought = await runCommand(register('--attestation', file, '--json'), project.as('model-host'))
    const again = await runCommand(register('--attestation', file, '--json'), project.as('model-host'))

    expect([signed.code, signed.stdout]).toEqual([0, `${file}\n`])
    expect(dataOf(brought)).toMatchObject({ isNew: false, changed: true })
    expect(dataOf(again)).toMatchObject({ changed: false })
  })

  it('names what differs, and changes it when told to', async () => {
    const current = await newRevision()
    await runCommand(register(), project.as('model-host'))
    await project.configure({
      revision: current,
      containers: ['flock-workflow', 'proof'],
      metadataUri: 'data:,hi',
    })

    const error = await expectRefusal(
      register(),
      { code: 'MODEL_EXISTS', status: 7, message: /metadata, containers/, next: /--update/ },
      project.as('model-host'),
    )
    const updated = await runCommand(register('--update', '--json'), project.as('model-host'))

    const { changes } = error.details as { changes: unknown[] }
    expect(changes).toHaveLength(2)
    expect(dataOf(updated).changes).toEqual(changes)
    expect(dataOf(updated).transactions).toHaveLength(2)
    // keccak256("hi"), the bytes inside the URI.
    expect(dataOf(updated).listing.metadataHash).toBe(
      '0x7624778dedc75f8b322b9fa1632a610d40b85e106c7d9bf0e743a9ce291b9c6f',
    )
  })

  describe('refuses', () => {
    it('without a project', async () => {
      await withTempDir((cwd) =>
        expectRefusal(register(), { code: 'CONFIG_NOT_FOUND', status: 3, next: /flock init/ }, { cwd }),
      )
    })

    it('an invalid project, with all its faults', async () => {
      await project.configure({ price: { request: 'free' }, nodes: ['0x12'] })

      const error = await expectRefusal(register(), { code: 'CONFIG_INVALID', status: 3 }, project.as())
      expect(JSON.stringify(error.details)).toMatch(/price\.request.*nodes/s)
    })

    it('a model that the project does not name', async () => {
      const refusal = { code: 'MODEL_NOT_FOUND', status: 7, next: /Did you mean demo\?/ }

      await expectRefusal(register('demos'), refusal, project.as('model-host'))
    })

    it('a model without receipt signer and nodes, both at once', async () => {
      await project.configure({ receiptSigner: null, nodes: [] })

      const refusal = { code: 'INPUT_MISSING', status: 2, message: /--receipt-signer, --node/ }
      await expectRefusal(register(), refusal, project.as('model-host'))
    })

    it.each([
      ['an unknown flag', ['--nodes', '0x'], 'USAGE_INVALID', /--nodes/],
      ['a malformed address', ['--node', '0x123'], 'ADDRESS_INVALID', /--node/],
      [
        'an address with a wrong checksum',
        ['--consumer', '0x70997970C51812dc3A010C7d01b50e0d17dc79c8'],
        'ADDRESS_INVALID',
        /--consumer/,
      ],
      [
        'a grace beyond what the contract takes',
        ['--signer-grace', '604801'],
        'USAGE_INVALID',
        /signer-grace/,
      ],
      [
        'a missing attestation file',
        ['--attestation', 'none.json'],
        'USAGE_INVALID',
        /--attestation: none\.json cannot be read/,
      ],
      ['a limit that is no amount', ['--max-cost', '1e3'], 'AMOUNT_INVALID', /--max-cost/],
      [
        'an account to try from without a dry run',
        ['--from', '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'],
        'USAGE_INVALID',
        /dry-run/,
      ],
    ] as const)('%s', async (_what, args, code, message) => {
      await expectRefusal(register(...args), { code, status: 2, message }, project.as('model-host'))
    })

    it('an attestation that is none', async () => {
      const file = join(project.dir, 'broken.json')
      await writeFile(file, '{"schemaVersion": 1}')

      const refusal = { code: 'ATTESTATION_INVALID', status: 3, next: /flock models attest/ }
      await expectRefusal(register('--attestation', file), refusal, project.as('model-host'))
      await writeFile(file, '{')
      await expectRefusal(
        register('--attestation', file),
        { code: 'JSON_INVALID', status: 3 },
        project.as('model-host'),
      )
    })

    it('an endpoint that is down, before anything else is asked', async () => {
      const baseUrl = `http://127.0.0.1:${await closedPort()}/v1`
      await project.configure({ hosts: [{ id: 'main', baseUrl, model: 'demo-7b' }] })

      await expectRefusal(
        register(),
        { code: 'HOST_UNREACHABLE', status: 5, message: /Host main/ },
        project.as(),
      )
    })

    it('an endpoint that serves another model or no usage', async () => {
      await project.configure({ hosts: [{ id: 'main', baseUrl: project.host.baseUrl, model: 'demo-8b' }] })
      const other = {
        code: 'HOST_NOT_READY',
        status: 8,
        message: /does not serve the model "demo-8b"/,
        next: /demo-7b/,
      }
      await expectRefusal(register(), other, project.as('model-host'))

      await project.configure()
      project.host.answerWith((response, request) => {
        const answer =
          request.method === 'GET' ? json(200, { data: [{ id: 'demo-7b' }] }) : completion('Hi', null)
        answer(response, request)
      })
      try {
        const unmetered = { code: 'HOST_NOT_READY', status: 8, message: /cannot be metered/ }
        await expectRefusal(register(), unmetered, project.as('model-host'))

        await newRevision({ tokenizer: { encoding: 'o200k_base' } })
        const counted = await runCommand(register('--dry-run'), project.as('model-host'))
        expect(counted).toMatchObject({ code: 0, stderr: expect.stringContaining('the tokenizer counts') })
      } finally {
        project.host.answerWith(readyHost)
      }
    })

    it('a host whose API key is not set', async () => {
      const hosts = [
        {
          id: 'main',
          baseUrl: project.host.baseUrl,
          model: 'demo-7b',
          auth: 'bearer',
          apiKeyEnv: 'DEMO_KEY',
        },
      ]
      await project.configure({ hosts })

      await expectRefusal(
        register(),
        { code: 'API_KEY_MISSING', status: 4, message: /DEMO_KEY/ },
        project.as('model-host'),
      )
    })

    it('no key, a malformed key, and a malformed key of an attester', async () => {
      await newRevision()

      await expectRefusal(
        register(),
        { code: 'KEY_MISSING', status: 4, next: /FLOCK_PRIVATE_KEY/ },
        project.as(),
      )
      await expectRefusal(
        register(),
        { code: 'KEY_INVALID', status: 4, message: /FLOCK_PRIVATE_KEY/ },
        project.as(undefined, 0, { FLOCK_PRIVATE_KEY: '0x1234' }),
      )
      await expectRefusal(
        register(),
        { code: 'KEY_INVALID', status: 4, message: /FLOCK_ATTESTER_KEY/ },
        project.as('model-host', 0, { FLOCK_ATTESTER_KEY: 'secret' }),
      )
    })

    it("the key of somebody who is not the consumer's host", async () => {
      await newRevision()

      const refusal = { code: 'PERMISSION_DENIED', status: 4, message: /belongs to 0x15d34/ }
      await expectRefusal(register(), refusal, project.as('requester'))
    })

    it('the key of somebody who is no attester, with the error of the contract', async () => {
      const current = await newRevision()
      await runCommand(register(), project.as('model-host'))
      await project.configure({ revision: current })
      const stranger = { FLOCK_ATTESTER_KEY: project.world.nth('spare').privateKey }

      const error = await expectRefusal(
        register(),
        { code: 'TX_REVERTED', status: 6, message: /RewardDistributor refused the call: AttestationInvalid/ },
        project.as('model-host', 0, stranger),
      )
      expect(error.details).toMatchObject({ contract: 'RewardDistributor', error: 'AttestationInvalid' })
    })

    it('a consumer that is none', async () => {
      await newRevision()
      const args = register('--consumer', project.world.nth('spare').address)

      await expectRefusal(args, { code: 'CONTRACT_MISSING', status: 7 }, project.as('model-host'))
    })

    it('without a confirmation when nobody can be asked', async () => {
      await newRevision()

      const refusal = { code: 'INPUT_MISSING', status: 2, message: /--yes/ }
      await expectRefusal(['register-model'], refusal, project.as('model-host'))
    })

    it('gas above the limit', async () => {
      await newRevision()

      const refusal = { code: 'FEE_TOO_HIGH', status: 6, message: /allowed are 0\.000001/ }
      await expectRefusal(register('--max-cost', '0.000001'), refusal, project.as('model-host'))
    })

    it('an RPC endpoint that is down, one that is none, and one of another chain', async () => {
      await newRevision()
      const rpcUrl = `http://127.0.0.1:${await closedPort()}`

      await expectRefusal(
        register('--rpc-url', rpcUrl),
        { code: 'RPC_UNREACHABLE', status: 5 },
        project.as('model-host'),
      )
      await expectRefusal(
        register('--rpc-url', project.host.url),
        { code: 'RPC_FAILED', status: 5 },
        project.as('model-host'),
      )
      await expectRefusal(
        register('--network', 'base-sepolia', '--rpc-url', project.world.devnet.rpcUrl),
        { code: 'DEPLOYMENT_NOT_FOUND', status: 7, next: /flock deploy --core/ },
        project.as('model-host'),
      )
      await expectRefusal(
        register('--network', 'bsae'),
        { code: 'NETWORK_UNKNOWN', status: 2, next: /base/ },
        project.as(),
      )
    })
  })
})
