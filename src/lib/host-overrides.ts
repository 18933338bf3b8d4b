/** What a model host of `flock.yaml` may lay over the requests to it: config and router refuse the same. */

export interface HostOverrides {
  /** Sent with every request, beside those of the service. */
  readonly headers: Readonly<Record<string, string>>
  /** Values of JSON, laid over the body of every request. */
  readonly body: Readonly<Record<string, unknown>>
}

export interface OverrideFault {
  readonly place: keyof HostOverrides
  /** Of the header or field, as it is written. */
  readonly name: string
  /** The service sets it itself, or HTTP has no way to send it. */
  readonly reason: 'reserved' | 'unsendable'
}

/** Headers that the connection or the service decides. */
const RESERVED_HEADERS = new Set([
  'accept',
  'accept-encoding',
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-litellm-api-key',
])

/** Fields of a body that the service decides; the limit is what whoever asks pays for. */
const RESERVED_FIELDS = new Set([
  'model',
  'messages',
  'prompt',
  'input',
  'max_tokens',
  'max_completion_tokens',
  'n',
  'stream',
  'stream_options',
])

/** Every header and field that a host cannot have, in the order they are written. */
export function findOverrideFaults({ headers, body }: HostOverrides): OverrideFault[] {
  return [
    ...Object.entries(headers).flatMap(([name, value]): OverrideFault[] => {
      if (RESERVED_HEADERS.has(name.toLowerCase())) return [{ place: 'headers', name, reason: 'reserved' }]
      return isSendable(name, value) ? [] : [{ place: 'headers', name, reason: 'unsendable' }]
    }),
    ...Object.keys(body)
      .filter((name) => RESERVED_FIELDS.has(name))
      .map((name): OverrideFault => ({ place: 'body', name, reason: 'reserved' })),
  ]
}

/** A line break would begin another header. */
function isSendable(name: string, value: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e]*$/.test(value)
}
