// Runs the Solidity tests and counts them: the launcher of the forge package ends with 0 whatever came of them.
import { join } from 'node:path'
import { root } from './root.mjs'
import { runNode } from './steps.mjs'

const launcher = join(root, 'node_modules/@foundry-rs/forge/bin.mjs')

/** Resolves to how many tests passed and failed, and how many calls invariants saw; names of what failed go to stderr. */
export async function forgeTests(args = []) {
  const { code, stdout } = await runNode(launcher, ['test', '--json', ...args], {
    stdout: 'capture',
    env: { FOUNDRY_DISABLE_NIGHTLY_WARNING: '1' },
  })
  const line = stdout.split('\n').find((text) => text.startsWith('{'))
  if (line === undefined) {
    process.stderr.write(stdout)
    return { passed: 0, failed: 1, calls: 0 }
  }
  const count = { passed: 0, failed: 0, calls: 0 }
  for (const [suite, { test_results: results }] of Object.entries(JSON.parse(line))) {
    for (const [name, { status, reason, kind }] of Object.entries(results)) {
      count.calls += kind?.Invariant?.calls ?? 0
      if (status === 'Success') count.passed += 1
      if (status !== 'Failure') continue
      count.failed += 1
      process.stderr.write(`FAIL ${suite} ${name}: ${reason ?? 'no reason given'}\n`)
    }
  }
  // A status that no counted failure explains (a suite that did not compile, no suite at all) is a failure too.
  if (count.passed === 0 || (code !== 0 && count.failed === 0)) count.failed += 1
  return count
}
