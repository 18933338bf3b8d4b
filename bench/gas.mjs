// Whole-transaction gas of named scenarios on the local chain, beside floors: what comparable contracts need at least, measured
// with the same compiler settings. The figures are kept in contracts/snapshots/gas.json.
//   --write   writes the snapshot
//   --check   exits 1 when a figure is not that of the snapshot or above its limit
import { readFileSync, writeFileSync } from 'node:fs'
import { keccak256, toUtf8Bytes } from 'ethers'
import { emissionProgramArtifact } from '../dist/lib/abi/emission-program.js'
import { rewardDistributorArtifact } from '../dist/lib/abi/reward-distributor.js'
import { stakeVaultArtifact } from '../dist/lib/abi/stake-vault.js'
import { testTokenArtifact } from '../dist/lib/abi/test-token.js'
import { MAX_UINT256, createModels, createRequests, deployConsumers, withWorld } from './lib/gas-world.mjs'

const TEN = 10
/** Beside the one there is: a thousand. */
const MANY_DELEGATORS = 999
const FLOCK = 10n ** 18n
const NOBODY_ELSE = `0x${'00'.repeat(20)}`
const snapshotPath = new URL('../contracts/snapshots/gas.json', import.meta.url)

/** Signatures and times differ between runs, and a zero byte of call data costs 12 gas less than another. */
const TOLERANCE = 200

async function runScenarios(world) {
  const { at, account, signerOf, call, read } = world
  const consumers = await deployConsumers(world)
  const models = createModels(world, consumers.consumer)
  const requests = createRequests(world, consumers)
  const rows = []
  const add = (scenario, gas, { limit = null, aim = null, floor = null } = {}) =>
    rows.push({ scenario, gas: Number(gas), limit, aim, floor })
  const many = (seed) =>
    Array.from({ length: 64 }, (_, index) => `0x${keccak256(toUtf8Bytes(`${seed} ${index}`)).slice(-40)}`)

  const operator = signerOf('training-node')
  const delegator = signerOf('delegator')
  const [vault, distributor, emissions] = ['StakeVault', 'RewardDistributor', 'EmissionProgram'].map(at)
  const onVault = (signer, fn, ...args) => call(signer, stakeVaultArtifact, vault, fn, args)
  const onDistributor = (signer, fn, ...args) =>
    call(signer, rewardDistributorArtifact, distributor, fn, args)
  const onEmissions = (signer, fn, ...args) => call(signer, emissionProgramArtifact, emissions, fn, args)
  const approve = (signer, spender) =>
    call(signer, testTokenArtifact, at('PaymentToken'), 'approve', [spender, MAX_UINT256])
  const stake = () => onVault(operator, 'deposit', 10n * FLOCK)
  const delegate = (amount = 10n * FLOCK) => onVault(delegator, 'delegate', operator.address, amount)
  const claimOperator = () => onDistributor(operator, 'claimOperator', [operator.address], NOBODY_ELSE)
  const claimDelegator = () =>
    onDistributor(delegator, 'claimDelegator', delegator.address, [operator.address], NOBODY_ELSE)

  for (const signer of [operator, delegator]) await approve(signer, vault)
  for (const spender of [consumers.consumer, emissions]) await approve(signerOf('requester'), spender)
  await onVault(operator, 'setSigma', 400_000)
  await onVault(operator, 'deposit', 3_000n * FLOCK)
  await delegate(1_337n * FLOCK)

  const small = await models.register('small')
  await models.contribute(small, [operator.address], [account('validator').address], 1n)
  const large = await models.register('large')
  add('new table, 64 and 64 members', await models.contribute(large, many('training'), many('validator'), 1n))
  add(
    'replaced table, 64 and 64 members',
    await models.contribute(large, many('training'), many('validator'), 2n),
  )
  const none = await models.register('none')
  for (const model of [small, large, none]) await requests.answer(model)

  const answered = await requests.answer(small)
  await requests.answerBare(answered)
  const bare = await requests.answerBare(answered)
  const over = (gas) => gas - bare
  add('delivery to a trivial consumer, same bytes', bare, { floor: 95_039 })
  add('delivery, over the trivial consumer', over(answered.gas), { limit: 60_000, aim: 40_000 })
  add('delivery, 1 training node and 1 validator', answered.gas)
  add('delivery, 64 training nodes and 64 validators', (await requests.answer(large)).gas)
  add('delivery, no contributors', (await requests.answer(none)).gas)
  add('request, 256-byte prompt, again', await requests.request(small), {
    limit: 330_000,
    aim: 260_000,
    floor: 109_750,
  })

  await claimOperator()
  await claimDelegator()
  for (let round = 0; round < 2; round += 1) {
    await requests.answer(small)
    await stake()
    await requests.answer(small)
    await delegate()
  }
  await claimOperator()
  await claimDelegator()
  await requests.answer(small)
  add('operator claim, one model, again', await claimOperator(), {
    limit: 80_000,
    aim: 60_000,
    floor: 47_343,
  })
  await requests.answer(small)
  add('delegator claim, again', await claimDelegator(), { limit: 75_000, aim: 55_000, floor: 72_799 })
  add('stake, again, with rewards to settle', await stake())
  add('stake, again', await stake(), { limit: 80_000, aim: 65_000 })
  await requests.answer(small)
  add('delegate, again, with rewards to settle', await delegate())
  add('delegate, again', await delegate(), { limit: 80_000, aim: 65_000 })

  const [tableId] = await read(rewardDistributorArtifact, distributor, 'contributorsOf', [small])
  const tomorrow = (await world.today()) + 1
  await onEmissions(signerOf('requester'), 'fund', tomorrow, 3, 100n * FLOCK)
  await world.nextDay()
  add("delivery, a day's first, with emissions", (await requests.answer(small)).gas)
  const counted = await requests.answer(small)
  add('delivery with emissions, over the trivial consumer', over(counted.gas), {
    limit: 60_000,
    aim: 40_000,
  })
  await claimOperator()
  await claimDelegator()
  add("stake, a day's first, with emissions", await stake())
  add("delegate, a day's first, with emissions", await delegate())
  await requests.answer(large)
  await world.nextDay()
  await requests.answer(small)
  const share = [[tableId, tomorrow]]
  add(
    'emission claim of an operator, settles the share',
    await onEmissions(operator, 'claimOperator', operator.address, share, NOBODY_ELSE),
  )
  add(
    'emission claim of a delegator',
    await onEmissions(delegator, 'claimDelegator', delegator.address, operator.address, share, NOBODY_ELSE),
  )
  const ten = [small]
  for (let index = 1; index < TEN; index += 1) {
    const model = await models.register(`model ${index}`)
    await models.contribute(model, [operator.address], [account('validator').address], 1n)
    ten.push(model)
  }
  for (const model of ten) await requests.answer(model)
  await claimOperator()
  for (const model of ten) await requests.answer(model)
  add('operator claim, ten models, per model', (await claimOperator()) / BigInt(TEN), {
    limit: 30_000,
    aim: 20_000,
  })
  await requests.answer(small)
  add('delivery, 1 delegator', (await requests.answer(small)).gas)
  await world.delegateByMany(operator.address, MANY_DELEGATORS)
  add('delivery, 1,000 delegators', (await requests.answer(small)).gas)
  return rows
}

function print(rows) {
  const cells = rows.map(({ scenario, gas, limit, aim, floor }) => [
    scenario,
    ...[gas, limit, aim, floor].map((value) => (value === null ? '' : value.toLocaleString('en-US'))),
    limit !== null && gas > limit ? 'above' : '',
  ])
  const table = [['whole transactions on the local chain', 'gas', 'at most', 'aim', 'floor', ''], ...cells]
  const width = Math.max(...table.map(([scenario]) => scenario.length))
  for (const [scenario, ...values] of table) {
    const line = [scenario.padEnd(width), ...values.map((value) => value.padStart(11))].join(' ')
    process.stdout.write(`${line.trimEnd()}\n`)
  }
}

/** What differs from the snapshot, and what is above its limit, in words. */
function faultsOf(rows, snapshot) {
  const faults = rows
    .filter(({ gas, limit }) => limit !== null && gas > limit)
    .map(({ scenario, gas, limit }) => `${scenario}: ${gas} gas, at most ${limit}`)
  for (const { scenario, gas } of rows) {
    const kept = snapshot[scenario]
    if (kept === undefined || Math.abs(kept - gas) > TOLERANCE)
      faults.push(`${scenario}: ${gas} gas, the snapshot says ${kept ?? 'nothing'}`)
  }
  return faults
}

const rows = await withWorld(runScenarios)
if (process.argv.includes('--write')) {
  const snapshot = Object.fromEntries(rows.map(({ scenario, gas }) => [scenario, gas]))
  writeFileSync(snapshotPath, `${JSON.stringify(snapshot, null, 2)}\n`)
}
if (process.argv.includes('--json'))
  process.stdout.write(`${JSON.stringify({ bench: 'gas', unit: 'gas', rows })}\n`)
else print(rows)
if (process.argv.includes('--check')) {
  const faults = faultsOf(rows, JSON.parse(readFileSync(snapshotPath, 'utf8')))
  for (const fault of faults) process.stderr.write(`${fault}\n`)
  if (faults.length > 0) process.stderr.write('After a look: npm run bench:gas -- --write\n')
  process.exitCode = faults.length === 0 ? 0 : 1
}
