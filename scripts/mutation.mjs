// `npm run test:contracts:mutation`: changes the contracts' reward and receipt code in small ways, one at a time, and counts
// the changes that no Solidity test notices. Ends with 1 when less than 95 % are noticed.
//   --all         also the other contracts, which keep models and serve requests
//   --only <what> mutants of files whose path holds this text, or by number: 17 or 10-40; may be given more than once
//   --sample <n>  that many mutants, picked at random, the same ones every time
//   --seed <n>    picks others
//   --jobs <n>    runs at a time; 2 unless told
//   --list        names the mutants without running them
//   --json        gives one JSON document
// Results are kept in contracts/cache/mutation.json for as long as sources and tests stay the same: what was interrupted goes on.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { mutationTree, stopForge } from './lib/mutation-tree.mjs'
import { root } from './lib/root.mjs'

const leastScore = 95
const namesOfRewards = [
  'RewardDistributor',
  'EmissionProgram',
  'UsageMeter',
  'FlockUsageVerifier',
  'StakeVault',
]
const journalPath = join(root, 'contracts/cache/mutation.json')
const equivalentsPath = join(root, 'contracts/test/mutation-equivalents.json')

const say = (text) => process.stderr.write(`${text}\n`)
const percent = (part, whole) => (whole === 0 ? 100 : (100 * part) / whole)
const shownAs = ({ id, file, line, original, mutated }) =>
  `${file}:${line}  #${id}  ${original}  ->  ${mutated}`

/** The Solidity files of a folder. */
function filesOf(folder) {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.sol'))
  return names.sort().map((name) => `${folder}/${name}`)
}

function count(text, name) {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new Error(`--${name} takes a whole number above 0, not ${text}`)
  return number
}

/** Whether a mutant is one of those that `--only` names. */
function isNamed({ id, file }, wanted) {
  return wanted.some((text) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? []
    return first === undefined ? file.includes(text) : id >= Number(first) && id <= Number(last)
  })
}

/** A generator of numbers in [0, 1) that gives the same ones for the same seed (mulberry32). */
function randomFrom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function sampleOf(list, size, seed) {
  const random = randomFrom(seed)
  const drawn = list.map((item) => ({ item, lot: random() })).sort((a, b) => a.lot - b.lot)
  const picked = new Set(drawn.slice(0, size).map(({ item }) => item))
  return list.filter((item) => picked.has(item))
}

/** Results that were kept for the same sources, and a way to keep more. */
function openJournal(key) {
  const kept = existsSync(journalPath) ? JSON.parse(readFileSync(journalPath, 'utf8')) : undefined
  const results = new Map(kept?.key === key ? kept.results.map((result) => [result.id, result]) : [])
  const keep = (result) => {
    results.set(result.id, result)
    mkdirSync(dirname(journalPath), { recursive: true })
    writeFileSync(`${journalPath}.part`, JSON.stringify({ key, results: [...results.values()] }))
    renameSync(`${journalPath}.part`, journalPath)
  }
  return { results, keep }
}

/** Survivors that were looked at and found to behave like the original, each with the reason. */
function readEquivalents() {
  if (!existsSync(equivalentsPath)) return []
  const entries = JSON.parse(readFileSync(equivalentsPath, 'utf8'))
  for (const entry of entries) {
    const lacks = ['file', 'line', 'original', 'mutated', 'reason'].filter((key) => !entry[key])
    if (lacks.length > 0)
      throw new Error(`An entry of ${equivalentsPath} lacks ${lacks.join(', ')}: ${JSON.stringify(entry)}`)
  }
  return entries
}

function isAccepted(mutant, entry) {
  const sameText = entry.original === mutant.original && entry.mutated === mutant.mutated
  return sameText && entry.file === mutant.file && entry.line === mutant.lineText
}

let stopped = false

/** Runs the suites without a mutant; all must pass. Resolves to how long each took, or `undefined`. */
async function baseline(tree, jobs) {
  const took = {}
  for (const suite of ['unit', 'invariant']) {
    const start = performance.now()
    const result = await tree.run(suite, 0, { jobs })
    if (!result || stopped) return undefined
    took[suite] = performance.now() - start
    if (result.failed.length > 0) throw new Error(`Fails without any mutant:\n${result.failed.join('\n')}`)
    say(`${suite} tests without a mutant: ${result.passed} passed in ${(took[suite] / 1000).toFixed(1)} s`)
  }
  return took
}

/** Tries one mutant with the unit tests and, when it lives, with the invariants. */
async function tryMutant(tree, { id }, took, jobs) {
  const start = performance.now()
  for (const suite of ['unit', 'invariant']) {
    const result = await tree.run(suite, id, { jobs, timeoutMs: 60_000 + 10 * took[suite] })
    if (!result || stopped) return undefined
    const seconds = Math.round((performance.now() - start) / 100) / 10
    if (result.failed.length > 0)
      return { id, status: suite, by: result.failed[0], late: result.late, seconds }
  }
  return { id, status: 'survived', seconds: Math.round((performance.now() - start) / 100) / 10 }
}

function showProgress(done, total, survived, started) {
  const minutes = ((performance.now() - started) / done) * ((total - done) / 60_000)
  const text = `${done} of ${total} mutants, ${survived} survived, ${minutes.toFixed(1)} minutes left`
  if (process.stderr.isTTY) process.stderr.write(`\r${text}\u001b[K${done === total ? '\n' : ''}`)
  else if (done % 25 === 0 || done === total) say(text)
}

async function runAll(tree, mutants, journal, jobs) {
  const waiting = mutants.filter(({ id }) => !journal.results.has(id))
  if (waiting.length < mutants.length) say(`${mutants.length - waiting.length} results are known from before`)
  if (waiting.length === 0) return
  say('Compiling all mutants together: this takes minutes when anything has changed')
  await tree.build()
  const took = stopped ? undefined : await baseline(tree, jobs)
  if (!took) return
  const [total, started] = [waiting.length, performance.now()]
  let [done, survived] = [0, 0]
  const work = async () => {
    for (let mutant = waiting.shift(); mutant && !stopped; mutant = waiting.shift()) {
      const result = await tryMutant(tree, mutant, took, jobs)
      if (!result) return
      journal.keep(result)
      done += 1
      if (result.status === 'survived') survived += 1
      showProgress(done, total, survived, started)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  if (done < total && !stopped) throw new Error('Something ended forge; what is known so far is kept.')
}

/** What the results amount to, by file and in all. */
function summarise(tree, mutants, results, equivalents) {
  const built = mutants.filter(({ id }) => results.has(id))
  const count = (file, list) => {
    const number = (wanted) => list.filter(({ id }) => results.get(id).status === wanted).length
    const [unit, invariant, survived] = ['unit', 'invariant', 'survived'].map(number)
    const accepted = list.filter(
      (mutant) =>
        results.get(mutant.id).status === 'survived' &&
        equivalents.some((entry) => isAccepted(mutant, entry)),
    ).length
    const killed = unit + invariant
    const score = percent(killed, list.length)
    const adjusted = percent(killed, list.length - accepted)
    return { file, mutants: list.length, unit, invariant, survived, accepted, score, adjusted }
  }
  const files = [...new Set(built.map(({ file }) => file))]
  const survivors = built.filter(({ id }) => results.get(id).status === 'survived')
  const reasonFor = (mutant) => equivalents.find((entry) => isAccepted(mutant, entry))?.reason
  const plain = (mutant) => {
    const { id, file, line, lineText, scope, operator, original, mutated } = mutant
    return { id, file, line, lineText, scope, operator, original, mutated, reason: reasonFor(mutant) }
  }
  const isStale = (entry) => {
    const matching = tree.mutants.filter((mutant) => isAccepted(mutant, entry))
    const seen = matching.filter(({ id }) => results.has(id))
    return (
      matching.length === 0 ||
      (seen.length > 0 && seen.every(({ id }) => results.get(id).status !== 'survived'))
    )
  }
  return {
    files: files.map((file) =>
      count(
        file,
        built.filter((mutant) => mutant.file === file),
      ),
    ),
    all: count('all', built),
    late: built.filter(({ id }) => results.get(id).late).length,
    survivors: survivors.map(plain),
    unbuilt: mutants
      .filter(({ id }) => tree.unbuilt.has(id))
      .map((mutant) => ({ ...plain(mutant), why: tree.unbuilt.get(mutant.id) })),
    stale: equivalents.filter(isStale),
  }
}

function print({ files, all, late, survivors, unbuilt, stale }) {
  const write = (text = '') => process.stdout.write(`${text}\n`)
  const header = ['', 'mutants', 'unit tests', 'invariants', 'survived', 'accepted', 'score', 'adjusted']
  const rows = [...files, all].map((row) => [
    row.file,
    ...[row.mutants, row.unit, row.invariant, row.survived, row.accepted].map(String),
    ...[row.score, row.adjusted].map((value) => `${value.toFixed(1)} %`),
  ])
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column].length)))
  for (const row of [header, ...rows]) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]),
    )
    write(cells.join('  '))
  }
  const open = survivors.filter(({ reason }) => reason === undefined)
  const accepted = survivors.filter(({ reason }) => reason !== undefined)
  const section = (title, lines) => {
    if (lines.length === 0) return
    write(`\n${title}`)
    for (const line of lines) write(`  ${line}`)
  }
  section('Survived:', open.map(shownAs))
  section(
    'Survived and accepted:',
    accepted.map((mutant) => `${shownAs(mutant)}\n      ${mutant.reason}`),
  )
  section(
    'Not built:',
    unbuilt.map((mutant) => `${shownAs(mutant)}  (${mutant.why})`),
  )
  section(
    'Accepted without need:',
    stale.map(({ file, original, mutated }) => `${file}: ${original}  ->  ${mutated}`),
  )
  if (late > 0) write(`\n${late} of the killed took too long.`)
}

async function main() {
  const { values } = parseArgs({
    options: {
      all: { type: 'boolean' },
      only: { type: 'string', multiple: true },
      sample: { type: 'string' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: '2' },
      list: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const jobs = count(values.jobs, 'jobs')
  const contracts = filesOf('contracts/src')
  const isOfRewards = (file) => namesOfRewards.includes(basename(file, '.sol'))
  const rewards = [...contracts.filter(isOfRewards), ...filesOf('contracts/src/libraries')]
  // All of them have their number in any case, so that results stay good whatever is asked for.
  const tree = await mutationTree([...rewards, ...contracts.filter((file) => !rewards.includes(file))])
  const ofFiles = tree.mutants.filter(({ file }) => values.all || values.only || rewards.includes(file))
  const named = values.only ? ofFiles.filter((mutant) => isNamed(mutant, values.only)) : ofFiles
  const mutants = values.sample
    ? sampleOf(named, count(values.sample, 'sample'), count(values.seed, 'seed'))
    : named
  if (values.list) {
    process.stdout.write(
      values.json ? `${JSON.stringify(mutants)}\n` : mutants.map((mutant) => `${shownAs(mutant)}\n`).join(''),
    )
    return 0
  }
  const equivalents = readEquivalents()
  const journal = openJournal(tree.key)
  await runAll(
    tree,
    mutants.filter(({ id }) => !tree.unbuilt.has(id)),
    journal,
    jobs,
  )
  if (stopped) return 130
  const summary = summarise(tree, mutants, journal.results, equivalents)
  if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`)
  else print(summary)
  return summary.all.score < leastScore ? 1 : 0
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stopped = true
    stopForge()
  })
}
process.exitCode = await main().catch((error) => {
  if (stopped) return 130
  say(error.message)
  return 1
})
