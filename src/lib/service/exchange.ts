import type { IncomingMessage, ServerResponse } from 'node:http'

/** One request under way; the signal aborts when its client goes away or the service gives up waiting for it. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly signal: AbortSignal
  /** What is found out about the request on its way, for metrics. */
  readonly labels: ExchangeLabels
}

export interface ExchangeLabels {
  /** Names of the configuration. */
  model: string | null
  client: string | null
  /** The status of an error that came too late to be the answer's own. */
  lateStatus: number | null
  /** True once the first piece of a stream is on its way. */
  isStreaming: boolean
}
