// Packs the project, installs the tarball in an empty folder and uses it as its users will.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './root.mjs'
import { runNode, runNpm } from './steps.mjs'

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Resolves to how many checks passed and failed. Expects a finished build. */
export async function testPackage() {
  const count = { passed: 0, failed: 0 }
  const check = (name, ok) => {
    process.stdout.write(`  ${ok ? 'ok' : 'FAILED'}: ${name}\n`)
    count[ok ? 'passed' : 'failed'] += 1
    return ok
  }
  const folder = mkdtempSync(join(tmpdir(), 'flock-package-'))
  try {
    const packed = await runNpm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      stdout: 'capture',
    })
    const tarball = parse(packed.stdout)?.[0]
    if (!check('npm pack makes a tarball', tarball !== undefined)) return count
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const home = join(folder, 'empty')
    mkdirSync(home)
    writeFileSync(join(home, 'package.json'), '{ "private": true }\n')
    const installed = await runNpm(
      ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, tarball.filename)],
      { cwd: home },
    )
    if (!check('the tarball installs in an empty folder', installed.code === 0)) return count
    const bin = join(home, 'node_modules/@flock-io/cli/bin/run.js')
    const flock = (args) => runNode(bin, args, { cwd: home, stdout: 'capture' })
    check('flock --version names the version', (await flock(['--version'])).stdout.includes(version))
    const init = await flock(['init', 'host', '--json', '--no-input'])
    check('flock init writes a project', init.code === 0 && parse(init.stdout)?.success === true)
    const story = await flock(['quickstart', '--json'])
    check('flock quickstart tells the whole story', story.code === 0 && parse(story.stdout)?.success === true)
    return count
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
