// `npm run verify`: installs, builds and runs every check of the project; the last line is the true count.
//   --no-package   leaves out packing, installing and running the published package
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forgeTests } from './lib/forge.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { root } from './lib/root.mjs'
import { run, runNode } from './lib/steps.mjs'
import { testPackage } from './lib/package-test.mjs'

const bin = (path) => join(root, 'node_modules', path)

/** A step that passes or fails as a whole. */
async function step(promise) {
  const { code } = await promise
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

async function jestTests() {
  const folder = mkdtempSync(join(tmpdir(), 'flock-verify-'))
  const file = join(folder, 'jest.json')
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']
  try {
    const { code } = await run(process.execPath, [
      ...flags,
      bin('jest/bin/jest.js'),
      '--json',
      `--outputFile=${file}`,
    ])
    const result = JSON.parse(readFileSync(file, 'utf8'))
    const count = {
      passed: result.numPassedTests,
      failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
    }
    if (code !== 0 && count.failed === 0) count.failed += 1
    return count
  } catch (error) {
    process.stderr.write(`jest left no result: ${error.message}\n`)
    return { passed: 0, failed: 1 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const parts = [
  ['contract ABIs are current', () => step(runNode(join(root, 'contracts/build.mjs'), ['--check']))],
  ['command manifest is current', () => step(runNode(join(root, 'scripts/manifest.mjs'), ['--check']))],
  ['types', () => step(runNode(bin('typescript/bin/tsc'), ['--noEmit', '-p', 'tsconfig.test.json']))],
  ['lint', () => step(runNode(bin('eslint/bin/eslint.js'), ['.', '--max-warnings', '0']))],
  ['format', () => step(runNode(bin('prettier/bin/prettier.cjs'), ['--check', '--log-level', 'warn', '.']))],
  ['gas as kept and within limits', () => step(runNode(join(root, 'bench/gas.mjs'), ['--check']))],
  ['contract tests', forgeTests],
  ['tests', jestTests],
  ['package', testPackage],
]

async function verify(args) {
  const total = { passed: 0, failed: 0 }
  const count = async (name, part) => {
    process.stdout.write(`${name} ...\n`)
    const { passed, failed } = await part()
    total.passed += passed
    total.failed += failed
    process.stdout.write(`${name}: ${passed} passed, ${failed} failed\n`)
    return failed === 0
  }
  const ready =
    (await count('install', async () => step(Promise.resolve({ code: await ensureInstalled() })))) &&
    (await count('build', () => step(runNode(join(root, 'scripts/build.mjs')))))
  if (ready) {
    for (const [name, part] of parts) {
      if (name !== 'package' || !args.includes('--no-package')) await count(name, part)
    }
  }
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`)
  return total.failed === 0 ? 0 : 1
}

process.exitCode = await verify(process.argv.slice(2))
