import { describe, expect, it } from '@jest/globals'
import { artifactIdOf, modelIdOf } from '../../../src/lib/models/model.js'
import { buildServedModel, findModel } from '../../../src/lib/service/models.js'
import { caught } from '../../helpers/caught.js'
import { hostSettings, noKeys, routeOf } from '../../helpers/hosts.js'

const modelHost = '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65'
const artifact = { hg_repo_id: 'flock-io/demo', revision: 'main', base_model: 'tiny' }
const host = hostSettings({
  baseUrl: 'http://127.0.0.1:8000/v1',
  model: 'org/tiny',
  auth: 'bearer',
  apiKeyEnv: 'KEY',
})
const { routing } = routeOf([])
const keys = { ...noKeys, env: { KEY: 'sk-1' } }
const source = {
  ...artifact,
  name: 'demo',
  aliases: ['org/demo', 'Demo 7B'],
  limits: { maxPromptTokens: 10, maxCompletionTokens: 20 },
  routing,
  hosts: [host],
}

describe('a model that is served', () => {
  it('has the id under which its host registers it', () => {
    const model = buildServedModel(source, { modelHost, keys })

    expect(model).toMatchObject({
      modelId: modelIdOf(modelHost, artifactIdOf(artifact)),
      name: 'demo',
      maxPromptTokens: 10,
      maxCompletionTokens: 20,
      route: {
        name: 'demo',
        routing,
        hosts: [{ id: 'a', origin: 'http://127.0.0.1:8000', model: 'org/tiny' }],
      },
    })
  })

  it('has another id for another host', () => {
    const other = buildServedModel(source, {
      modelHost: '0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc',
      keys,
    })

    expect(other.modelId).not.toBe(modelIdOf(modelHost, artifactIdOf(artifact)))
  })

  it('needs the API keys of its hosts', async () => {
    expect((await caught(() => buildServedModel(source, { modelHost, keys: noKeys }))).code).toBe(
      'API_KEY_MISSING',
    )
  })

  it('is found by name, by id, or as the only one', async () => {
    const demo = buildServedModel(source, { modelHost, keys })
    const other = { ...demo, name: 'other', modelId: `0x${'ab'.repeat(32)}` as const }

    expect(findModel([demo, other], 'other')).toBe(other)
    expect(findModel([demo, other], demo.modelId.toUpperCase().replace('0X', '0x'))).toBe(demo)
    expect(findModel([demo], null)).toBe(demo)
    expect(findModel([demo, { ...other, aliases: [] }], 'org/demo')).toBe(demo)
    expect((await caught(() => findModel([demo, other], null))).code).toBe('TASK_INVALID')
    expect((await caught(() => findModel([demo], 'none'))).code).toBe('TASK_NOT_FOUND')
    expect((await caught(() => findModel([], 'none'))).hint).toBe('It serves no model.')
  })
})
