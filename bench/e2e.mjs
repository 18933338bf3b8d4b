// Seconds from a request to its claimable reward, on the devnet: request transaction, node, FlockWorkflow, model server,
// delivery, booked fee. One request after the other; the first few warm everything up and are not counted.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rewardDistributorArtifact } from '../dist/lib/abi/reward-distributor.js'
import { readContract } from '../dist/lib/chain/contracts.js'
import { openChain } from '../dist/lib/chain/provider.js'
import { createSigner } from '../dist/lib/chain/signer.js'
import { sendTransaction } from '../dist/lib/chain/transact.js'
import { readDeploymentRecord } from '../dist/lib/deploy/record.js'
import { devnetAccounts } from '../dist/lib/devnet/accounts.js'
import { createCommandRunner } from '../dist/lib/devnet/command-runner.js'
import { buildLine } from '../dist/lib/devnet/story.js'
import { planRequest } from '../dist/lib/models/request.js'
import { readModel } from '../dist/lib/models/registry.js'

const WARM_UP = 3
const COUNTED = 20
const POLL_MS = 5

async function measure() {
  const folder = await mkdtemp(join(tmpdir(), 'flock-bench-'))
  const signal = new AbortController().signal
  const entry = fileURLToPath(new URL('../bin/run.js', import.meta.url))
  const program = [process.execPath, entry]
  const runner = createCommandRunner({ program, cwd: folder, env: process.env, signal })
  const accounts = devnetAccounts()
  try {
    const story = buildLine({ runner, accounts, folder })
    let told = await story.next()
    while (!told.done) told = await story.next()
    const line = told.value
    const chain = await openChain({ rpcUrl: line.rpcUrl, expectedChainId: 31337, timeoutMs: 10_000 })
    try {
      return await measureRequests(
        chain,
        line,
        readDeploymentRecord(join(folder, 'deployments'), 31337),
        accounts,
      )
    } finally {
      chain.close()
    }
  } finally {
    await runner.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function measureRequests(chain, { modelId }, record, accounts) {
  const { address: rewardDistributor } = record.contracts.RewardDistributor
  const place = {
    chain,
    modelRegistry: record.contracts.ModelRegistry.address,
    usageMeter: record.contracts.UsageMeter.address,
    rewardDistributor,
  }
  const requester = accounts.find(({ role }) => role === 'requester')
  const signer = createSigner(requester.privateKey, chain)
  const model = await readModel(place, modelId)
  const claimable = () =>
    readContract(chain, rewardDistributorArtifact, rewardDistributor, 'claimableHost', [modelId])
  const toClaimable = []
  for (let round = 0; round < WARM_UP + COUNTED; round += 1) {
    const choices = {
      payload: `What does flock number ${round} do in winter?`,
      intervals: 1,
      periodSec: 0,
      redundancy: 1,
      lazy: false,
      timeoutSec: 600,
      maxCost: null,
    }
    const plan = await planRequest(place, model, requester.address, choices)
    const calls = [...plan.calls]
    const ask = calls.pop()
    for (const call of calls) await send(chain, signer, call)
    const before = await claimable()
    const start = performance.now()
    await send(chain, signer, ask)
    while ((await claimable()) === before) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    if (round >= WARM_UP) toClaimable.push((performance.now() - start) / 1000)
  }
  return toClaimable.sort((a, b) => a - b)
}

function send(chain, signer, call) {
  return sendTransaction(
    chain,
    signer,
    { to: call.to, data: call.data },
    { confirmations: 1, timeoutMs: 30_000, revertInterfaces: [] },
  )
}

const seconds = await measure()
const at = (part) => seconds[Math.min(seconds.length - 1, Math.floor(part * seconds.length))]
const result = {
  bench: 'e2e',
  unit: 's',
  requests: seconds.length,
  p50: at(0.5),
  p90: at(0.9),
  min: seconds[0],
  max: seconds[seconds.length - 1],
}
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`)
else {
  process.stdout.write('request sent to reward claimable, devnet, one after the other (seconds)\n')
  process.stdout.write('requests      p50      p90      min      max\n')
  const cell = (value) => value.toFixed(3).padStart(8)
  process.stdout.write(
    `${String(result.requests).padStart(8)} ${[result.p50, result.p90, result.min, result.max].map(cell).join(' ')}\n`,
  )
}
