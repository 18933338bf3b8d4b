// A copy of the contracts in which every mutant is present, built once; runs of forge in it choose one by the block's coinbase.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import solc from 'solc'
import { findMutants } from './mutants.mjs'
import { root } from './root.mjs'

const selector = 'mutated'
const helperPath = 'contracts/src/Mutated.sol'

// The compiler lets nothing `pure` read the block; a pointer to a function that does passes as one that does not.
const helper = `// SPDX-License-Identifier: MIT
pragma solidity >=0.8.0;

function isCoinbase(uint256 id) view returns (bool) {
    return uint160(address(block.coinbase)) == id;
}

function ${selector}(uint256 id) pure returns (bool) {
    function(uint256) view returns (bool) reading = isCoinbase;
    function(uint256) pure returns (bool) pretending;
    assembly ("memory-safe") {
        pretending := reading
    }
    return pretending(id);
}
`

/** What is copied; the unit tests of Infernet's own contracts have nothing to say about the code at hand. */
const copied = [
  'foundry.toml',
  'contracts/solc.mjs',
  'contracts/infernet',
  'contracts/src',
  'contracts/test',
  'test/fixtures',
]
const leftOut = ['contracts/test/unit/infernet', 'contracts/test/mutation-equivalents.json']

/** Short runs: most mutants die at once, and those that live meet both suites. Code of all mutants is large. */
const environment = {
  FOUNDRY_PROFILE: 'default',
  FOUNDRY_DISABLE_NIGHTLY_WARNING: '1',
  FOUNDRY_CODE_SIZE_LIMIT: '1000000',
  FOUNDRY_FUZZ_RUNS: '32',
  FOUNDRY_INVARIANT_RUNS: '12',
  FOUNDRY_INVARIANT_DEPTH: '48',
  FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT: '0',
}

const suites = {
  unit: ['--match-path', 'contracts/test/unit/**'],
  invariant: ['--match-path', 'contracts/test/invariant/**'],
}

/** The program itself: its launcher takes time to start and hides the exit status. */
function forgeBinary() {
  const launcher = createRequire(join(root, 'package.json')).resolve('@foundry-rs/forge/bin.mjs')
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const [platform, extension] = process.platform === 'win32' ? ['win32', '.exe'] : [process.platform, '']
  return createRequire(launcher).resolve(`@foundry-rs/forge-${platform}-${arch}/bin/forge${extension}`)
}

const running = new Set()
const hasGroups = process.platform !== 'win32'

/** Ends forge together with the compiler that it may have started. */
function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  if (hasGroups) process.kill(-child.pid, 'SIGKILL')
  else child.kill('SIGKILL')
}

/** Ends what is under way. */
export function stopForge() {
  running.forEach(end)
}

/** Resolves to what forge printed and how it ended; `late` when it took longer than `timeoutMs`. */
function forge(args, { cwd, env = {}, timeoutMs } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(forgeBinary(), args, {
      cwd,
      env: { ...process.env, ...environment, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: hasGroups,
    })
    running.add(child)
    const [stdout, stderr] = [[], []]
    child.stdout.on('data', (chunk) => stdout.push(chunk))
    child.stderr.on('data', (chunk) => stderr.push(chunk))
    let late = false
    const giveUp = () => {
      late = true
      end(child)
    }
    const timer = timeoutMs && setTimeout(giveUp, timeoutMs)
    const settle = () => {
      clearTimeout(timer)
      running.delete(child)
    }
    child.on('error', (error) => {
      settle()
      reject(error)
    })
    child.on('close', (code) => {
      settle()
      const text = (chunks) => Buffer.concat(chunks).toString('utf8')
      resolve({ code, late, stdout: text(stdout), stderr: text(stderr) })
    })
  })
}

/** The tests that passed and failed. Throws when forge did not come to run any. */
function readResults(stdout, stderr) {
  const line = stdout.split('\n').find((text) => text.startsWith('{'))
  if (line === undefined) throw new Error(`forge ran no test:\n${stdout}${stderr}`)
  const results = { passed: 0, failed: [] }
  for (const [suite, { test_results: tests }] of Object.entries(JSON.parse(line))) {
    for (const [name, { status, reason }] of Object.entries(tests)) {
      if (status === 'Success') results.passed += 1
      const said = `${suite.split('/').at(-1)} ${name}: ${reason ?? 'no reason given'}`
      if (status === 'Failure') results.failed.push(said)
    }
  }
  if (results.passed + results.failed.length === 0) throw new Error(`forge ran no test:\n${stdout}${stderr}`)
  return results
}

/** Files of a folder and of its folders, or the file itself, as seen from `base`. */
function filesUnder(path, base = root) {
  const full = join(base, path)
  if (leftOut.includes(path) || !existsSync(full)) return []
  if (!statSync(full).isDirectory()) return [path]
  return readdirSync(full).flatMap((name) => filesUnder(`${path}/${name}`, base))
}

/** Stands for all that decides how a run ends: the files of the copy, the packages, and what makes the mutants. */
function fingerprint(contents) {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([environment, suites, helper]))
  for (const [path, content] of contents) hash.update(`\0${path}\0`).update(content)
  const makers = ['package-lock.json', 'scripts/lib/mutants.mjs']
  for (const path of makers) hash.update(readFileSync(join(root, path)))
  return hash.digest('hex')
}

/** Lets the compiler read sources and check them, without making code. */
function analyse(config, sources, read) {
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(Object.entries(sources).map(([path, content]) => [path, { content }])),
    settings: {
      remappings: config.remappings,
      evmVersion: config.evm_version,
      viaIR: config.via_ir,
      outputSelection: { '*': { '': ['ast'] } },
    },
  }
  const load = (path) => {
    try {
      return { contents: read(path).toString('utf8') }
    } catch (error) {
      return { error: error.message }
    }
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: load }))
  return { output, errors: (output.errors ?? []).filter(({ severity }) => severity === 'error') }
}

function faultsOf(errors) {
  return new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'))
}

/** The mutants that an error stands in, or that stand in it first: a conditional is reported as a whole. */
function mutantsAt({ sourceLocation: at }, spans) {
  const here = spans[at?.file] ?? []
  const around = here.filter(({ start, end }) => start <= at.start && at.end <= end)
  if (around.length > 0) return around
  return here.filter(({ start, end }) => at.start <= start && end <= at.end).slice(0, 1)
}

/**
 * The tree with all mutants of `targets` in it.
 * @param {string[]} targets paths of Solidity files, as seen from the project
 */
export async function mutationTree(targets) {
  const folder = join(root, 'contracts/cache/mutation')
  const { stdout } = await forge(['config', '--json'], { cwd: root })
  const config = JSON.parse(stdout)
  // Read once: the contracts may change while the mutants are being run.
  const files = copied.flatMap((path) => filesUnder(path)).sort()
  const contents = new Map(files.map((path) => [path, readFileSync(join(root, path))]))
  const read = (path) => contents.get(path) ?? readFileSync(join(root, path))
  const original = Object.fromEntries(targets.map((path) => [path, read(path).toString('utf8')]))
  const { output, errors } = analyse(config, original, read)
  if (errors.length > 0) throw faultsOf(errors)
  const { mutants, write } = findMutants(targets, output, read, selector)

  /** Mutants that do not compile; each round finds those that the errors of the round before hid. */
  const unbuilt = new Map()
  let written
  for (;;) {
    const without = new Set(unbuilt.keys())
    written = targets.map((path) => [path, write(path, without, helperPath)])
    const texts = Object.fromEntries(written.map(([path, { text }]) => [path, text]))
    const spans = Object.fromEntries(written.map(([path, { spans: of }]) => [path, of]))
    const loaded = (path) => (path === helperPath ? Buffer.from(helper) : read(path))
    const { errors: faults } = analyse(config, texts, loaded)
    if (faults.length === 0) break
    const before = unbuilt.size
    for (const fault of faults) {
      for (const { id } of mutantsAt(fault, spans)) unbuilt.set(id, fault.message)
    }
    if (unbuilt.size === before) throw faultsOf(faults)
  }

  /** Compiles the copy; forge finds out by itself when nothing has changed since. */
  async function build() {
    for (const path of copied.flatMap((name) => filesUnder(name, folder))) rmSync(join(folder, path))
    const texts = [...contents, ...written.map(([path, { text }]) => [path, text]), [helperPath, helper]]
    for (const [path, text] of texts) {
      const target = join(folder, path)
      mkdirSync(dirname(target), { recursive: true })
      // The compiler among them has to stay executable.
      const { mode } = statSync(join(root, path), { throwIfNoEntry: false }) ?? {}
      writeFileSync(target, text, { mode })
    }
    const modules = join(folder, 'node_modules')
    if (!existsSync(modules)) symlinkSync(join(root, 'node_modules'), modules, 'junction')
    const { code, stdout: said, stderr } = await forge(['build'], { cwd: folder })
    if (code !== 0) throw new Error(`The mutants do not compile together:\n${said}${stderr}`)
  }

  /**
   * Runs one suite with one mutant, 0 for none. Resolves to the tests that failed, `undefined` when it was ended by force.
   * @param {'unit' | 'invariant'} suite
   */
  async function run(suite, id, { jobs = 1, timeoutMs } = {}) {
    const scratch = mkdtempSync(join(tmpdir(), 'flock-mutation-'))
    const threads = Math.max(1, Math.floor(availableParallelism() / jobs))
    const coinbase = `0x${id.toString(16).padStart(40, '0')}`
    const args = `test --json --fail-fast --fuzz-seed 1 --threads ${threads} --block-coinbase ${coinbase}`
    // What one mutant failed with must not be tried on the next.
    const env = {
      FOUNDRY_FUZZ_FAILURE_PERSIST_DIR: join(scratch, 'fuzz'),
      FOUNDRY_INVARIANT_FAILURE_PERSIST_DIR: join(scratch, 'invariant'),
      FOUNDRY_TEST_FAILURES_FILE: join(scratch, 'failures'),
    }
    try {
      const ended = await forge([...args.split(' '), ...suites[suite]], { cwd: folder, env, timeoutMs })
      const { code, late } = ended
      if (late) return { passed: 0, failed: ['took too long'], late }
      if (code === null) return undefined
      return { ...readResults(ended.stdout, ended.stderr), late }
    } finally {
      rmSync(scratch, { recursive: true, force: true })
    }
  }

  return { mutants, unbuilt, key: fingerprint(contents), build, run }
}
