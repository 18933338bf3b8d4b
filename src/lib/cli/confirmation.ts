import type { NetworkConfig } from '../config/networks.js'
import { FlockError } from '../errors.js'
import type { GlobalFlags } from './flags.js'
import { missingInputError } from './oclif-errors.js'
import type { MissingInput } from './oclif-errors.js'
import type { Prompter } from './prompts.js'

/** Chains whose coins are money: there a confirmation is not given by a bare `--yes`. */
const MAINNET_IDS: readonly number[] = [1, 8453]

/** What is to be agreed to. */
export interface Confirmation {
  readonly question: string
  /** The network on which money is spent, if any is. */
  readonly on?: Pick<NetworkConfig, 'name' | 'chainId'> | undefined
}

export interface ConfirmationContext {
  readonly globals: Pick<GlobalFlags, 'yes' | 'network'>
  readonly prompter: Prompter
  /** How the command is typed, for hints. */
  readonly typed: string
}

/**
 * Asks before money is spent or something is overwritten; the answer is no unless it is given.
 * On a main network the name has to be typed, or `--network` be given beside `--yes`.
 * @throws DECLINED, INPUT_MISSING
 */
export async function requireConfirmation(
  { question, on }: Confirmation,
  { globals, prompter, typed }: ConfirmationContext,
): Promise<void> {
  const isMainnet = on !== undefined && MAINNET_IDS.includes(on.chainId)
  const needed: MissingInput[] = [
    ...(globals.yes === true ? [] : [{ name: '--yes', env: 'FLOCK_YES', isSwitch: true as const }]),
    ...(!isMainnet || globals.network !== undefined ? [] : [{ name: '--network', env: 'FLOCK_NETWORK' }]),
  ]
  if (needed.length === 0) return
  if (!prompter.canAsk) throw missingInputError(needed, typed)
  const agreed = isMainnet
    ? (await prompter.text({ message: `${question} Type ${on.name} to go on:` })) === on.name
    : await prompter.confirm(question)
  if (!agreed) throw new FlockError('DECLINED', 'Declined; nothing was sent or written.')
}
