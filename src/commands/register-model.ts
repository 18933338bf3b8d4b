import type { InferredFlags } from '@oclif/core/interfaces'
import { SigningKey } from 'ethers/crypto'
import { createCallRunner, openSender } from '../lib/chain/calls.js'
import { Args, Flags, addressFlag } from '../lib/cli/flags.js'
import { readInputFile } from '../lib/cli/input-file.js'
import { missingInputError } from '../lib/cli/oclif-errors.js'
import { SpendCommand, callFlags } from '../lib/cli/spend-command.js'
import { changeLines, probeLine, registrationJson, type RegistrationJson } from '../lib/cli/views/models.js'
import type { ModelConfig } from '../lib/config/model-schema.js'
import { apiKeySources, parsePrivateKey } from '../lib/config/secrets.js'
import { openDeployment, type Deployment } from '../lib/deploy/connect.js'
import type { Address } from '../lib/hex.js'
import { parseJson } from '../lib/json.js'
import { parseAttestation, type Attestation } from '../lib/models/attestation.js'
import { planContributors } from '../lib/models/contributors-plan.js'
import { artifactIdOf, buildListing, chooseModel, metadataHashOf, modelIdOf } from '../lib/models/model.js'
import { planRegistration, requireOwnConsumer } from '../lib/models/registration.js'
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
    update: Flags.boolean({ summary: 'Change a model that is registered already.', default: false }),
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
    const inputs = await readInputs(chooseModel(project.config.models, args.name ?? null), flags, this.typed)
    const { name } = inputs.model
    const probes = flags.probe ? await this.#probe(inputs.model, project.dir) : []
    const key = await this.senderKey(flags)
    const deployment = await openDeployment(network, connection)
    try {
      const sender = openSender(deployment.chain, key, flags.from ?? null)
      const { listing, plan, calls } = await planModel(deployment, sender.address, inputs, flags)
      for (const line of changeLines(plan.changes)) this.note(line)
      const runner = calls.length === 0 ? null : createCallRunner(deployment.chain, sender, calls)
      const spent = await this.spend({ network, flags, question: `Register ${name}?`, runner })
      if (!spent.dryRun) this.show([plan.modelId])
      return registrationJson({ name, host: sender.address, listing, plan, probes }, spent)
    } finally {
      deployment.close()
    }
  }

  /** One host after the other: they may share a machine. */
  async #probe({ hosts, tokenizer }: ModelConfig, dir: string): Promise<ProbeReport[]> {
    const reports: ProbeReport[] = []
    const nowMs = () => performance.now()
    for (const host of parseHosts(hosts, apiKeySources(process.env, dir))) {
      const report = await probeHost(host, { nowMs, hasTokenizer: tokenizer !== null, signal: this.signal })
      this.note(probeLine(report))
      reports.push(report)
    }
    return reports
  }
}

type FlagValues = InferredFlags<typeof RegisterModelCommand.flags>

/** What is to be registered, read before anything is asked or sent. */
interface Inputs {
  readonly model: ModelConfig & { readonly receiptSigner: Address }
  readonly attestation: Attestation | null
  readonly attesterKey: SigningKey | null
  /** What metadataUri leads to; null when no copy is given. */
  readonly metadata: Uint8Array | null
}

/** @throws INPUT_MISSING naming all that neither flags nor project say, ATTESTATION_INVALID, KEY_INVALID */
async function readInputs(model: ModelConfig, flags: FlagValues, command: string): Promise<Inputs> {
  const receiptSigner = flags['receipt-signer'] ?? model.receiptSigner
  const nodes = [...(flags.node ?? model.nodes)]
  const missing = [
    ...(receiptSigner === null ? [{ name: '--receipt-signer' }] : []),
    ...(nodes.length === 0 ? [{ name: '--node' }] : []),
  ]
  if (receiptSigner === null || missing.length > 0)
    throw missingInputError(missing, `${command} ${model.name}`)
  const { attestation, 'metadata-file': metadata } = flags
  const attesterKey = process.env['FLOCK_ATTESTER_KEY'] ?? ''
  return {
    model: { ...model, nodes, receiptSigner },
    attestation: attestation === undefined ? null : await readAttestation(attestation),
    attesterKey:
      attesterKey === '' ? null : new SigningKey(parsePrivateKey(attesterKey, 'FLOCK_ATTESTER_KEY')),
    metadata: metadata === undefined ? null : await readInputFile(metadata, '--metadata-file'),
  }
}

async function readAttestation(file: string): Promise<Attestation> {
  const text = (await readInputFile(file, '--attestation')).toString('utf8')
  return parseAttestation(parseJson(text, file))
}

async function planModel(deployment: Deployment, host: Address, inputs: Inputs, flags: FlagValues) {
  const { model, metadata, attestation, attesterKey } = inputs
  const consumer = flags.consumer ?? deployment.addressOf('ModelHostConsumer')
  await requireOwnConsumer(deployment.chain, consumer, host)
  const current = await readModel(deployment, modelIdOf(host, artifactIdOf(model)))
  const metadataHash = metadataHashOf(model.metadataUri, metadata, current)
  const listing = buildListing(model, { consumer, receiptSigner: model.receiptSigner, metadataHash })
  const wish = { host, listing, allowUpdate: flags.update, signerGraceSec: flags['signer-grace'] }
  const plan = planRegistration(deployment.modelRegistry, current, wish)
  const { modelId, isNew } = plan
  const nowSec = Math.floor(Date.now() / 1000)
  const tables = { modelId, isNew, contributors: model.contributors, attestation, attesterKey, nowSec }
  return { listing, plan, calls: [...plan.calls, ...(await planContributors(deployment, tables))] }
}
