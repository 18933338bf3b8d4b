// Writes oclif.manifest.json from the compiled commands, so that start-up need not load them all.
//   node scripts/manifest.mjs           writes the file
//   node scripts/manifest.mjs --check   exits 1 when the file is stale; leaves it as it is
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import { argv } from 'node:process'
import { pathToFileURL } from 'node:url'
import { root } from './lib/root.mjs'
import { runNode } from './lib/steps.mjs'

const file = join(root, 'oclif.manifest.json')

/** Commands by name, not as the file system lists them, and their files as seen from the project. */
function normalised(manifest, folder) {
  const commands = Object.entries(manifest.commands)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, command]) => {
      const path = relative(root, resolve(folder, ...command.relativePath))
      return [id, { ...command, relativePath: path.split(sep) }]
    })
  return { ...manifest, commands: Object.fromEntries(commands) }
}

/** Made in a folder of its own: oclif takes the old file away first, and running commands read it. */
async function generate() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'flock-manifest-')))
  try {
    copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
    for (const name of ['dist', 'node_modules']) symlinkSync(join(root, name), join(folder, name), 'junction')
    const { code } = await runNode(join(root, 'node_modules/oclif/bin/run.js'), ['manifest', folder], {
      // oclif removes the manifest of the folder that it runs in.
      cwd: folder,
      stdout: 'capture',
      env: { OCLIF_SKIP_NEW_VERSION_CHECK: 'true', NODE_ENV: 'production' },
    })
    if (code !== 0) return null
    const manifest = JSON.parse(readFileSync(join(folder, 'oclif.manifest.json'), 'utf8'))
    return `${JSON.stringify(normalised(manifest, folder), null, 2)}\n`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Generates and writes the manifest. Resolves to an exit status. */
export async function writeManifest() {
  const text = await generate()
  if (text === null) return 1
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
  return 0
}

/** Compares the manifest with a fresh one. Resolves to an exit status. */
export async function checkManifest() {
  const current = existsSync(file) ? readFileSync(file, 'utf8') : ''
  if ((await generate()) === current) return 0
  process.stderr.write('oclif.manifest.json is stale: run npm run build\n')
  return 1
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href)
  process.exitCode = await (argv.includes('--check') ? checkManifest() : writeManifest())
