#!/usr/bin/env node
// Gives forge the pinned compiler from npm (solc, WebAssembly) behind the command line of a native solc:
// `--version` and `--standard-json` are all that forge asks for.
import { readFileSync } from 'node:fs'
import solc from 'solc'

const args = process.argv.slice(2)
if (args.includes('--version')) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace('.Emscripten.clang', '.Linux.g++')}\n`)
} else if (args.includes('--standard-json')) {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
} else {
  process.stderr.write('solc.mjs answers --version and --standard-json only\n')
  process.exitCode = 2
}
