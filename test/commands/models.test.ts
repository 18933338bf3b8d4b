import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { parseAttestation, verifyAttestation } from '../../src/lib/models/attestation.js'
import { dataOf } from '../helpers/data.js'
import { closedPort } from '../helpers/http-server.js'
import { MODEL_NAME, createTestProject, type TestProject } from '../helpers/project.js'
import { expectRefusal } from '../helpers/refusal.js'
import { runCommand } from '../helpers/run-command.js'
import { withTempDir } from '../helpers/temp-dir.js'

let project: TestProject
let modelId: string

beforeAll(async () => {
  project = await createTestProject()
  const registered = await runCommand(['register-model', '--yes', '--json'], project.as('model-host'))
  modelId = dataOf(registered).modelId
}, 180_000)

afterAll(() => project?.close())

describe('flock models list', () => {
  it('lists models with the names of the project', async () => {
    const text = await runCommand(['models', 'list'], project.as())
    const listed = await runCommand(['models', 'list', '--json'], project.as())

    expect(text.stdout.split('\n')[0]).toMatch(/^Model +Name +Status +Host +Per answer +Containers$/)
    expect(text.stdout).toMatch(
      new RegExp(`${modelId} +demo +active +0x15d34.* +0\\.5 FLOCK +flock-workflow`),
    )
    expect(dataOf(listed).models).toEqual([
      expect.objectContaining({ modelId, name: 'demo', status: 'active' }),
    ])
    expect(dataOf(listed).models[0]?.terms['requestPrice']).toBe('500000000000000000')
  })

  it('leaves out what is not asked for', async () => {
    const paused = await runCommand(['models', 'list', '--status', 'paused', '--json'], project.as())
    const stranger = project.world.nth('spare').address
    const other = await runCommand(['models', 'list', '--host', stranger], project.as())

    expect(dataOf(paused).models).toEqual([])
    expect([other.code, other.stdout, other.stderr]).toEqual([0, '', 'No such model is registered.\n'])
  })
})

describe('flock models show', () => {
  it('shows the same model by name, id and first digits', async () => {
    const shown = await Promise.all(
      [MODEL_NAME, modelId, modelId.slice(0, 10)].map((reference) =>
        runCommand(['models', 'show', reference, '--json'], project.as()),
      ),
    )
    const [byName, byId, byDigits] = shown.map(dataOf)

    expect(byName).toMatchObject({ modelId, contributors: { tableId: '0', training: [] } })
    expect(byId).toEqual(byName)
    expect(byDigits).toEqual(byName)
  })

  it('works outside of a project, where the deployment is recorded', async () => {
    const options = { ...project.as(), env: { FLOCK_RPC_URL: project.world.devnet.rpcUrl } }
    const { code, stdout } = await runCommand(['models', 'show'], options)

    expect(code).toBe(0)
    expect(stdout).toContain('Contributors  none: the host gets whole fees')
  })
})

describe('flock models pause, resume and retire', () => {
  it('change the status once', async () => {
    const run = async (action: string) => {
      const args = ['models', action, MODEL_NAME, '--yes', '--json']
      const result = await runCommand(args, project.as('model-host'))
      const { changed, status } = dataOf(result)
      return { code: result.code, changed, status }
    }

    expect(await run('pause')).toEqual({ code: 0, changed: true, status: 'paused' })
    expect(await run('pause')).toEqual({ code: 0, changed: false, status: 'paused' })
    expect(await run('resume')).toEqual({ code: 0, changed: true, status: 'active' })
    expect(await run('resume')).toEqual({ code: 0, changed: false, status: 'active' })
  })

  it('show what they would send in a dry run', async () => {
    const from = project.world.nth('model-host').address
    const { code, stdout } = await runCommand(['models', 'retire', '--dry-run', '--from', from], project.as())
    const shown = await runCommand(['models', 'show', '--json'], project.as())

    expect(code).toBe(0)
    expect(stdout).toContain('ModelRegistry.retire at 0x')
    expect(dataOf(shown).status).toBe('active')
  })

  it.each(['pause', 'resume', 'retire'])('refuse bad input: %s', async (action) => {
    const args = ['models', action]
    const denied = { code: 'PERMISSION_DENIED', status: 4, message: /belongs to/ }

    await expectRefusal(
      [...args, '0xdead', '--yes'],
      { code: 'MODEL_NOT_FOUND', status: 7 },
      project.as('model-host'),
    )
    await expectRefusal([...args, '--yes'], { code: 'KEY_MISSING', status: 4 }, project.as())
    await expectRefusal([...args, '--max-cost', 'much'], { code: 'AMOUNT_INVALID', status: 2 }, project.as())
    // A model that is active already needs no key to stay so.
    if (action !== 'resume') await expectRefusal([...args, '--yes'], denied, project.as('requester'))
  })
})

describe('flock models attest', () => {
  const attester = () => ({ FLOCK_ATTESTER_KEY: project.world.nth('attester').privateKey })

  it('signs the contributors of the project, to a file or stdout', async () => {
    const file = join(project.dir, 'signed.json')
    const args = ['models', 'attest', MODEL_NAME]
    const toFile = await runCommand([...args, '--out', file], project.as(undefined, 0, attester()))
    const toStdout = await runCommand(args, project.as(undefined, 0, attester()))
    const { chain, place } = project.world

    expect([toFile.code, toFile.stdout]).toEqual([0, `${file}\n`])
    for (const text of [await readFile(file, 'utf8'), toStdout.stdout]) {
      const attestation = parseAttestation(JSON.parse(text))
      const domain = { chainId: chain.chainId, rewardDistributor: place.rewardDistributor }
      const nowSec = Math.floor(Date.now() / 1000)
      verifyAttestation(attestation, { domain, modelId: modelId as `0x${string}`, nowSec })
      expect(attestation.table.training).toEqual([
        { account: project.world.nth('training-node').address, weight: 7 },
      ])
    }
    await expectRefusal(
      [...args, '--out', file],
      { code: 'PATH_CONFLICT', status: 7, next: /--force/ },
      project.as(undefined, 0, attester()),
    )
  })

  it('refuses bad input', async () => {
    const args = ['models', 'attest']
    const signed = project.as(undefined, 0, attester())

    await expectRefusal(
      args,
      { code: 'KEY_MISSING', status: 4, message: /FLOCK_ATTESTER_KEY/ },
      project.as('model-host'),
    )
    await expectRefusal([...args, 'other'], { code: 'MODEL_NOT_FOUND', status: 7 }, signed)
    await expectRefusal([...args, '--expires-in', '0'], { code: 'USAGE_INVALID', status: 2 }, signed)
    await expectRefusal(
      [...args, '--out', '/no/such/folder/a'],
      { code: 'PATH_UNWRITABLE', status: 4 },
      signed,
    )
    await withTempDir((cwd) =>
      expectRefusal(args, { code: 'CONFIG_NOT_FOUND', status: 3 }, { ...signed, cwd }),
    )
  })
})

describe('commands that read', () => {
  it.each([[['models', 'list']], [['models', 'show', MODEL_NAME]], [['usage', 'list']]])(
    'refuse bad input: %s',
    async (args) => {
      const rpcUrl = `http://127.0.0.1:${await closedPort()}`
      const chainless = { code: 'RPC_UNREACHABLE', status: 5, next: /Check the RPC URL/ }

      await expectRefusal(
        [...args, '--nope'],
        { code: 'USAGE_INVALID', status: 2, message: /--nope/ },
        project.as(),
      )
      await expectRefusal([...args, '--rpc-url', rpcUrl], chainless, project.as())
      await expectRefusal(
        [...args, '--rpc-url', 'localhost'],
        { code: 'USAGE_INVALID', status: 2 },
        project.as(),
      )
      await expectRefusal([...args, '--timeout', '0'], { code: 'USAGE_INVALID', status: 2 }, project.as())
      await expectRefusal(
        [...args, '--config', 'none.yaml'],
        { code: 'CONFIG_NOT_FOUND', status: 3 },
        project.as(),
      )
      await withTempDir((cwd) => expectRefusal(args, { code: 'DEPLOYMENT_NOT_FOUND', status: 7 }, { cwd }))
    },
    60_000,
  )

  it('tell a chain without the recorded contracts from an empty registry', async () => {
    const { chain, place } = project.world
    const code = await chain.provider.getCode(place.modelRegistry)
    await chain.provider.send('anvil_setCode', [place.modelRegistry, '0x'])
    try {
      const refusal = { code: 'CONTRACT_MISSING', status: 7, message: /ModelRegistry: no contract stands at/ }
      await expectRefusal(['models', 'list'], refusal, project.as())
    } finally {
      await chain.provider.send('anvil_setCode', [place.modelRegistry, code])
    }
  })
})
