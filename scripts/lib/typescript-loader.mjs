// Module hooks that let Node.js run the TypeScript of src: `./x.js` is looked up as `./x.ts` and its types are removed.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { transform } from '@swc/core'

const sources = new URL('../../src/', import.meta.url).href

export async function resolve(specifier, context, next) {
  const fromSource = context.parentURL?.startsWith(sources) === true
  if (fromSource && specifier.startsWith('.') && specifier.endsWith('.js'))
    return next(specifier.replace(/\.js$/, '.ts'), context)
  return next(specifier, context)
}

export async function load(url, context, next) {
  if (!url.startsWith(sources) || !url.endsWith('.ts')) return next(url, context)
  const filename = fileURLToPath(url)
  const { code } = await transform(await readFile(filename, 'utf8'), {
    filename,
    sourceMaps: 'inline',
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
  })
  return { format: 'module', source: code, shortCircuit: true }
}
