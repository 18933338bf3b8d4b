import type { Answer, WatchOptions } from '../models/answers.js'
import type { OpenedRequest } from '../models/request.js'
import { FlockError, isFlockError } from '../errors.js'
import type { Place } from './chain-command.js'
import { SpendCommand } from './spend-command.js'
import { answerNote, requestJson, type RequestJson } from './views/request.js'
import { isoTime, printableText } from './views/text.js'

/** Time beyond a request's deadline in which an answer that was mined just before it is still found. */
const PATIENCE_MARGIN_MS = 15_000
/** Timers hold no longer delays; nobody waits as long. */
const MAX_PATIENCE_MS = 2 ** 31 - 1

/** Base of commands that show the answers to a request as they come. */
export abstract class AnswerCommand<T extends object> extends SpendCommand<T> {
  /** @param wait false looks once */
  protected watchOptions({ network }: Place, request: OpenedRequest, wait: boolean): WatchOptions {
    const untilMs = request.deadline * 1000 - Date.now() + PATIENCE_MARGIN_MS
    const patienceMs = Math.min(Math.max(untilMs, PATIENCE_MARGIN_MS), MAX_PATIENCE_MS)
    return {
      confirmations: network.confirmations,
      signal: this.signal,
      patience: wait ? AbortSignal.timeout(patienceMs) : AbortSignal.abort(),
    }
  }

  /**
   * Prints each answer as it comes, its text alone on stdout.
   * @param wait true when a request without any answer is a failure
   * @throws ANSWER_TIMEOUT, INTERRUPTED with the command that goes on waiting
   */
  protected async showAnswers(
    answers: AsyncIterable<Answer>,
    request: OpenedRequest,
    wait: boolean,
  ): Promise<RequestJson> {
    const progress = this.progress()
    const found: Answer[] = []
    if (wait) progress.start(`Waiting for an answer until ${isoTime(request.deadline)}`)
    try {
      for await (const answer of answers) {
        progress.stop()
        found.push(answer)
        this.note(answerNote(answer))
        if (answer.text !== null) this.show([printableText(answer.text)])
      }
    } catch (error) {
      throw this.signal.aborted ? interrupted(error, request) : error
    } finally {
      progress.stop()
    }
    const result = requestJson(request, found)
    if (wait && found.length === 0) throw noAnswer(request)
    if (result.status === 'open') {
      this.note(`${found.length} of ${request.intervals * request.redundancy} answers so far.`)
    }
    return result
  }
}

function interrupted(error: unknown, request: OpenedRequest): FlockError {
  const cause = isFlockError(error) ? error.cause : error
  return new FlockError(
    'INTERRUPTED',
    `Stopped while waiting; the request ${request.requestId} stays open.`,
    {
      cause,
      details: factsOf(request),
      hint: `flock request show ${request.requestId} --wait`,
    },
  )
}

function noAnswer(request: OpenedRequest): FlockError {
  return new FlockError(
    'ANSWER_TIMEOUT',
    `No node answered the request ${request.requestId} until ${isoTime(request.deadline)}.`,
    { details: factsOf(request), hint: `flock request cancel ${request.requestId}` },
  )
}

function factsOf({ requestId, subscriptionId, deadline, txHash }: OpenedRequest): Record<string, unknown> {
  return { requestId, subscriptionId, deadline: isoTime(deadline), txHash }
}
