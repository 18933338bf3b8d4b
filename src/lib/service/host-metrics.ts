/** Figures of model hosts: calls that are over, and how each host stands. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { ERRORS } from '../errors.js'
import type { HostCall, HostReport } from '../router/forward.js'
import { type KnownNames, type MetricNames, listed, remember2, remember3 } from './metric-labels.js'
import type { Tallies } from './metric-tally.js'
import { ANSWER_BUCKETS, FIRST_TOKEN_BUCKETS, seconds } from './metric-units.js'

export interface HostMetrics {
  callEnded(call: HostCall): void
  /** Sets the gauges; hosts that are not in the list are left out of them. */
  sample(reports: readonly HostReport[]): void
  /** Lets counters begin at zero, so that their first step shows. */
  begin(names: MetricNames): void
}

const OUTCOMES = new Set<string>(['ok', ...Object.keys(ERRORS)])
const CIRCUITS: readonly HostReport['circuit'][] = ['closed', 'open', 'trial']

export function createHostMetrics(registry: Registry, names: KnownNames, tallies: Tallies): HostMetrics {
  const registers = [registry]
  const onHost = ['model', 'host'] as const
  const calls = new Counter({
    name: 'flock_host_requests_total',
    help: 'Calls to model hosts, by outcome: ok or the code of the error.',
    labelNames: [...onHost, 'outcome'],
    registers,
  })
  const durations = new Histogram({
    name: 'flock_host_request_duration_seconds',
    help: 'Time of calls to model hosts, from the request to the end of the answer.',
    labelNames: onHost,
    buckets: ANSWER_BUCKETS,
    registers,
  })
  const firstEvents = new Histogram({
    name: 'flock_host_first_event_seconds',
    help: 'Time from the request to a model host until the first event of its stream.',
    labelNames: onHost,
    buckets: FIRST_TOKEN_BUCKETS,
    registers,
  })
  const retries = new Counter({
    name: 'flock_retries_total',
    help: 'Calls to model hosts that were made because another failed.',
    labelNames: ['model'],
    registers,
  })
  const hedges = new Counter({
    name: 'flock_hedges_total',
    help: 'Calls to model hosts that were made because another was slow.',
    labelNames: ['model'],
    registers,
  })
  const outstanding = new Gauge({
    name: 'flock_host_outstanding',
    help: 'Calls under way at a model host.',
    labelNames: onHost,
    registers,
  })
  const queued = new Gauge({
    name: 'flock_host_queue_length',
    help: 'Requests that wait for room at a model host.',
    labelNames: onHost,
    registers,
  })
  const circuit = new Gauge({
    name: 'flock_host_circuit_state',
    help: 'State of the circuit to a model host: 1 for the state that it is in, 0 for the others.',
    labelNames: [...onHost, 'state'],
    registers,
  })
  const ewma = new Gauge({
    name: 'flock_host_ewma_seconds',
    help: 'Moving average with peaks of the time that a model host takes, for whole answers and for first events of streams.',
    labelNames: [...onHost, 'until'],
    registers,
  })

  const callOf = remember3((model, host, outcome) => tallies.of(calls.labels(model, host, outcome)))
  const durationOf = remember2((model, host) => durations.labels(model, host))
  const firstEventOf = remember2((model, host) => firstEvents.labels(model, host))

  return {
    callEnded(call) {
      const model = names.model(call.model)
      const host = names.host(model, call.hostId)
      callOf(model, host, listed(OUTCOMES, call.outcome)).count += 1
      durationOf(model, host).observe(seconds(call.durationMs))
      if (call.firstEventMs !== null) firstEventOf(model, host).observe(seconds(call.firstEventMs))
      if (call.cause === 'retry') retries.inc({ model })
      else if (call.cause === 'hedge') hedges.inc({ model })
    },
    sample(reports) {
      for (const figure of [outstanding, queued, circuit, ewma]) figure.reset()
      for (const report of reports) {
        const model = names.model(report.model)
        const host = names.host(model, report.hostId)
        outstanding.set({ model, host }, report.outstanding)
        queued.set({ model, host }, report.queued)
        for (const state of CIRCUITS) circuit.set({ model, host, state }, report.circuit === state ? 1 : 0)
        if (report.answerMs !== null) ewma.set({ model, host, until: 'answer' }, seconds(report.answerMs))
        if (report.firstEventMs !== null)
          ewma.set({ model, host, until: 'first_event' }, seconds(report.firstEventMs))
      }
    },
    begin({ models }) {
      for (const { name, hostIds } of models) {
        retries.inc({ model: name }, 0)
        hedges.inc({ model: name }, 0)
        for (const hostId of hostIds) callOf(name, hostId, 'ok')
      }
    },
  }
}
