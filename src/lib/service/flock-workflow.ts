import type { CallOffSignal } from '../call-off.js'
import type { FlockError } from '../errors.js'
import type { Address } from '../hex.js'
import {
  DESTINATION,
  type FiveFields,
  type JsonObject,
  type ServiceInput,
  type ServiceOutput,
} from '../infernet/payload.js'
import { type StockTask, renderStockAnswer } from '../infernet/stock-task.js'
import type { Logger } from '../log.js'
import type { Forward } from '../router/forward.js'
import type { ChatResult, StreamEvent } from '../router/openai.js'
import { chatOperation } from '../router/operation.js'
import type { ReceiptKey } from '../usage/receipt-key.js'
import { createReceiptSigner } from '../usage/receipt.js'
import type { AnswerJournal } from './answer-journal.js'
import { type MeteredUsage, type Metering, renderUsage } from './metering.js'
import type { ServiceMetrics } from './metrics.js'
import type { ServedModel } from './models.js'
import { createPaidTasks, renderPaidAnswer } from './paid-tasks.js'
import { type Task, planTask, textsOf } from './task.js'

export interface FlockWorkflowOptions {
  /** Chain whose requests are answered, and meter that receipts are signed for. */
  readonly chainId: number
  readonly usageMeter: Address
  readonly models: readonly ServedModel[]
  /** Whether tasks of the chain in the encodings of stock services are done, which name no paid request. */
  readonly takesStockTasks: boolean
  /** Key of the models' receipt signer. */
  readonly receiptKey: ReceiptKey
  /** Keeps paid answers; without one, a request that comes again is computed, and signed for, again. */
  readonly journal?: AnswerJournal | undefined
  readonly forward: Forward
  readonly metering: Metering
  readonly metrics: Pick<ServiceMetrics, 'receiptStored' | 'tokensCounted'>
  /** Milliseconds of any clock that does not go backwards. */
  readonly nowMs: () => number
  readonly log: Logger
}

/** The service behind the container: tasks in, answers of model hosts and signed usage receipts out. */
export interface FlockWorkflow {
  readonly models: readonly ServedModel[]
  readonly receiptSigner: Address
  /** Why no paid request is answered until the service is started again; null while all is well. */
  readonly fault: FlockError | null
  /**
   * Answers a task that goes to the chain or to the caller. The same task of the chain, given twice at the same time,
   * is computed once; given again later it gets the answer and the receipt that the journal kept. The usage meter
   * pays an interval and node only once in any case.
   * @throws TASK_INVALID, TASK_NOT_FOUND, PROOF_UNSUPPORTED, HOST_*, INTERRUPTED, and what `AnswerJournal` throws
   */
  run(input: ServiceInput, signal?: CallOffSignal): Promise<ServiceOutput>
  /** Answers a task as pieces of text, each of whole characters. Throws as `run`. */
  stream(input: ServiceInput, signal?: CallOffSignal): AsyncGenerator<string>
}

export function createFlockWorkflow(options: FlockWorkflowOptions): FlockWorkflow {
  const { chainId, usageMeter, models, forward, metering, metrics, log } = options
  const context = { chainId, models, takesStockTasks: options.takesStockTasks }
  const signer = createReceiptSigner({ chainId, usageMeter }, options.receiptKey)
  const paid = createPaidTasks({ ...options, signer, journal: options.journal, complete })

  function complete(
    { model, request, envelope }: Task,
    signal: CallOffSignal | undefined,
  ): Promise<ChatResult> {
    const key = envelope?.requester ?? null
    return forward.complete(chatOperation(request), { route: model.route, key, signal })
  }

  /** Tokens of a task that nobody pays for; null when they cannot be told. */
  function count({ model, request }: Task, answer: Omit<ChatResult, 'finishReason'>): MeteredUsage | null {
    const { hostId, text } = answer
    const { usage } = metering.meter(model, answer, {
      prompt: () => textsOf(request),
      completion: text,
    })
    if (usage !== null) metrics.tokensCounted({ model: model.name, ...usage })
    log.debug('Answered a task.', { model: model.name, hostId, ...usage })
    return usage
  }

  async function answerOffChain(task: Task, signal: CallOffSignal | undefined): Promise<JsonObject> {
    const result = await complete(task, signal)
    const usage = count(task, result)
    return {
      output: result.text,
      model: task.model.name,
      usage: usage === null ? null : renderUsage(usage),
    }
  }

  async function answerStock(
    task: Task,
    stock: StockTask,
    signal: CallOffSignal | undefined,
  ): Promise<FiveFields> {
    const result = await complete(task, signal)
    count(task, result)
    return renderStockAnswer(stock, result.text)
  }

  async function* stream(input: ServiceInput, signal?: CallOffSignal): AsyncGenerator<string> {
    const task = planTask(input, context)
    const said: string[] = []
    // The first half of a character, where the host cut one: each piece is valid UTF-8 by itself.
    let half = ''
    for await (const events of forward.stream(chatOperation(task.request), {
      route: task.model.route,
      signal,
    })) {
      let text = half
      let end: Extract<StreamEvent, { type: 'end' }> | undefined
      for (const event of events) {
        if (event.type === 'end') end = event
        else text += event.text
      }
      half = end === undefined && /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : ''
      const whole = half === '' ? text : text.slice(0, -1)
      said.push(whole)
      if (end !== undefined) count(task, { ...end, text: said.join('') })
      if (whole !== '') yield whole
    }
  }

  return {
    models,
    receiptSigner: signer.address,
    get fault() {
      return options.journal?.fault ?? null
    },
    async run(input, signal) {
      const task = planTask(input, context)
      const { envelope, stock } = task
      if (input.destination !== DESTINATION.onChain) return answerOffChain(task, signal)
      if (envelope !== null)
        return renderPaidAnswer(await paid.answer(task, envelope, signal), input.requiresProof)
      return stock === null ? answerOffChain(task, signal) : answerStock(task, stock, signal)
    },
    stream,
  }
}
