import type { Override } from '../config/document.js'
import { chooseNetwork } from '../config/networks.js'
import { FlockError } from '../errors.js'
import { parseAddress } from '../hex.js'
import { MODEL, QUESTIONS } from './questions.js'
import type { AnswerPath } from './questions.js'

/** Flags that nobody is asked for: their values have defaults or come later. */
const MORE_FLAGS: readonly { readonly flag: string; readonly path: AnswerPath }[] = [
  { flag: 'metadata-uri', path: [...MODEL, 'metadataUri'] },
  { flag: 'max-prompt-tokens', path: [...MODEL, 'limits', 'maxPromptTokens'] },
  { flag: 'max-completion-tokens', path: [...MODEL, 'limits', 'maxCompletionTokens'] },
  { flag: 'training-ppm', path: [...MODEL, 'split', 'trainingPpm'] },
  { flag: 'validator-ppm', path: [...MODEL, 'split', 'validatorPpm'] },
  { flag: 'receipt-signer', path: [...MODEL, 'receiptSigner'] },
  { flag: 'node', path: [...MODEL, 'nodes'] },
  { flag: 'training', path: [...MODEL, 'contributors', 'training'] },
  { flag: 'validator', path: [...MODEL, 'contributors', 'validators'] },
]

const CONTRIBUTOR_FLAGS = ['training', 'validator']

/**
 * The answers that were given as flags, each with the flag's name for errors.
 * @throws USAGE_INVALID, ADDRESS_INVALID, NETWORK_UNKNOWN
 */
export function flagAnswers(flags: Readonly<Record<string, unknown>>): Override[] {
  return [...QUESTIONS, ...MORE_FLAGS].flatMap(({ flag, path }) => {
    const value = flags[flag]
    if (value === undefined) return []
    const source = `--${flag}`
    if (flag === 'network' && typeof value === 'string') return [{ path, value: networkName(value), source }]
    if (!CONTRIBUTOR_FLAGS.includes(flag)) return [{ path, value, source }]
    return [{ path, value: (value as string[]).map((text) => parseContributor(text, source)), source }]
  })
}

/** Projects name networks; a chain id is looked up among the presets. @throws NETWORK_UNKNOWN */
function networkName(network: string): string {
  return /^\d+$/.test(network) ? chooseNetwork(null, { network, rpcUrl: null }).name : network
}

/** `0x...=3` as account and weight; the weight is 1 when it is left out. */
function parseContributor(text: string, source: string): { account: string; weight: number } {
  const [account, weight = '1', ...more] = text.split('=')
  if (more.length > 0 || !/^\d{1,10}$/.test(weight))
    throw new FlockError('USAGE_INVALID', `${source}: "${text}" is not <address>=<weight>.`)
  return { account: parseAddress(account, source), weight: Number(weight) }
}

/** Flags and values that give the same answers again, for a command line. */
export function answersAsWords(answers: readonly Override[]): string[] {
  return answers.flatMap(({ source, value }) =>
    (Array.isArray(value) ? (value as unknown[]) : [value]).flatMap((item) => [source, wordOf(item)]),
  )
}

function wordOf(item: unknown): string {
  if (item !== null && typeof item === 'object' && 'account' in item && 'weight' in item)
    return `${String(item.account)}=${String(item.weight)}`
  return typeof item === 'string' ? item : JSON.stringify(item)
}
