import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { FiveFields } from '../../src/lib/infernet/payload.js'
import { parseExposition, valueOf } from '../helpers/exposition.js'
import {
  type FakeHost,
  type HostAnswer,
  completion,
  createGate,
  startFakeHost,
  stream,
} from '../helpers/fake-host.js'
import { type HttpClient, type Reply, createHttpClient } from '../helpers/http-load.js'
import { dataOfEvents } from '../helpers/openai-world.js'
import {
  type ProjectSettings,
  type ServedProject,
  servedModelId,
  startServedProject,
} from '../helpers/served-project.js'
import { envelopeOf, onChainBody } from '../helpers/tasks.js'
import { until } from '../helpers/until.js'

const PATIENCE_MS = 240_000
const WORKERS = 12
/** Requests that pass between two reloads, so that each happens under load. */
const BETWEEN = 60

/** Says its name, streamed or whole, as it is asked. */
const named =
  (name: string): HostAnswer =>
  (response, request) => {
    const answer = request.body.stream === true ? stream([name, '.']) : completion(`${name}.`)
    answer(response, request)
  }

let first: FakeHost
let second: FakeHost
let project: ServedProject | undefined

beforeEach(async () => {
  first = await startFakeHost(named('first'))
  second = await startFakeHost(named('second'))
})

afterEach(async () => {
  await project?.close()
  project = undefined
  await first.close()
  await second.close()
})

const hostAt = (id: string, { baseUrl }: FakeHost) => ({
  id,
  baseUrl,
  model: 'org/tiny',
  healthIntervalMs: 0,
})
const onlyFirst = (): ProjectSettings => ({ models: [{ name: 'tiny', hosts: [hostAt('first', first)] }] })
const both = (): ProjectSettings => ({
  models: [{ name: 'tiny', hosts: [hostAt('first', first), hostAt('second', second)] }],
})
const onlySecond = (): ProjectSettings => ({
  models: [
    { name: 'tiny', hosts: [hostAt('second', second)] },
    { name: 'large', hosts: [hostAt('second', second)] },
  ],
})

const messages = [{ role: 'user', content: 'hi' }]
const kinds: readonly ((client: HttpClient, index: number) => Promise<Reply>)[] = [
  async (client) => client.post('/v1/chat/completions', { model: 'tiny', messages }),
  async (client) => client.post('/v1/chat/completions', { model: 'tiny', messages, stream: true }),
  async (client) =>
    client.post('/service_output', { source: 1, destination: 1, data: { prompt: 'hi', model: 'tiny' } }),
  async (client) =>
    client.post('/service_output', { source: 1, destination: 2, data: { prompt: 'hi', model: 'tiny' } }),
  async (client, index) =>
    client.post(
      '/service_output',
      onChainBody(envelopeOf({ modelId: servedModelId('tiny'), interval: index })),
    ),
]

/** Asks without a pause, in all ways there are, until it is told to stop. */
function startLoad(url: string) {
  const client = createHttpClient(url, WORKERS)
  const replies: Reply[] = []
  let isOver = false
  let next = 0
  const worker = async () => {
    while (!isOver) {
      const index = (next += 1)
      const reply = await kinds[index % kinds.length]?.(client, index)
      if (reply !== undefined) replies.push(reply)
    }
  }
  const workers = Promise.all(Array.from({ length: WORKERS }, worker))
  return {
    /** Waits until that many more were answered. */
    async pass(count: number) {
      const wanted = replies.length + count
      await until(() => replies.length >= wanted)
    },
    async stop(): Promise<readonly Reply[]> {
      isOver = true
      await workers
      client.close()
      return replies
    },
  }
}

const broken = (replies: readonly Reply[]) =>
  replies.filter(({ status, isWhole }) => status !== 200 || !isWhole)

describe('a service whose configuration is read again under load', () => {
  it(
    'drops no request, serves what is new, and asks hosts that are gone no more',
    async () => {
      project = await startServedProject(onlyFirst())
      const load = startLoad(project.url)
      await load.pass(BETWEEN)

      for (const settings of [both(), onlySecond(), both(), onlyFirst(), onlySecond()]) {
        await project.configure(settings)
        await project.reload()
        await load.pass(BETWEEN)
      }
      // Whatever was on its way to the host that is gone has arrived by now.
      const askedOfFirst = first.requests.length
      await load.pass(BETWEEN)
      const client = createHttpClient(project.url, 1)
      const large = await client.post('/v1/chat/completions', { model: 'large', messages })
      client.close()
      const replies = await load.stop()

      expect(broken(replies)).toEqual([])
      expect(replies.length).toBeGreaterThanOrEqual(7 * BETWEEN)
      expect(first.requests.length).toBe(askedOfFirst)
      expect([first.abandoned(), second.abandoned()]).toEqual([0, 0])
      expect(large).toMatchObject({ status: 200, text: expect.stringContaining('second.') })
      const families = parseExposition(await (await fetch(`${project.url}/metrics`)).text())
      // Calls to a host that was removed meanwhile are those of `other`.
      const asked = (hostId: string) =>
        valueOf(families, 'flock_host_requests_total', { model: 'tiny', host: hostId, outcome: 'ok' }) ?? 0
      expect(asked('first') + asked('second') + asked('other')).toBe(
        first.requests.length + second.requests.length - 1,
      )
    },
    PATIENCE_MS,
  )

  it.each<[string, (settings: ProjectSettings) => ProjectSettings, string]>([
    [
      'a file with faults',
      ({ models }) => ({ models: models.map((model) => ({ ...model, limit: {} })) }),
      'models[0].limit',
    ],
    ['a file without models', () => ({ models: [] }), 'MODEL_NOT_FOUND'],
    [
      'a key that is not set',
      () => ({
        models: [{ name: 'tiny', hosts: [{ ...hostAt('b', second), auth: 'bearer', apiKeyEnv: 'NO_KEY' }] }],
      }),
      'NO_KEY',
    ],
    [
      'a tokenizer that is not there',
      () => ({ models: [{ name: 'tiny', tokenizer: { file: 'x.json' }, hosts: [hostAt('b', second)] }] }),
      'x.json',
    ],
  ])(
    'goes on as it was for %s, and logs why',
    async (_what, faulty, reason) => {
      project = await startServedProject(onlyFirst())
      const load = startLoad(project.url)
      await load.pass(BETWEEN)

      await project.configure(faulty(onlySecond()))
      await project.reload()
      await load.pass(BETWEEN)
      const replies = await load.stop()

      expect(broken(replies)).toEqual([])
      expect(second.requests).toHaveLength(0)
      project.command.child.kill('SIGTERM')
      const { code, stderr } = await project.command.result
      expect(code).toBe(0)
      expect(stderr).toContain('The configuration was not changed.')
      expect(stderr).toContain(reason)
    },
    PATIENCE_MS,
  )
})

describe('a service that is told to stop', () => {
  const openStream = async (url: string, path: string, body: unknown) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  it(
    'lets streams and tasks under way come to their end, says that it goes, and takes nothing new',
    async () => {
      const gate = createGate()
      const finish: (() => void)[] = []
      first.answerWith((response, request) => {
        if (request.body.stream !== true) {
          gate.hold(completion('In time.'))(response, request)
          return
        }
        stream(['begun '], null, 'silence')(response, request)
        finish.push(() => {
          const end = { choices: [{ index: 0, delta: { content: 'and ended' }, finish_reason: 'stop' }] }
          response.end(`data: ${JSON.stringify(end)}\n\ndata: [DONE]\n\n`)
        })
      })
      project = await startServedProject(onlyFirst())
      const { url, command } = project
      const streams = await Promise.all([
        openStream(url, '/v1/chat/completions', { messages, stream: true }),
        openStream(url, '/v1/chat/completions', { messages, stream: true }),
        openStream(url, '/service_output', { source: 1, destination: 2, data: { prompt: 'hi' } }),
      ])
      const task = openStream(
        url,
        '/service_output',
        onChainBody(envelopeOf({ modelId: servedModelId('tiny') })),
      )
      await until(() => gate.held() === 1)
      const idle = connect(Number(new URL(url).port), '127.0.0.1')
      await once(idle, 'connect')

      command.child.kill('SIGTERM')
      await command.waitFor(/The service goes down/)
      idle.write('GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n')
      const [ready] = (await once(idle, 'data')) as [Buffer]
      await expect(openStream(url, '/v1/chat/completions', { messages })).rejects.toThrow()
      for (const end of finish) end()
      gate.open()
      const texts = await Promise.all(streams.map(async (response) => response.text()))
      const fields = (await (await task).json()) as FiveFields

      expect(ready.toString()).toMatch(/^HTTP\/1\.1 503 [^]*"draining"/)
      expect(texts[2]).toBe('begun and ended')
      for (const text of texts.slice(0, 2)) expect(dataOfEvents(text).at(-1)).toBe('[DONE]')
      expect(Buffer.from(fields.raw_output ?? '', 'hex').toString()).toBe('In time.')
      const { code, stderr } = await command.result
      expect(code).toBe(0)
      expect(stderr).not.toContain('given up')
      idle.destroy()
    },
    PATIENCE_MS,
  )

  it(
    'gives up streams that take longer than the drain time: clients are told, tasks are cut',
    async () => {
      first.answerWith(stream(['begun '], null, 'silence'))
      project = await startServedProject(onlyFirst(), { args: ['--drain-timeout', '0'] })
      const chat = await openStream(project.url, '/v1/chat/completions', { messages, stream: true })
      const task = await openStream(project.url, '/service_output', {
        source: 1,
        destination: 2,
        data: { prompt: 'hi' },
      })

      project.command.child.kill('SIGTERM')
      const data = dataOfEvents(await chat.text())

      expect(data.at(-1)).toMatchObject({ error: { code: 'interrupted', type: 'server_error' } })
      await expect(task.text()).rejects.toThrow()
      expect((await project.command.result).code).toBe(0)
      await until(() => first.abandoned() === 2)
    },
    PATIENCE_MS,
  )
})
