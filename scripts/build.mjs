// Builds dist and oclif.manifest.json.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeManifest } from './manifest.mjs'
import { root } from './lib/root.mjs'
import { runNode } from './lib/steps.mjs'

/** Removes compiled files whose source is gone; oclif would still offer their commands. */
function prune(dist, src) {
  for (const item of readdirSync(dist, { withFileTypes: true })) {
    const compiled = join(dist, item.name)
    if (item.isDirectory()) {
      if (existsSync(join(src, item.name))) prune(compiled, join(src, item.name))
      else rmSync(compiled, { recursive: true })
    } else if (!existsSync(join(src, item.name.replace(/(?:\.d\.ts|\.js)$/, '.ts')))) {
      rmSync(compiled)
    }
  }
}

const { code } = await runNode(join(root, 'node_modules/typescript/bin/tsc'), ['-p', 'tsconfig.json'])
if (code !== 0) process.exitCode = code
else {
  prune(join(root, 'dist'), join(root, 'src'))
  process.exitCode = await writeManifest()
}
