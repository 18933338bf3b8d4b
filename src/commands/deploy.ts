import { requireAffordable } from '../lib/chain/transact.js'
import { openSender, type Sender } from '../lib/chain/calls.js'
import { openChain, type Chain } from '../lib/chain/provider.js'
import { deployFlags, wishesOf } from '../lib/cli/deploy-flags.js'
import { SpendCommand, type CallFlags } from '../lib/cli/spend-command.js'
import { deployEventText, deployJson, deployPlanLines, type DeployJson } from '../lib/cli/views/deploy.js'
import type { NetworkConfig } from '../lib/config/networks.js'
import type { DeployEvent } from '../lib/deploy/apply.js'
import { recordDirOf } from '../lib/deploy/connect.js'
import { prepareDeploy, runDeploy, type PreparedDeploy } from '../lib/deploy/prepare.js'
import {
  contractAddresses,
  readDeploymentRecord,
  recordPath,
  type DeploymentRecord,
} from '../lib/deploy/record.js'
import { wantedContracts } from '../lib/deploy/wishes.js'
import { FlockError } from '../lib/errors.js'

/** How long one transaction may take to be confirmed; public chains need seconds. */
const CONFIRM_TIMEOUT_MS = 180_000

export default class DeployCommand extends SpendCommand<DeployJson> {
  static override summary = "Deploy the model host's consumer contract and record it."
  static override description = [
    'Shows a plan with its highest cost, asks, sends. A run that was interrupted or killed is continued by the next one;',
    'a run with nothing to do sends nothing. With --core the FLock contracts themselves are deployed too.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> --dry-run --from 0x15d3...6A65',
    '<%= config.bin %> <%= command.id %> --network base-sepolia --account host --yes',
    '<%= config.bin %> <%= command.id %> --core --json',
  ]
  static override flags = deployFlags

  async run(): Promise<DeployJson> {
    const { flags } = await this.parse(DeployCommand)
    const { network, connection } = await this.place()
    const key = await this.senderKey(flags)
    const { rpcUrl, chainId } = network
    const chain = await openChain({ ...connection, rpcUrl, expectedChainId: chainId })
    try {
      const sender = openSender(chain, key, flags.from ?? null)
      const from = sender.address
      const recordDir = recordDirOf(connection.dir)
      const before = readDeploymentRecord(recordDir, chainId)
      const wanted = wantedContracts(wishesOf(flags), { network, record: before, from })
      const prepared = await prepareDeploy(chain, {
        network: network.name,
        recordDir,
        record: before,
        wanted,
        core: flags.distributor ?? network.rewardDistributor,
        from,
        restart: flags.restart,
      })
      const outcome = await this.#carryOut(prepared, { flags, network, chain, sender })
      const recordFile = recordPath(recordDir, chainId)
      const dryRun = Boolean(flags['dry-run'])
      const contracts = contractAddresses(outcome.record)
      return deployJson({ prepared, network, dryRun, recordFile, contracts, ...outcome })
    } finally {
      chain.close()
    }
  }

  async #carryOut(
    prepared: PreparedDeploy,
    {
      flags,
      network,
      chain,
      sender,
    }: { flags: CallFlags; network: NetworkConfig; chain: Chain; sender: Sender },
  ): Promise<{ record: DeploymentRecord; events: readonly DeployEvent[] }> {
    const { plan, quote, record } = prepared
    const lines = deployPlanLines(network, prepared, this.width)
    if (flags['dry-run']) this.show(lines)
    else for (const line of lines) this.note(line)
    if (plan.hasWork) requireAffordable(quote, flags['max-cost'] ?? null)
    if (flags['dry-run']) return { record, events: [] }
    if (!plan.hasWork) return this.#done(record, [])
    await this.confirm(`Deploy on ${network.name}?`, network)
    const { signer } = sender
    if (signer === null) throw new FlockError('KEY_MISSING', `There is no key for ${sender.address}.`)
    const run = runDeploy(prepared, {
      chain,
      signer,
      confirmations: flags.confirmations ?? network.confirmations,
      timeoutMs: CONFIRM_TIMEOUT_MS,
      signal: this.signal,
    })
    return this.#follow(run)
  }

  async #follow(
    run: AsyncGenerator<DeployEvent, DeploymentRecord>,
  ): Promise<{ record: DeploymentRecord; events: readonly DeployEvent[] }> {
    const progress = this.progress()
    const events: DeployEvent[] = []
    try {
      for (let next = await run.next(); ; next = await run.next()) {
        if (next.done === true) return this.#done(next.value, events)
        const event = next.value
        events.push(event)
        if (event.type === 'stepSent') progress.start(deployEventText(event))
        if (event.type === 'stepMined') progress.succeed(deployEventText(event))
      }
    } finally {
      progress.stop()
    }
  }

  /** Scripts read the address of the consumer from stdout. */
  #done(record: DeploymentRecord, events: readonly DeployEvent[]) {
    const consumer = record.contracts.ModelHostConsumer?.address
    if (consumer !== undefined) this.show([consumer])
    return { record, events }
  }
}
