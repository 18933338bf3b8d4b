/** The OpenAI-compatible routes: for clients with keys, beside the tasks of the chain. */
import type { ServerResponse } from 'node:http'
import { FlockError, toFlockError } from '../errors.js'
import type { Logger } from '../log.js'
import type { Forward } from '../router/forward.js'
import type { RelayedAnswer } from '../router/openai.js'
import type { HostRoute, Operation } from '../router/operation.js'
import { type RelayBody, parseRelayBody, relayOperation } from '../router/relay-body.js'
import type { Permit } from './client-limits.js'
import { type ClientRefusal, closedRefusal } from './client-refusal.js'
import type { ClientUsage } from './client-usage.js'
import type { Client, Clients } from './clients.js'
import { retryAdvice } from './http-errors.js'
import { readJsonBody, sendJson, writePiece } from './http.js'
import { type MeteredUsage, type Metering, renderUsage } from './metering.js'
import type { ServiceMetrics } from './metrics.js'
import { type ServedModel, findModel, isNamed } from './models.js'
import { finishChunk, isUsageChunk, textChunk, usageChunk } from './openai-chunks.js'
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

type Chunk = Readonly<Record<string, unknown>>

/** What a request used: counted, nothing at all, or more than nothing and nobody knows how much. */
type Use = MeteredUsage | 'nothing' | 'unknown'

/** How a request ended. */
interface Ended {
  readonly use: Use
  readonly isError: boolean
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
    const model = modelFor(client, body.model)
    exchange.labels.model = model.name
    // Counting tokens takes time, which nobody is given who is refused anyway.
    const refusal = clients.refuseModel(client, model.name) ?? client.limits.refusal()
    if (refusal !== null) return turnedAway(client, model, refusal)
    const promptTokens = body.inputTokens + metering.estimate(model, body.texts)
    if (promptTokens > model.maxPromptTokens) throw tooLong(promptTokens, model)
    const completes = body.route !== 'embeddings'
    const maxTokens = completes ? Math.min(body.maxTokens ?? Infinity, model.maxCompletionTokens) : null
    const admission = client.limits.admit(promptTokens + (maxTokens ?? 0))
    if (admission.permit === null) return turnedAway(client, model, admission.refusal)
    const operation = relayOperation(body, { promptTokens, maxTokens })
    return { client, model, body, permit: admission.permit, operation }
  }

  /** Models that a client may not use are refused as such, and not named to it where it asks for one that is not there. */
  function modelFor(client: Client, wanted: string | null): ServedModel {
    const model = wanted === null ? undefined : models.find((candidate) => isNamed(candidate, wanted))
    return model ?? findModel(allowedTo(client), wanted)
  }

  function allowedTo(client: Client): ServedModel[] {
    return models.filter(({ name }) => client.allows(name))
  }

  function turnedAway(client: Client, model: ServedModel, refusal: ClientRefusal): ClientRefusal {
    count(client, model, { use: 'nothing', isError: true })
    return refusal
  }

  /** Settles the limits of a client and counts what it used. */
  function finish({ client, model, permit }: Admitted, ended: Ended): void {
    client.limits.finish(permit, tokensOf(ended.use))
    count(client, model, ended)
  }

  function count({ name: client }: Client, { name: model }: ServedModel, { use, isError }: Ended): void {
    if (typeof use === 'string') {
      usage.record({ client, model, isError, source: 'none', ...NO_TOKENS })
      return
    }
    usage.record({ client, model, isError, ...use })
    metrics.tokensCounted({ model, ...use })
  }

  async function answerWhole(admitted: Admitted, exchange: Exchange): Promise<void> {
    const { client, model, body, operation } = admitted
    const target = { route: model.route, key: client.name, signal: exchange.signal }
    let ended: Ended = FAILED
    let answer: object
    try {
      const result = await forward.complete(operation, target)
      const { usage: counted } = metering.meter(model, result, { ...promptOf(body), completion: result.text })
      ended = { use: counted ?? 'unknown', isError: false }
      answer = withUsage({ ...result.body, model: model.name }, counted)
    } catch (error) {
      ended = { use: useOfFailure(error), isError: true }
      throw error
    } finally {
      finish(admitted, ended)
    }
    sendJson(exchange.response, 200, answer, client.limits.headers())
  }

  async function answerStream(admitted: Admitted, exchange: Exchange, stallMs: number): Promise<void> {
    const { client, model, body, operation } = admitted
    const { response, signal } = exchange
    const events = forward.stream(operation, { route: model.route, key: client.name, signal })
    const said: string[] = []
    let last: Chunk | null = null
    let end: Pick<RelayedAnswer, 'usage' | 'usageFault'> = CUT_OFF
    let ended: Ended = FAILED
    const begin = () => {
      if (response.headersSent) return
      exchange.streamBegins()
      response.writeHead(200, { ...STREAM_HEADERS, ...client.limits.headers() })
    }
    const write = async (text: string) => {
      begin()
      await writePiece(response, text, stallMs)
    }
    const render = (chunk: Chunk) => `data: ${JSON.stringify({ ...chunk, model: model.name })}\n\n`
    const meter = () => metering.meter(model, end, { ...promptOf(body), completion: said.join('') }).usage
    try {
      for await (const together of events) {
        let text = ''
        for (const event of together) {
          if (event.type === 'end') {
            end = event
            continue
          }
          said.push(event.text)
          if (event.raw !== null && isUsageChunk(event.raw)) continue
          last = event.raw
          text += render(last ?? textChunk(event.text, said.length === 1))
        }
        if (text !== '') await write(text)
      }
      const counted = meter()
      ended = { use: counted ?? 'unknown', isError: false }
      const finish = said.length > 0 && last === null ? render(finishChunk()) : ''
      const isUsageTold = body.wantsUsage && counted !== null
      const told = isUsageTold ? render(usageChunk(body.route, renderUsage(counted), last)) : ''
      await write(`${finish}${told}data: [DONE]\n\n`)
      response.end()
    } catch (error) {
      // What was said before the stream broke was work, too.
      const use = said.length === 0 ? useOfFailure(error) : (meter() ?? 'unknown')
      if (ended === FAILED) ended = { use, isError: true }
      throw error
    } finally {
      finish(admitted, ended)
    }
  }

  function fail({ response, labels }: Exchange, client: Client, error: unknown): void {
    const { status, body } = renderOpenAiError(error)
    const { code, message: reason } = toFlockError(error)
    // Clients come and go.
    const level = status < 500 || response.destroyed ? 'info' : status === 500 ? 'error' : 'warn'
    log[level]('A request of a client failed.', { client: client.name, status, code, reason })
    if (!response.headersSent) {
      sendJson(response, status, body, { ...client.limits.headers(), ...retryAdvice(error, status) })
    } else if (!response.destroyed) {
      // A stream that has begun cannot change its status: the error is its last event, and no [DONE] follows.
      labels.lateStatus = status
      response.end(`data: ${JSON.stringify(body)}\n\n`)
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
        fail(exchange, client, error)
      }
    },
    listModels(exchange, name) {
      const client = clientOf(exchange)
      if (client === null) return
      const allowed = allowedTo(client)
      try {
        if (name !== null) sendJson(exchange.response, 200, describeModel(findModel(allowed, name)))
        else sendJson(exchange.response, 200, { object: 'list', data: allowed.map(describeModel) })
      } catch (error) {
        fail(exchange, client, error)
      }
    },
    async reportUsage(exchange, query) {
      const client = clientOf(exchange)
      if (client === null) return
      const refusal = client.limits.admitIdle()
      if (refusal !== null) {
        refuse(exchange.response, refusal)
        return
      }
      try {
        const report = await usage.report({
          from: query.get('from'),
          to: query.get('to'),
          client: client.name,
        })
        sendJson(exchange.response, 200, report, client.limits.headers())
      } catch (error) {
        fail(exchange, client, error)
      }
    },
  }
}

const NO_TOKENS = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, reasoningTokens: 0 }
const CUT_OFF = { usage: null, usageFault: 'the stream broke off' }
const FAILED: Ended = { use: 'unknown', isError: true }

/** Proxies would otherwise keep pieces until there are many. */
const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
}

function refuse(response: ServerResponse, { status, body, headers }: ClientRefusal): void {
  sendJson(response, status, body, headers)
}

/** Whoever goes away may leave a host at work. */
function useOfFailure(error: unknown): Use {
  const { code } = toFlockError(error)
  return code === 'INTERRUPTED' || code === 'INTERNAL' ? 'unknown' : 'nothing'
}

/** What a client's limits are told: null when nobody knows. */
function tokensOf(use: Use): number | null {
  if (typeof use === 'string') return use === 'nothing' ? 0 : null
  return use.promptTokens + use.completionTokens
}

function promptOf({ texts, inputTokens }: RelayBody) {
  return { prompt: () => texts, inputTokens }
}

/** Usage that a host reports stays as it is; what cannot be true is left out. */
function withUsage(answer: Chunk, counted: MeteredUsage | null): Chunk {
  if (counted?.source === 'host') return answer
  return { ...answer, usage: counted === null ? undefined : renderUsage(counted) }
}

function describeModel({ name }: ServedModel) {
  return { id: name, object: 'model', created: 0, owned_by: 'flock' }
}

function tooLong(promptTokens: number, model: ServedModel): FlockError {
  return new FlockError(
    'TASK_INVALID',
    `The prompt has about ${promptTokens} tokens; the model ${model.name} takes ${model.maxPromptTokens}.`,
  )
}
