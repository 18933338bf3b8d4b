// `npm run quickstart`: installs when needed, builds, and runs `flock quickstart` with the arguments given.
import { join } from 'node:path'
import { ensureInstalled } from './lib/install.mjs'
import { root } from './lib/root.mjs'
import { runNode } from './lib/steps.mjs'

async function quickstart(args) {
  const installed = await ensureInstalled()
  if (installed !== 0) return installed
  const built = await runNode(join(root, 'scripts/build.mjs'))
  if (built.code !== 0) return built.code
  const { code } = await runNode(join(root, 'bin/run.js'), ['quickstart', ...args], { stdout: 'inherit' })
  return code
}

process.exitCode = await quickstart(process.argv.slice(2))
