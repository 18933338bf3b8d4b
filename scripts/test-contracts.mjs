// `npm run test:contracts`: the Solidity tests; arguments go to forge, for instance `-- --match-contract RewardsTest`.
import { forgeTests } from './lib/forge.mjs'

const { passed, failed } = await forgeTests(process.argv.slice(2))
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
