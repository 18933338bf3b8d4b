// What is measured, and what is wanted of it.
import { BODY_BYTES } from './wire.mjs'

const CONNECTIONS = [1, 32, 256]

const json = (id, title, bytes) =>
  CONNECTIONS.map((connections) => ({
    id: `${id}-${connections}`,
    title: `${title} bodies, ${connectionsText(connections)}`,
    bytes,
    connections,
    isStream: false,
    spacingMs: 0,
  }))

const stream = (id, how, spacingMs, connections) => ({
  id: `${id}-${connections}`,
  title: `streams of 20 pieces ${how}, ${connectionsText(connections)}`,
  bytes: BODY_BYTES.small,
  connections,
  isStream: true,
  spacingMs,
})

export const cases = [
  ...json('1kb', '1 KB', BODY_BYTES.small),
  ...json('64kb', '64 KB', BODY_BYTES.large),
  ...[1, 32].map((connections) => stream('stream', '2 ms apart', 2, connections)),
  ...[1, 32].map((connections) => stream('burst', 'at once', 0, connections)),
]

/** `ratio` and `added` compare a figure of two servers in the same round. */
const ratio = (figure, server, other) => (round) => quotient(round[server]?.[figure], round[other]?.[figure])
const added = (figure, server, other) => (round) =>
  difference(round[server]?.[figure], round[other]?.[figure])

export const wanted = [
  ['req/s, 1 KB, 32 connections, over bare', '1kb-32', ratio('perSec', 'service', 'bare'), '>=', 0.7, 0.9],
  [
    'req/s, 1 KB, 32 connections, over Portkey',
    '1kb-32',
    ratio('perSec', 'service', 'portkey'),
    '>=',
    10,
    14,
  ],
  ['req/s, 64 KB, 32 connections, over bare', '64kb-32', ratio('perSec', 'service', 'bare'), '>=', 0.7, 0.9],
  ['ms added, 1 KB, 1 connection, p50', '1kb-1', added('p50', 'service', 'direct'), '<=', 0.5, 0.35],
  [
    'ms CPU added by receipts, 1 KB, 32 connections',
    '1kb-32',
    added('cpuMs', 'receipts', 'service'),
    '<=',
    1.5,
    0.4,
  ],
  ['ms added to first piece, 1 stream, p50', 'stream-1', added('first', 'service', 'direct'), '<=', 1.5, 1.1],
  [
    'ms added to first piece, 32 streams, p50',
    'stream-32',
    added('first', 'service', 'direct'),
    '<=',
    1.5,
    1.1,
  ],
  ['ms added per piece, 1 stream, p50', 'stream-1', added('delay', 'service', 'direct'), '<=', 0.5, 0.35],
  ['ms added per piece, 32 streams, p50', 'stream-32', added('delay', 'service', 'direct'), '<=', 0.5, 0.35],
].map(([figure, caseId, of, sign, limit, aim]) => ({ figure, caseId, of, sign, limit, aim }))

function connectionsText(count) {
  return count === 1 ? '1 connection' : `${count} connections`
}

/** Null when one of the two is missing. */
export function quotient(a, b) {
  return isFigure(a) && isFigure(b) && b > 0 ? a / b : null
}

function difference(a, b) {
  return isFigure(a) && isFigure(b) ? a - b : null
}

function isFigure(value) {
  return typeof value === 'number' && Number.isFinite(value)
}
