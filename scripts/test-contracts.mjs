// `npm run test:contracts`: the Solidity tests; arguments go to forge, for instance `-- --match-contract RewardsTest`.
//   --deep   (first) the invariants alone, with the long runs of the profile `deep` in foundry.toml
import { forgeTests } from './lib/forge.mjs'

const args = process.argv.slice(2)
if (args[0] === '--deep') {
  process.env.FOUNDRY_PROFILE = 'deep'
  args.splice(0, 1, '--match-path', 'contracts/test/invariant/*')
}
const { passed, failed, calls } = await forgeTests(args)
const fuzzed = calls === 0 ? '' : `, ${calls} calls between checks of invariants`
process.stdout.write(`${passed} passed, ${failed} failed${fuzzed}\n`)
process.exitCode = failed === 0 ? 0 : 1
