/** Finds out whether a model server really answers, by asking it as the service will. */
import type { CallOffSignal } from '../call-off.js'
import { Pool } from 'undici'
import { FlockError } from '../errors.js'
import { nearestName } from '../nearest.js'
import { callForAnswer } from './calls.js'
import { chatOfPrompt } from './chat-request.js'
import { type Incoming, exchange } from './exchange.js'
import { callError, parseBody, statusError } from './host-errors.js'
import type { Host } from './hosts.js'
import type { ReportedUsage } from './openai.js'
import { chatOperation } from './operation.js'

/** What a host that is ready showed. */
export interface ProbeReport {
  readonly hostId: string
  readonly model: string
  /** How many models the host lists; 0 for a container, which has no list. */
  readonly models: number
  /** Null when it reported none, and none is asked of it. */
  readonly usage: ReportedUsage | null
  /** How long its completion took, whole milliseconds. */
  readonly latencyMs: number
}

export interface ProbeOptions {
  /** Milliseconds of any clock that does not go backwards. */
  readonly nowMs: () => number
  /** Whether the model has a tokenizer, which counts where hosts do not. */
  readonly hasTokenizer: boolean
  readonly signal?: CallOffSignal
}

const PROMPT = 'Say that you are ready.'
/** Enough for a few words; the answer itself is thrown away. */
const MAX_TOKENS = 16
/** A list of models and a completion of 16 tokens are far smaller. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024
/** Model names quoted in a hint. */
const MAX_NAMES = 8

/**
 * Checks that a host lists its model and completes a chat with text, and with token counts where nobody else counts.
 * Costs a few tokens. A container of Infernet has no list of models, so it is asked for the chat alone.
 * @throws HOST_NOT_READY, HOST_UNREACHABLE, HOST_FAILED, HOST_REJECTED, INTERRUPTED
 */
export async function probeHost(host: Host, options: ProbeOptions): Promise<ProbeReport> {
  const pool = new Pool(host.origin, {
    connections: 1,
    connect: { timeout: Math.min(host.connectTimeoutMs, host.timeoutMs) },
    maxResponseSize: MAX_ANSWER_BYTES,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  const operation = chatOperation({ messages: chatOfPrompt(PROMPT), maxTokens: MAX_TOKENS, options: {} })
  const headers = Object.entries(host.requestHeaders()).flat()
  try {
    const models = host.kind === 'infernet' ? [] : await listModels(pool, host, headers, options.signal)
    if (host.kind === 'openai') requireListed(host, models)
    const startedMs = options.nowMs()
    const answerHeaders = ['content-type', 'application/json', 'accept', 'application/json', ...headers]
    const { text, usage, usageFault } = await callForAnswer(
      { host, pool, answerHeaders },
      operation,
      options.signal,
    )
    const latencyMs = Math.round(options.nowMs() - startedMs)
    if (text === '') throw notReady(host, 'completed a chat with no text', 'Look at model of the host.')
    if (usage === null && !options.hasTokenizer) {
      throw notReady(
        host,
        `cannot be metered: ${usageFault}`,
        'Use a server that reports token usage, or give the model a tokenizer.',
      )
    }
    return { hostId: host.id, model: host.model, models: models.length, usage, latencyMs }
  } finally {
    await pool.destroy()
  }
}

async function listModels(
  pool: Pool,
  host: Host,
  headers: readonly string[],
  signal: CallOffSignal | undefined,
): Promise<string[]> {
  let incoming: Incoming
  try {
    const path = `${host.basePath}/models`
    const outgoing = { method: 'GET', path, headers: ['accept', 'application/json', ...headers] } as const
    incoming = await exchange(pool, outgoing, { timeoutMs: host.timeoutMs, signal })
  } catch (error) {
    throw callError(error, host)
  }
  if (incoming.status !== 200) throw statusError(incoming.status, host)
  return modelNames(parseBody(incoming.text, host), host)
}

function modelNames(body: unknown, host: Host): string[] {
  const data = typeof body === 'object' && body !== null && 'data' in body ? body.data : null
  if (!Array.isArray(data)) {
    throw notReady(
      host,
      'gave no list of models',
      'Does baseUrl end where the OpenAI routes begin, usually in /v1?',
    )
  }
  return data.flatMap((entry: unknown) =>
    typeof entry === 'object' && entry !== null && 'id' in entry && typeof entry.id === 'string'
      ? [entry.id]
      : [],
  )
}

function requireListed(host: Host, models: readonly string[]): void {
  if (models.includes(host.model)) return
  const near = nearestName(host.model, models)
  const shown = models.slice(0, MAX_NAMES).join(', ') + (models.length > MAX_NAMES ? ', ...' : '')
  throw notReady(
    host,
    `does not serve the model "${host.model}"`,
    near === null
      ? `It serves ${shown === '' ? 'no model' : shown}.`
      : `Did you mean "${near}"? Set it as model of the host.`,
    { model: host.model, models: models.slice(0, MAX_NAMES) },
  )
}

function notReady(
  host: Host,
  fault: string,
  hint: string,
  details: Record<string, unknown> = {},
): FlockError {
  return new FlockError('HOST_NOT_READY', `Host ${host.id} ${fault}.`, {
    details: { hostId: host.id, ...details },
    hint,
  })
}
