#!/usr/bin/env node
// Runs flock straight from src, without a build.
import { register } from 'node:module'

register('../scripts/lib/typescript-loader.mjs', import.meta.url)
const { main } = await import('../src/lib/cli/main.ts')

await main(process.argv.slice(2), { root: new URL('..', import.meta.url), commands: './src/commands' })
