// `npm run coverage:contracts`: what the unit tests reach of contracts/src, compiled with the settings of foundry.toml.
// Ends with 1 when they reach less than all lines or 98 % of the branches.
//   --json   one JSON document on stdout, and nothing else
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { forgeTests } from './lib/forge.mjs'
import { folder, hitsFile, instrument, readHits, sourcesFile } from './lib/instrument.mjs'
import { root } from './lib/root.mjs'

const REQUIRED = { lines: 100, branches: 98 }
const figures = ['lines', 'statements', 'branches', 'functions']
const inRoot = (path) => join(root, path)

const profile = `
[profile.coverage]
solc = "scripts/lib/coverage-solc.mjs"
out = "${folder}/out"
cache_path = "${folder}/cache"
code_size_limit = 1000000
fs_permissions = [
  { access = "read", path = "./test/fixtures" },
  { access = "read-write", path = "./${hitsFile}" },
]

[profile.coverage.fuzz]
runs = 16
seed = "0x1"
`

function readSources() {
  const names = readdirSync(inRoot('contracts/src'), { recursive: true })
  const paths = names.map((name) => `contracts/src/${name.replaceAll('\\', '/')}`)
  const wanted = paths.filter((path) => path.endsWith('.sol') && !path.startsWith('contracts/src/devnet/'))
  return Object.fromEntries(wanted.sort().map((path) => [path, readFileSync(inRoot(path), 'utf8')]))
}

/** Runs the unit tests of contracts/src over the instrumented sources; what was compiled stays good until those change. */
async function runTests(sources) {
  const text = JSON.stringify(sources)
  if (!existsSync(inRoot(sourcesFile)) || readFileSync(inRoot(sourcesFile), 'utf8') !== text) {
    rmSync(inRoot(folder), { recursive: true, force: true })
    mkdirSync(inRoot(folder), { recursive: true })
    writeFileSync(inRoot(sourcesFile), text)
  }
  const config = inRoot(`${folder}/foundry.toml`)
  writeFileSync(config, readFileSync(inRoot('foundry.toml'), 'utf8') + profile)
  writeFileSync(inRoot(hitsFile), '')
  Object.assign(process.env, { FOUNDRY_CONFIG: config, FOUNDRY_PROFILE: 'coverage' })
  const tests = await forgeTests(['--match-path', 'contracts/test/unit/flock/*'])
  return { tests, hits: readHits(readFileSync(inRoot(hitsFile), 'utf8')) }
}

/** Counts points, `{ key, covered }`; of several points with one key, all must be covered. */
function count(points) {
  const byKey = new Map()
  for (const { key, covered } of points) byKey.set(key, (byKey.get(key) ?? true) && covered)
  return { total: byKey.size, covered: [...byKey.values()].filter(Boolean).length }
}

function measure(points) {
  const keyed = (list, keyOf) => list.map((point) => ({ key: keyOf(point), covered: point.covered }))
  const ofKind = (kind) => points.filter((point) => point.kind === kind)
  const runs = points.filter(({ kind }) => kind !== 'branch')
  const byToken = ({ token }) => token
  return {
    lines: count(keyed(runs, ({ path, line }) => `${path}:${line}`)),
    statements: count(keyed(ofKind('statement'), byToken)),
    branches: count(keyed(ofKind('branch'), byToken)),
    functions: count(keyed(ofKind('function'), byToken)),
  }
}

const percent = ({ covered, total }) => (total === 0 ? 100 : (100 * covered) / total)

function uncoveredOf(points, sources) {
  const missing = points.filter(({ covered }) => !covered)
  const describe = ({ path, line, name }) => ({
    path,
    line,
    name,
    text: sources[path].split('\n')[line - 1].trim(),
  })
  const lines = new Map()
  for (const point of missing) {
    if (point.kind !== 'branch') lines.set(`${point.path}:${point.line}`, describe(point))
  }
  return {
    lines: [...lines.values()].map(({ path, line, text }) => ({ path, line, text })),
    branches: missing
      .filter(({ kind }) => kind === 'branch')
      .map(describe)
      .map(({ path, line, name, text }) => ({ path, line, way: name, text })),
  }
}

function printTable(files, total) {
  const cell = (figure) => `${percent(figure).toFixed(2)} % (${figure.covered}/${figure.total})`
  const row = (name, measured) => [name, ...figures.map((figure) => cell(measured[figure]))]
  const rows = [
    ['file', ...figures],
    ...files.map(({ path, ...measured }) => row(path, measured)),
    row('all', total),
  ]
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)))
  for (const cells of rows) {
    const padded = cells.map((text, column) =>
      column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]),
    )
    process.stdout.write(`${padded.join('  ')}\n`)
  }
}

function printUncovered({ lines, branches }) {
  for (const { path, line, text } of lines) process.stdout.write(`line ${path}:${line}  ${text}\n`)
  for (const { path, line, way, text } of branches)
    process.stdout.write(`branch ${path}:${line} (${way})  ${text}\n`)
}

async function coverage(args) {
  const sources = readSources()
  const instrumented = instrument(sources)
  const { tests, hits } = await runTests(instrumented.sources)
  if (tests.passed === 0) {
    process.stderr.write('no test ran, so there is nothing to report\n')
    return 1
  }
  const points = instrumented.points.map((point) => ({ ...point, covered: hits.has(point.token) }))
  const files = Object.keys(sources)
    .map((path) => ({ path, ...measure(points.filter((point) => point.path === path)) }))
    .filter(({ lines }) => lines.total > 0)
  const total = measure(points)
  const uncovered = uncoveredOf(points, sources)
  const enough = Object.entries(REQUIRED).every(([figure, least]) => percent(total[figure]) >= least)
  const passed = enough && tests.failed === 0
  if (args.includes('--json')) {
    process.stdout.write(
      `${JSON.stringify({ passed, required: REQUIRED, tests, total, files, uncovered })}\n`,
    )
  } else {
    printTable(files, total)
    printUncovered(uncovered)
    process.stdout.write(`${tests.passed} tests passed, ${tests.failed} failed\n`)
    process.stdout.write(
      `required: ${REQUIRED.lines} % of the lines, ${REQUIRED.branches} % of the branches\n`,
    )
  }
  return passed ? 0 : 1
}

process.exitCode = await coverage(process.argv.slice(2))
