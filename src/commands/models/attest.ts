import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { SigningKey } from 'ethers/crypto'
import { ChainCommand } from '../../lib/cli/chain-command.js'
import { Args, Flags, keyFlags } from '../../lib/cli/flags.js'
import { openDeployment } from '../../lib/deploy/connect.js'
import { FlockError, messageOf } from '../../lib/errors.js'
import { attestContributors, renderAttestation, type Attestation } from '../../lib/models/attestation.js'
import { readContributors } from '../../lib/models/contributors.js'
import { artifactIdOf } from '../../lib/models/model.js'
import { findModel } from '../../lib/models/registry.js'

export interface ModelsAttestJson {
  readonly attestation: Attestation
  /** Null when it was written to stdout. */
  readonly file: string | null
}

const DAY_SEC = 86_400

export default class ModelsAttestCommand extends ChainCommand<ModelsAttestJson> {
  static override summary = 'Sign the contributors of a model in flock.yaml, as an attester.'
  static override description =
    'The attestation goes to stdout or a file; whoever has it puts it in force with `flock register-model --attestation`.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> my-model --out attestation.json',
    '<%= config.bin %> <%= command.id %> my-model --account attester --expires-in 3',
  ]
  static override args = { model: Args.string({ description: 'Name of the model in flock.yaml.' }) }
  static override flags = {
    ...keyFlags,
    out: Flags.string({ summary: 'File to write.', helpValue: '<file>' }),
    force: Flags.boolean({ summary: 'Replace the file of --out when it exists.', default: false }),
    'expires-in': Flags.integer({
      summary: 'Days after which the attestation is void.',
      helpValue: '<days>',
      default: 7,
      min: 1,
      max: 365,
    }),
  }

  async run(): Promise<ModelsAttestJson> {
    const { args, flags } = await this.parse(ModelsAttestCommand)
    const project = await this.loadProject()
    const { network, connection } = await this.placeOf(project)
    const key = new SigningKey(await this.loadKey('FLOCK_ATTESTER_KEY', flags))
    const deployment = await openDeployment(network, connection)
    try {
      const { chain, rewardDistributor } = deployment
      const model = await findModel(deployment, args.model ?? null, this.modelsOf(project, deployment))
      const own = project.config.models.find((item) => artifactIdOf(item) === model.artifactId)
      if (own === undefined) throw notInProject(model.modelId, project.path)
      const { nonce } = await readContributors(chain, rewardDistributor, model.modelId)
      const attestation = attestContributors(key, own.contributors, {
        domain: { chainId: chain.chainId, rewardDistributor },
        modelId: model.modelId,
        nonce: nonce + 1n,
        expiry: Math.floor(Date.now() / 1000) + flags['expires-in'] * DAY_SEC,
      })
      const file = flags.out === undefined ? null : resolve(flags.out)
      if (file !== null) await writeAttestation(file, attestation, flags.force)
      this.show(file === null ? [renderAttestation(attestation).trimEnd()] : [file])
      return { attestation, file }
    } finally {
      deployment.close()
    }
  }
}

async function writeAttestation(file: string, attestation: Attestation, force: boolean): Promise<void> {
  try {
    await writeFile(file, renderAttestation(attestation), { flag: force ? 'w' : 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new FlockError('PATH_CONFLICT', `${file} exists.`, {
        details: { file },
        hint: 'Name another file, or replace it with --force.',
      })
    }
    throw new FlockError('PATH_UNWRITABLE', `${file} cannot be written: ${messageOf(error)}.`, {
      cause: error,
      details: { file },
    })
  }
}

function notInProject(modelId: string, path: string): FlockError {
  return new FlockError(
    'MODEL_NOT_FOUND',
    `The model ${modelId} is not in ${path}, which names contributors.`,
    {
      details: { modelId, file: path },
      hint: 'Add the model with its contributors to flock.yaml.',
    },
  )
}
