// Rounds of figures to medians, and medians to tables.
import { median } from '../lib/numbers.mjs'
import { quotient, wanted } from './cases.mjs'

/** Share of its core's time above which the load generator, not the server, sets the pace. */
const LOAD_BOUND = 0.9

const FIGURES = [
  'perSec',
  'p50',
  'p99',
  'first',
  'firstP99',
  'delay',
  'delayP99',
  'cpuMs',
  'busy',
  'loadBusy',
]

const medianOf = (values) => median(values.filter((value) => typeof value === 'number'))

/** Medians over rounds; comparisons are made within a round first. */
export function summarize(results) {
  return {
    cases: results.map(({ id, title, rounds, servers }) => ({
      id,
      title,
      rows: servers.map(({ id: server, label }) => summarizeServer(server, label, rounds)),
    })),
    wanted: wanted.flatMap(({ figure, caseId, of, sign, limit, aim }) => {
      const result = results.find(({ id }) => id === caseId)
      const value = result === undefined ? null : medianOf(result.rounds.map(of))
      return value === null
        ? []
        : [{ figure, value, sign, limit, aim, verdict: verdictOf(value, sign, limit, aim) }]
    }),
  }
}

function summarizeServer(server, label, rounds) {
  const own = rounds.map((round) => round[server])
  const faults = own.flatMap(({ fault }) => (fault === null ? [] : [fault]))
  const figures = Object.fromEntries(FIGURES.map((name) => [name, medianOf(own.map((round) => round[name]))]))
  const toBare = (name) => medianOf(rounds.map((round) => quotient(round[server][name], round.bare[name])))
  const compared = { perSecToBare: toBare('perSec'), cpuToBare: toBare('cpuMs') }
  return { server, label, ...figures, ...compared, fault: faults[0] ?? null }
}

function verdictOf(value, sign, limit, aim) {
  const reaches = (mark) => (sign === '>=' ? value >= mark : value <= mark)
  if (reaches(aim)) return 'aim reached'
  return reaches(limit) ? 'reached' : 'missed'
}

const cell = (digits) => (value) =>
  value === null
    ? ''
    : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
const percent = (value) => (value === null ? '' : `${Math.round(value * 100)} %`)
const thousandths = (value) => (value === null ? '' : cell(0)(value * 1000))

const COLUMNS = [
  ['per s', 'perSec', cell(0)],
  ['to bare', 'perSecToBare', cell(2)],
  ['p50 ms', 'p50', cell(2)],
  ['p99 ms', 'p99', cell(2)],
  ['first ms', 'first', cell(2)],
  ['piece ms', 'delay', cell(3)],
  ['CPU us', 'cpuMs', thousandths],
  // Says more than the rate when other programs take a part of the core.
  ['to bare', 'cpuToBare', cell(2)],
  ['CPU', 'busy', percent],
  ['load', 'loadBusy', percent],
]

export function render({ cases, wanted: figures, leftOut, pinned, othersBusy }) {
  const lines = cases.flatMap(({ title, rows }) => [...renderCase(title, rows), ''])
  lines.push(...renderWanted(figures))
  if (cases.some(({ rows }) => rows.some(isLoadBound))) {
    lines.push('* the load generator and the model server had no time left: the server can do more')
  }
  for (const { id, reason } of leftOut) lines.push(`left out: ${id}: ${reason}`)
  lines.push(
    pinned
      ? 'Each server had one core, the load generator and the model server another.'
      : 'Nothing was pinned to a core: taskset is missing, or there is but one core.',
  )
  if (othersBusy !== null) lines.push(`Other programs took ${percent(othersBusy)} of the machine meanwhile.`)
  return lines.map((line) => `${line}\n`).join('')
}

function isLoadBound({ server, loadBusy }) {
  return server !== 'direct' && loadBusy !== null && loadBusy > LOAD_BOUND
}

function renderCase(title, rows) {
  const columns = COLUMNS.filter(([, name]) => rows.some((row) => row[name] !== null))
  return table([
    [title, ...columns.map(([head]) => head)],
    ...rows.map((row) => [
      `${row.label}${isLoadBound(row) ? ' *' : ''}`,
      ...(row.fault === null ? columns.map(([, name, text]) => text(row[name])) : [`failed: ${row.fault}`]),
    ]),
  ])
}

function renderWanted(figures) {
  if (figures.length === 0) return []
  const rows = figures.map(({ figure, value, sign, limit, aim, verdict }) => [
    figure,
    cell(2)(value),
    `${sign} ${limit}`,
    aim.toString(),
    verdict,
  ])
  return table([['what counts', 'measured', 'wanted', 'aim', ''], ...rows])
}

function table(rows) {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.filter(({ length }) => length === rows[0].length).map((row) => row[column].length)),
  )
  return rows.map(([first, ...cells]) =>
    [first.padEnd(widths[0]), ...cells.map((text, index) => text.padStart(widths[index + 1]))]
      .join('  ')
      .trimEnd(),
  )
}
