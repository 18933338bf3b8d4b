import { readFile } from 'node:fs/promises'
import { SigningKey } from 'ethers/crypto'
import { createCallRunner, openSender } from '../lib/chain/calls.js'
import { Args, Flags, addressFlag } from '../lib/cli/flags.js'
import { missingInputError } from '../lib/cli/oclif-errors.js'
import { SpendCommand, callFlags } from '../lib/cli/spend-command.js'
import { changeLines, probeLine, registrationJson, type RegistrationJson } from '../lib/cli/views/models.js'
import type { HostConfig, ModelConfig } from '../lib/config/schema.js'
import { parsePrivateKey } from '../lib/config/secrets.js'
import { openDeployment } from '../lib/deploy/connect.js'
import { FlockError, messageOf } from '../lib/errors.js'
import type { Address } from '../lib/hex.js'
import { parseJson } from '../lib/json.js'
import { parseAttestation, type Attestation } from '../lib/models/attestation.js'
import { planContributors } from '../lib/models/contributors-plan.js'
import { artifactIdOf, buildListing, chooseModel, metadataHashOf, modelIdOf } from '../lib/models/model.js'
import { planRegistration } from '../lib/models/registration.js'
import { readModel } from '../lib/models/registry.js'
import { parseHosts } from '../lib/router/hosts.js'
import { probeHost, type ProbeReport } from '../lib/router/probe.js'

const HOUR_SEC = 3_600
const MAX_GRACE_SEC = 7 * 24 * HOUR_SEC

export default class RegisterModelCommand extends SpendCommand<RegistrationJson> {
  static override summary = 'Register a model of flock.yaml on chain, after its endpoint has really answered.'
  static override description =
    'Contributors are put in force when an attestation is given, or when FLOCK_ATTESTER_KEY holds the key of an attester.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-model',
    '<%= config.bin %> <%= command.id %> my-model --attestation attestation.json --yes',
    '<%= config.bin %> <%= command.id %> my-model --update --node 0x7099...79C8',
  ]
  static override args = { name: Args.string({ description: 'Name of the model in flock.yaml.' }) }
  static override flags = {
    ...callFlags,
    consumer: addressFlag({ summary: 'Consumer contract; by default the one that `deploy` recorded.' }),
    'receipt-signer': addressFlag({ summary: 'Signer of usage receipts, instead of the one in flock.yaml.' }),
    node: addressFlag({
      summary: 'Infernet node that may deliver, instead of those in flock.yaml.',
      multiple: true,
    }),
    'metadata-file': Flags.string({
      summary: 'Copy of what metadataUri leads to; its hash is registered.',
      helpValue: '<file>',
    }),
    attestation: Flags.string({ summary: 'Contributor attestation to put in force.', helpValue: '<file>' }),
    probe: Flags.boolean({ summary: 'Ask the model hosts first.', default: true, allowNo: true }),
    update: Flags.boolean({ summary: 'Change a model that is registered already.' }),
    'signer-grace': Flags.integer({
      summary: 'Seconds for which receipts of a replaced signer stay valid; 0 when its key is lost.',
      helpValue: '<s>',
      default: HOUR_SEC,
      min: 0,
      max: MAX_GRACE_SEC,
    }),
  }

  async run(): Promise<RegistrationJson> {
    const { args, flags } = await this.parse(RegisterModelCommand)
    const project = await this.loadProject()
    const { network, connection } = await this.placeOf(project)
    const model = withFlags(chooseModel(project.config.models, args.name ?? null), flags, this.typed)
    const attestation = flags.attestation === undefined ? null : await readAttestation(flags.attestation)
    const metadata = flags['metadata-file'] === undefined ? null : await readBytes(flags['metadata-file'])
    const attesterKey = attesterKeyOf(process.env)
    const probes = flags.probe ? await this.#probe(model.hosts) : []
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const { chain } = deployment
      const sender = openSender(chain, key, flags.from ?? null)
      const consumer = flags.consumer ?? deployment.addressOf('ModelHostConsumer')
      const current = await readModel(deployment, modelIdOf(sender.address, artifactIdOf(model)))
      const metadataHash = metadataHashOf(model.metadataUri, metadata, current)
      const listing = buildListing(model, { consumer, receiptSigner: model.receiptSigner, metadataHash })
      const wish = {
        host: sender.address,
        listing,
        allowUpdate: flags.update,
        signerGraceSec: flags['signer-grace'],
      }
      const plan = planRegistration(deployment.modelRegistry, current, wish)
      const { modelId, isNew, changes } = plan
      const { contributors } = model
      const nowSec = Math.floor(Date.now() / 1000)
      const tables = { modelId, isNew, contributors, attestation, attesterKey, nowSec }
      const calls = [...plan.calls, ...(await planContributors(deployment, tables))]
      for (const line of changeLines(changes)) this.note(line)
      const runner = calls.length === 0 ? null : createCallRunner(chain, sender, calls)
      const spent = await this.spend({ network, flags, question: `Register ${model.name}?`, runner })
      if (!spent.dryRun) this.show([modelId])
      return registrationJson({ name: model.name, host: sender.address, listing, plan, probes }, spent)
    } finally {
      deployment.close()
    }
  }

  /** One host after the other: they may share a machine. */
  async #probe(hosts: readonly HostConfig[]): Promise<ProbeReport[]> {
    const reports: ProbeReport[] = []
    for (const host of parseHosts(hosts, process.env)) {
      const report = await probeHost(host, { nowMs: () => performance.now(), signal: this.signal })
      this.note(probeLine(report))
      reports.push(report)
    }
    return reports
  }
}

type ReadyModel = ModelConfig & { readonly receiptSigner: Address }

/** The model with what flags say in place of the project. @throws INPUT_MISSING naming all that neither says */
function withFlags(
  model: ModelConfig,
  flags: { readonly 'receipt-signer'?: Address | undefined; readonly node?: readonly Address[] | undefined },
  command: string,
): ReadyModel {
  const receiptSigner = flags['receipt-signer'] ?? model.receiptSigner
  const nodes = [...(flags.node ?? model.nodes)]
  const missing = [
    ...(receiptSigner === null ? [{ name: '--receipt-signer' }] : []),
    ...(nodes.length === 0 ? [{ name: '--node' }] : []),
  ]
  if (receiptSigner === null || missing.length > 0)
    throw missingInputError(missing, `${command} ${model.name}`)
  return { ...model, nodes, receiptSigner }
}

function attesterKeyOf(env: NodeJS.ProcessEnv): SigningKey | null {
  const text = env['FLOCK_ATTESTER_KEY']
  return text === undefined || text === ''
    ? null
    : new SigningKey(parsePrivateKey(text, 'FLOCK_ATTESTER_KEY'))
}

async function readAttestation(file: string): Promise<Attestation> {
  return parseAttestation(parseJson((await readBytes(file)).toString('utf8'), file))
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw new FlockError('USAGE_INVALID', `${file} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      details: { file },
    })
  }
}
