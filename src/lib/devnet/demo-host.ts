/** An OpenAI-compatible model server small enough to ship: it learns a text when it starts and answers from that. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FlockError, messageOf, toFlockError } from '../errors.js'
import { renderHttpError } from '../service/http-errors.js'
import { readJsonBody, sendJson, writePiece } from '../service/http.js'
import { listen } from '../service/listen.js'
import { type DemoAnswer, type DemoChat, answerDemoChat, parseDemoChat } from './demo-chat.js'
import { type DemoModel, trainDemoModel } from './demo-model.js'

export interface DemoHostOptions {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Text to learn from. */
  readonly corpusPath: string
  /** Name that the model answers to. */
  readonly model: string
  /** Unix seconds, for the `created` fields. */
  readonly nowSec: () => number
  /** Closes the server when it aborts. */
  readonly signal?: AbortSignal
}

export interface DemoHost {
  /** Base URL for an OpenAI client, ending in /v1. */
  readonly baseUrl: string
  readonly port: number
  readonly vocabularySize: number
  readonly closed: Promise<void>
  close(): Promise<void>
}

const MAX_BODY_BYTES = 1_048_576
const STALL_MS = 30_000

interface Context {
  readonly name: string
  readonly model: DemoModel
  readonly nowSec: () => number
}

/**
 * Trains the model and opens the server.
 * @throws CONFIG_UNREADABLE for the text, PORT_IN_USE, USAGE_INVALID
 */
export async function createDemoHost(options: DemoHostOptions): Promise<DemoHost> {
  const model = trainDemoModel(await readCorpus(options.corpusPath))
  const context: Context = { name: options.model, model, nowSec: options.nowSec }
  const server = createServer((request, response) => {
    void answer(request, response, context).catch((error: unknown) => refuse(response, error))
  })
  const url = await listen(server, options)
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  const close = () => {
    server.close()
    server.closeAllConnections()
    return closed
  }
  if (options.signal?.aborted === true) void close()
  options.signal?.addEventListener('abort', () => void close(), { once: true })
  const { port } = server.address() as AddressInfo
  return { baseUrl: `${url}/v1`, port, vocabularySize: model.vocabularySize, closed, close }
}

async function answer(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const path = request.url?.split('?')[0]
  if (request.method === 'GET' && path === '/health') sendJson(response, 200, { status: 'healthy' })
  else if (request.method === 'GET' && path === '/v1/models') sendJson(response, 200, listModels(context))
  else if (request.method === 'POST' && path === '/v1/chat/completions') {
    const chat = parseDemoChat(await readJsonBody(request, MAX_BODY_BYTES), context.name)
    const answered = answerDemoChat(chat, context.model)
    if (chat.stream) await streamChat(response, chat, answered, context)
    else sendJson(response, 200, completionBody(answered, context))
  } else {
    throw new FlockError('TASK_NOT_FOUND', 'There is no such route.', {
      hint: 'Routes: GET /v1/models, POST /v1/chat/completions, GET /health.',
    })
  }
}

function listModels({ name, nowSec }: Context) {
  return { object: 'list', data: [{ id: name, object: 'model', created: nowSec(), owned_by: 'flock' }] }
}

function completionBody({ pieces, finishReason, usage }: DemoAnswer, { name, nowSec }: Context) {
  const message = { role: 'assistant', content: pieces.join('') }
  return {
    id: newId(),
    object: 'chat.completion',
    created: nowSec(),
    model: name,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason }],
    usage,
  }
}

async function streamChat(
  response: ServerResponse,
  { includeUsage }: DemoChat,
  { pieces, finishReason, usage }: DemoAnswer,
  { name, nowSec }: Context,
): Promise<void> {
  const head = { id: newId(), object: 'chat.completion.chunk', created: nowSec(), model: name }
  const usageField = includeUsage ? { usage: null } : {}
  const send = (data: string) => writePiece(response, `data: ${data}\n\n`, STALL_MS)
  const sendDelta = (delta: object, finish_reason: string | null) =>
    send(JSON.stringify({ ...head, choices: [{ index: 0, delta, finish_reason }], ...usageField }))
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  await sendDelta({ role: 'assistant', content: '' }, null)
  for (const content of pieces) await sendDelta({ content }, null)
  await sendDelta({}, finishReason)
  if (includeUsage) await send(JSON.stringify({ ...head, choices: [], usage }))
  await send('[DONE]')
  response.end()
}

/** Errors in the shape that OpenAI clients read. */
function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, body } = renderHttpError(error)
  const type = status >= 500 ? 'server_error' : 'invalid_request_error'
  const code = toFlockError(error).code === 'TASK_NOT_FOUND' ? 'not_found' : null
  sendJson(response, status, { error: { message: body.description, type, param: null, code } })
}

async function readCorpus(path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new FlockError(
      'CONFIG_UNREADABLE',
      `The training text ${path} cannot be read: ${messageOf(error)}.`,
      {
        cause: error,
        details: { path },
      },
    )
  }
  if (text.trim() !== '') return text
  throw new FlockError('CONFIG_UNREADABLE', `The training text ${path} is empty.`, { details: { path } })
}

function newId(): string {
  return `chatcmpl-${randomUUID()}`
}
