/** Tells how a node is: as JSON for `flock node status`, and as metrics. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { stringifyJson } from '../json.js'
import type { NodeEvent } from './events.js'
import type { JournalState } from './journal.js'
import { createNodeFigures, type NodeAbout, type NodeFigures } from './node-figures.js'
import { createNodeMetrics } from './node-metrics.js'
import { createNodeProbe, type NodeProbe, type ProbeOptions } from './node-probe.js'

export interface NodeStatusReport {
  readonly node: NodeAbout
  readonly figures: NodeFigures
  /** Intervals under way. */
  readonly underWay: number
  readonly journal: {
    /** Subscriptions that are taken up again after a restart. */
    readonly accepted: number
    /** Answers that were computed and are not confirmed. */
    readonly open: number
    /** Those of them whose transaction is signed. */
    readonly signed: number
    /** The highest subscription id that was judged. */
    readonly lastId: number | null
  }
  readonly probe: NodeProbe
}

export interface NodeStatusOptions extends Omit<ProbeOptions, 'account'> {
  readonly node: Omit<NodeAbout, 'port'>
  readonly underWay: () => number
  readonly journal: Pick<JournalState, 'accepted' | 'answers' | 'cursor'>
  /** Answers other machines too. */
  readonly isOpen: boolean
}

export interface NodeStatusFace {
  see(event: NodeEvent): void
  /** Answers requests of its own routes; false for all others. */
  handle(request: IncomingMessage, response: ServerResponse): boolean
}

export const STATUS_PATH = '/flock/status'
export const METRICS_PATH = '/metrics'

export function createNodeStatus(options: NodeStatusOptions): NodeStatusFace {
  const { node, journal, isOpen, now, unixMs } = options
  const counter = createNodeFigures(unixMs)
  const metrics = createNodeMetrics(node, now)
  const probe = createNodeProbe({ ...options, account: node.address })

  async function report(port: number): Promise<NodeStatusReport> {
    const answers = [...journal.answers.values()]
    return {
      node: { ...node, port },
      figures: counter.figures(),
      underWay: options.underWay(),
      journal: {
        accepted: journal.accepted.size,
        open: answers.length,
        signed: answers.filter(({ signed }) => signed !== null).length,
        lastId: journal.cursor?.lastId ?? null,
      },
      probe: await probe(),
    }
  }
  const bodies: Readonly<Record<string, (port: number) => Promise<{ contentType: string; body: string }>>> = {
    [STATUS_PATH]: async (port) => ({
      contentType: 'application/json',
      body: `${stringifyJson(await report(port))}\n`,
    }),
    [METRICS_PATH]: async () =>
      metrics.render({
        tracked: counter.figures().tracked,
        underWay: options.underWay(),
        probe: await probe(),
      }),
  }

  return {
    see(event) {
      counter.see(event)
      metrics.see(event)
    },
    handle(request, response) {
      const path = (request.url ?? '').split('?')[0] ?? ''
      const body = Object.hasOwn(bodies, path) ? bodies[path] : undefined
      if (body === undefined) return false
      request.resume()
      if (!isOpen && !isLocal(request)) refuse(response, 403, 'Only this machine may ask.')
      else if (request.method !== 'GET') refuse(response, 405, 'Method Not Allowed')
      else
        body(request.socket.localPort ?? 0).then(
          (answer) => response.writeHead(200, { 'content-type': answer.contentType }).end(answer.body),
          () => response.destroy(),
        )
      return true
    },
  }
}

const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/

/** Behind a proxy of this machine, everybody comes from here. */
function isLocal({ socket, headers }: IncomingMessage): boolean {
  const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined
  return !isForwarded && LOOPBACK.test(socket.remoteAddress ?? '')
}

function refuse(response: ServerResponse, status: number, error: string): void {
  if (status === 405) response.setHeader('allow', 'GET')
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify({ error })}\n`)
}
