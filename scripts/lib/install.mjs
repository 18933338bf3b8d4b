// Makes sure that node_modules is what package-lock.json says.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.mjs'
import { runNpm } from './steps.mjs'

function packagesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}

/** True when every package of the lock file is installed in its version; optional ones may be absent. */
export function isInstalled() {
  const installedFile = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(installedFile)) return false
  const installed = packagesOf(installedFile)
  return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(([path, wanted]) => {
    if (path === '') return true
    const found = installed[path]
    if (!found) return wanted.optional === true || wanted.devOptional === true || wanted.peer === true
    return found.version === wanted.version
  })
}

/** Installs with `npm ci` when something is missing or of another version. Resolves to an exit status. */
export async function ensureInstalled() {
  if (isInstalled()) return 0
  process.stderr.write('Installing the packages of package-lock.json with npm ci\n')
  const { code } = await runNpm(['ci', '--no-audit', '--no-fund'])
  return code
}
