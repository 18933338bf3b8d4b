import type { CallOffSignal } from '../call-off.js'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** One request under way; the signal aborts when its client goes away or the service gives up waiting for it. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly signal: CallOffSignal
  /** What is found out about the request on its way, for metrics. */
  readonly labels: ExchangeLabels
  /** Told when the first piece of a stream is on its way. */
  readonly streamBegins: () => void
}

export interface ExchangeLabels {
  /** Names of the configuration. */
  model: string | null
  client: string | null
  /** The status of an error that came too late to be the answer's own. */
  lateStatus: number | null
}
