import { Flags } from './flags.js'

const several = { multiple: true, multipleNonGreedy: true } as const
const inModel = { helpGroup: 'MODEL' } as const
const inServer = { helpGroup: 'MODEL SERVER' } as const

/** Flags of `flock init`: each is the twin of a question or of a key of flock.yaml. */
export const initFlags = {
  from: Flags.string({ summary: 'Answers file: any part of a flock.yaml.', helpValue: '<file>' }),
  'dry-run': Flags.boolean({ summary: 'Show what would be written and stop there.', default: false }),
  force: Flags.boolean({
    summary: 'Replace files with other content; copies of the old ones are kept.',
    default: false,
  }),
  name: Flags.string({ summary: 'Name of the project; by default that of the folder.' }),
  'model-name': Flags.string({ summary: 'Name of the model in this project.', ...inModel }),
  'hg-repo-id': Flags.string({ summary: 'Hugging Face repository, user/repo.', ...inModel }),
  revision: Flags.string({ summary: 'Revision of the model, a commit hash.', ...inModel }),
  'base-model': Flags.string({ summary: 'Base model.', ...inModel }),
  'metadata-uri': Flags.string({ summary: 'URI of a description of the model.', ...inModel }),
  'price-request': Flags.string({ summary: 'Price of a request, in tokens of payment.', ...inModel }),
  'price-prompt': Flags.string({ summary: 'Price of a million prompt tokens.', ...inModel }),
  'price-completion': Flags.string({ summary: 'Price of a million completion tokens.', ...inModel }),
  'max-prompt-tokens': Flags.integer({ summary: 'Most prompt tokens of a request.', ...inModel }),
  'max-completion-tokens': Flags.integer({ summary: 'Most tokens of an answer.', ...inModel }),
  'training-ppm': Flags.integer({ summary: 'Share of training nodes in the fee, in ppm.', ...inModel }),
  'validator-ppm': Flags.integer({ summary: 'Share of validators in the fee, in ppm.', ...inModel }),
  training: Flags.string({
    summary: 'A training node; once for each.',
    helpValue: '<address>=<weight>',
    ...inModel,
    ...several,
  }),
  validator: Flags.string({
    summary: 'A validator; once for each.',
    helpValue: '<address>=<weight>',
    ...inModel,
    ...several,
  }),
  node: Flags.string({
    summary: 'Address of an Infernet node; once for each.',
    helpValue: '<address>',
    ...inModel,
    ...several,
  }),
  'receipt-signer': Flags.string({
    summary: 'Address that signs usage receipts.',
    helpValue: '<address>',
    ...inModel,
  }),
  'host-url': Flags.string({
    summary: 'Base URL of the OpenAI-compatible model server.',
    helpValue: '<url>',
    env: 'FLOCK_BASE_URL',
    ...inServer,
  }),
  'host-model': Flags.string({
    summary: 'Name of the model at that server.',
    env: 'FLOCK_MODEL',
    ...inServer,
  }),
  'host-auth': Flags.string({
    summary: 'How requests to the server are authorised.',
    helpValue: '<none|bearer|x-litellm-api-key>',
    ...inServer,
  }),
  'api-key-env': Flags.string({
    summary: 'Environment variable with the API key of the server.',
    helpValue: '<name>',
    ...inServer,
  }),
}
