// Writes oclif.manifest.json from the compiled commands, so that start-up need not load them all.
//   node scripts/manifest.mjs           writes the file
//   node scripts/manifest.mjs --check   exits 1 when the file is stale; leaves it as it is
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import { pathToFileURL } from 'node:url'
import { root } from './lib/root.mjs'
import { runNode } from './lib/steps.mjs'

const file = join(root, 'oclif.manifest.json')

/** oclif lists commands in the order in which the file system does. */
function inOrder(manifest) {
  const commands = Object.entries(manifest.commands).sort(([a], [b]) => (a < b ? -1 : 1))
  return { ...manifest, commands: Object.fromEntries(commands) }
}

async function generate() {
  const { code } = await runNode(join(root, 'node_modules/oclif/bin/run.js'), ['manifest', root], {
    stdout: 'capture',
    env: { OCLIF_SKIP_NEW_VERSION_CHECK: 'true', NODE_ENV: 'production' },
  })
  if (code !== 0) return null
  return `${JSON.stringify(inOrder(JSON.parse(readFileSync(file, 'utf8'))), null, 2)}\n`
}

/** Generates and writes the manifest. Resolves to an exit status. */
export async function writeManifest() {
  const text = await generate()
  if (text === null) return 1
  writeFileSync(file, text)
  return 0
}

/** Compares the manifest with a fresh one. Resolves to an exit status. */
export async function checkManifest() {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const fresh = await generate()
  if (before !== '') writeFileSync(file, before)
  if (fresh === before) return 0
  process.stderr.write('oclif.manifest.json is stale: run npm run build\n')
  return 1
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href)
  process.exitCode = await (argv.includes('--check') ? checkManifest() : writeManifest())
