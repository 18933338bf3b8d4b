/** The OpenAI-compatible routes: for clients with keys, beside the tasks of the chain. */
import type { ServerResponse } from 'node:http'
import { FlockError } from '../errors.js'
import type { Logger } from '../log.js'
import type { Forward } from '../router/forward.js'
import type { RelayedAnswer, StreamEvent } from '../router/openai.js'
import type { HostRoute, Operation } from '../router/operation.js'
import { type RelayBody, parseRelayBody, relayOperation } from '../router/relay-body.js'
import type { Permit } from './client-limits.js'
import { type ClientRefusal, closedRefusal } from './client-refusal.js'
import type { ClientUsage } from './client-usage.js'
import type { Client, Clients } from './clients.js'
import { retryAdvice } from './http-errors.js'
import { readJsonBody, sendJson, writePiece } from './http.js'
import { type Metered, type Metering, renderUsage } from './metering.js'
import type { ServiceMetrics } from './metrics.js'
import { type ServedModel, findModel } from './models.js'
import { renderOpenAiError } from './openai-errors.js'
import type { Exchange } from './exchange.js'

export interface OpenAiFaceOptions {
  readonly models: readonly ServedModel[]
  readonly clients: Clients
  /** True when strangers could reach the routes and nobody has a key: then nobody is served. */
  readonly isClosed: boolean
  readonly forward: Forward
  readonly metering: Metering
  readonly usage: Pick<ClientUsage, 'record' | 'report'>
  readonly metrics: Pick<ServiceMetrics, 'tokensCounted'>
  readonly log: Logger
}

/** What a server grants its clients. */
export interface ExchangeLimits {
  readonly maxBodyBytes: number
  /** How long a client may take nothing of a stream. */
  readonly stallMs: number
}

export interface OpenAiFace {
  /** Answers a request for a completion or for embeddings. Whatever goes wrong is answered too. */
  answer(route: HostRoute, exchange: Exchange, limits: ExchangeLimits): Promise<void>
  /** `GET /v1/models`: those that the client may use; with a name that one alone. */
  listModels(exchange: Exchange, name: string | null): void
  /** `GET /v1/usage`: what the client itself used, by day. */
  reportUsage(exchange: Exchange, query: URLSearchParams): Promise<void>
}

/** A request that was let in. */
interface Admitted {
  readonly client: Client
  readonly model: ServedModel
  readonly body: RelayBody
  readonly permit: Permit
  readonly operation: Operation<RelayedAnswer>
}

export function createOpenAiFace(options: OpenAiFaceOptions): OpenAiFace {
  const { models, clients, forward, metering, usage, metrics, log } = options

  /** Who asks; null when nobody who may, which is answered. */
  function clientOf({ request, response, labels }: Exchange): Client | null {
    const { client, refusal } = options.isClosed
      ? { client: null, refusal: closedRefusal() }
      : clients.authenticate(request.headers)
    if (client !== null) {
      labels.client = client.name
      return client
    }
    refuse(response, refusal)
    return null
  }

  function admit(client: Client, body: RelayBody, exchange: Exchange): Admitted | ClientRefusal {
    const model = findModel(models, body.model)
    exchange.labels.model = model.name
    const refusal = clients.refuseModel(client, model.name)
    if (refusal !== null) return refusal
    const promptTokens = metering.estimate(model, body.texts)
    if (promptTokens > model.maxPromptTokens) throw tooLong(promptTokens, model)
    const completes = body.route !== 'embeddings'
    const maxTokens = completes ? Math.min(body.maxTokens ?? Infinity, model.maxCompletionTokens) : null
    const admission = client.limits.admit(promptTokens + (maxTokens ?? 0))
    if (admission.permit === null) return admission.refusal
    const operation = relayOperation(body, { promptTokens, maxTokens })
    return { client, model, body, permit: admission.permit, operation }
  }

  /** Settles the limits of a client and counts what it used. */
  function finish(admitted: Admitted, metered: Metered | null): void {
    const { client, model, permit } = admitted
    const counts = metered?.usage ?? null
    const used =
      counts === null ? (metered === null ? 0 : null) : counts.promptTokens + counts.completionTokens
    client.limits.finish(permit, used)
    const { promptTokens, completionTokens, cachedTokens, reasoningTokens } = counts ?? NO_TOKENS
    const source = counts?.source ?? 'none'
    const tokens = { promptTokens, completionTokens, cachedTokens, reasoningTokens }
    usage.record({ client: client.name, model: model.name, isError: metered === null, source, ...tokens })
    if (counts !== null) metrics.tokensCounted({ model: model.name, ...counts })
  }

  async function answerWhole(admitted: Admitted, exchange: Exchange): Promise<void> {
    const { client, model, body, operation } = admitted
    const target = { route: model.route, key: client.name, signal: exchange.signal }
    let metered: Metered | null = null
    try {
      const result = await forward.complete(operation, target)
      metered = metering.meter(model, result, { prompt: body.texts, completion: result.text })
      const counted = metered.usage?.source === 'tokenizer' ? { usage: renderUsage(metered.usage) } : {}
      finish(admitted, metered)
      sendJson(
        exchange.response,
        200,
        { ...result.body, model: model.name, ...counted },
        client.limits.headers(),
      )
    } catch (error) {
      if (metered === null) finish(admitted, null)
      throw error
    }
  }

  async function answerStream(admitted: Admitted, exchange: Exchange, stallMs: number): Promise<void> {
    const { client, model, body, operation } = admitted
    const { response, signal } = exchange
    const events = forward.stream(operation, { route: model.route, key: client.name, signal })
    const said: string[] = []
    let metered: Metered | null = null
    let end: Extract<StreamEvent, { type: 'end' }> | null = null
    const begin = () => {
      if (response.headersSent) return
      exchange.labels.isStreaming = true
      response.writeHead(200, { ...STREAM_HEADERS, ...client.limits.headers() })
    }
    const meter = () =>
      metering.meter(model, end ?? NO_USAGE, { prompt: body.texts, completion: said.join('') })
    try {
      const write = async (event: unknown) =>
        writePiece(response, `data: ${JSON.stringify(event)}\n\n`, stallMs)
      for await (const event of events) {
        if (event.type === 'end') {
          end = event
          continue
        }
        begin()
        said.push(event.text)
        const chunk = event.raw ?? bareChunk(event.text)
        if (!isUsageChunk(chunk)) await write({ ...chunk, model: model.name })
      }
      metered = meter()
      begin()
      if (body.wantsUsage && metered.usage !== null) {
        await write({ ...usageChunk(body.route), model: model.name, usage: renderUsage(metered.usage) })
      }
      await writePiece(response, 'data: [DONE]\n\n', stallMs)
      response.end()
    } catch (error) {
      // What was said before the stream broke was work, too.
      if (metered === null && said.length > 0) metered = meter()
      throw error
    } finally {
      finish(admitted, metered)
    }
  }

  return {
    async answer(route, exchange, limits) {
      const { request, response } = exchange
      const client = clientOf(exchange)
      if (client === null) return
      try {
        const body = parseRelayBody(route, await readJsonBody(request, limits.maxBodyBytes))
        const admitted = admit(client, body, exchange)
        if ('status' in admitted) refuse(response, admitted)
        else if (body.isStream) await answerStream(admitted, exchange, limits.stallMs)
        else await answerWhole(admitted, exchange)
      } catch (error) {
        const { status, body } = renderOpenAiError(error)
        log.info('A request of a client failed.', { client: client.name, status, code: body.error.code })
        if (response.headersSent) endBroken(response, body)
        else sendJson(response, status, body, { ...client.limits.headers(), ...retryAdvice(error, status) })
      }
    },
    listModels(exchange, name) {
      const client = clientOf(exchange)
      if (client === null) return
      const allowed = models.filter((model) => client.allows(model.name))
      if (name === null) {
        sendJson(exchange.response, 200, { object: 'list', data: allowed.map(describeModel) })
        return
      }
      const model = allowed.find((candidate) => candidate.name === name)
      if (model !== undefined) sendJson(exchange.response, 200, describeModel(model))
      else {
        const { status, body } = renderOpenAiError(
          new FlockError('TASK_NOT_FOUND', `The model ${JSON.stringify(name)} does not exist.`),
        )
        sendJson(exchange.response, status, body)
      }
    },
    async reportUsage(exchange, query) {
      const client = clientOf(exchange)
      if (client === null) return
      try {
        const report = await usage.report({
          from: query.get('from'),
          to: query.get('to'),
          client: client.name,
        })
        sendJson(exchange.response, 200, report)
      } catch (error) {
        const { status, body } = renderOpenAiError(error)
        sendJson(exchange.response, status, body)
      }
    },
  }
}

const NO_TOKENS = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, reasoningTokens: 0 }
const NO_USAGE = { usage: null, usageFault: 'the stream broke off' }

/** Proxies would otherwise keep pieces until there are many. */
const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
}

function refuse(response: ServerResponse, { status, body, headers }: ClientRefusal): void {
  sendJson(response, status, body, headers)
}

/** A stream that has begun cannot change its status: the error is its last event, and no [DONE] follows. */
function endBroken(response: ServerResponse, body: unknown): void {
  if (!response.destroyed) response.end(`data: ${JSON.stringify(body)}\n\n`)
}

function describeModel({ name }: ServedModel) {
  return { id: name, object: 'model', created: 0, owned_by: 'flock' }
}

/** The chunk that holds nothing but the usage; clients get one of ours, when they ask. */
function isUsageChunk({ choices, usage }: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(choices) && choices.length === 0 && usage !== undefined && usage !== null
}

function usageChunk(route: HostRoute): Record<string, unknown> {
  return { object: route === 'completions' ? 'text_completion' : 'chat.completion.chunk', choices: [] }
}

function bareChunk(text: string): Record<string, unknown> {
  return {
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { content: text }, finish_reason: null }],
  }
}

function tooLong(promptTokens: number, model: ServedModel): FlockError {
  return new FlockError(
    'TASK_INVALID',
    `The prompt has about ${promptTokens} tokens; the model ${model.name} takes ${model.maxPromptTokens}.`,
  )
}
