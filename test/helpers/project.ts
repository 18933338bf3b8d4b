import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import type { DevnetRole } from '../../src/lib/devnet/accounts.js'
import { completion, json, startFakeHost, type FakeHost, type HostAnswer } from './fake-host.js'
import { createFlockWorld, type FlockWorld } from './flock-world.js'
import type { RunOptions } from './run-command.js'

/** A project folder on a devnet, with a model server that is ready. */
export interface TestProject {
  readonly world: FlockWorld
  readonly dir: string
  readonly host: FakeHost
  /** How to run a command in the project, signed by the nth account of a role. */
  as(role?: DevnetRole, index?: number, env?: Readonly<Record<string, string>>): RunOptions
  /** Writes flock.yaml; `model` overrides keys of its only model. */
  configure(model?: Readonly<Record<string, unknown>>): Promise<void>
  close(): Promise<void>
}

export const MODEL_NAME = 'demo'

/** Answers as a model server that serves demo-7b and counts tokens. */
export const readyHost: HostAnswer = (response, request) => {
  const answer =
    request.method === 'GET'
      ? json(200, { data: [{ id: 'demo-7b' }] })
      : completion('Ready.', { prompt_tokens: 9, completion_tokens: 2 })
  answer(response, request)
}

export async function createTestProject(): Promise<TestProject> {
  const world = await createFlockWorld()
  const dir = dirname(world.recordDir)
  const host = await startFakeHost(readyHost)
  const configure = async (model: Readonly<Record<string, unknown>> = {}) => {
    const entry = {
      name: MODEL_NAME,
      hg_repo_id: 'flock-io/demo',
      revision: 'main',
      base_model: 'demo',
      price: { request: '0.5', promptPerMillion: '100', completionPerMillion: '200' },
      limits: { maxPromptTokens: 1000, maxCompletionTokens: 100 },
      split: { trainingPpm: 300_000, validatorPpm: 100_000 },
      nodes: [world.nth('infernet-node').address],
      receiptSigner: world.nth('receipt-signer').address,
      contributors: {
        training: [{ account: world.nth('training-node').address, weight: 7 }],
        validators: [{ account: world.nth('validator').address, weight: 3 }],
      },
      hosts: [{ id: 'main', baseUrl: host.baseUrl, model: 'demo-7b' }],
      ...model,
    }
    const networks = { local: { rpcUrl: world.devnet.rpcUrl } }
    await writeFile(join(dir, 'flock.yaml'), stringify({ name: 'demo', networks, models: [entry] }))
  }
  await configure()
  return {
    world,
    dir,
    host,
    as: (role, index = 0, env = {}) => ({
      cwd: dir,
      env: role === undefined ? env : { FLOCK_PRIVATE_KEY: world.nth(role, index).privateKey, ...env },
    }),
    configure,
    async close() {
      await host.close()
      await world.close()
    },
  }
}
