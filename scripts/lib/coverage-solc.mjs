#!/usr/bin/env node
// The compiler of `npm run coverage:contracts`: contracts/solc.mjs, given the instrumented text of sources that have one.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sourcesFile } from './instrument.mjs'
import { root } from './root.mjs'

const args = process.argv.slice(2)

function instrumentedInput() {
  const input = JSON.parse(readFileSync(0, 'utf8'))
  const instrumented = JSON.parse(readFileSync(join(root, sourcesFile), 'utf8'))
  for (const [path, source] of Object.entries(input.sources))
    source.content = instrumented[path] ?? source.content
  return JSON.stringify(input)
}

const { status } = spawnSync(process.execPath, [join(root, 'contracts/solc.mjs'), ...args], {
  input: args.includes('--standard-json') ? instrumentedInput() : '',
  stdio: ['pipe', 'inherit', 'inherit'],
})
process.exitCode = status ?? 1
