// `npm run bench` measures everything in bench/, `npm run bench:<name>` one figure; `-- --json` gives one JSON document.
// Names come first, everything from the first flag on is the bench's own.
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ensureInstalled } from './lib/install.mjs'
import { root } from './lib/root.mjs'
import { runNode } from './lib/steps.mjs'

const folder = join(root, 'bench')

function allNames() {
  const files = readdirSync(folder).filter((file) => file.endsWith('.mjs'))
  return files.map((file) => basename(file, '.mjs')).sort()
}

async function bench(args) {
  const installed = await ensureInstalled()
  if (installed !== 0) return installed
  const built = await runNode(join(root, 'scripts/build.mjs'))
  if (built.code !== 0) return built.code
  const firstFlag = args.findIndex((arg) => arg.startsWith('-'))
  const wanted = firstFlag < 0 ? args : args.slice(0, firstFlag)
  const flags = firstFlag < 0 ? [] : args.slice(firstFlag)
  const json = flags.includes('--json')
  const names = wanted.length > 0 ? wanted : allNames()
  const results = {}
  for (const name of names) {
    const { code, stdout } = await runNode(join(folder, `${name}.mjs`), flags, {
      stdout: json ? 'capture' : 'inherit',
    })
    if (code !== 0) return code
    if (json) results[name] = JSON.parse(stdout)
  }
  if (json) process.stdout.write(`${JSON.stringify(names.length === 1 ? results[names[0]] : results)}\n`)
  return 0
}

process.exitCode = await bench(process.argv.slice(2))
