import * as Flags from '@oclif/core/flags'
import { FlockError } from '../errors.js'
import { parseAddress, parseHex } from '../hex.js'
import type { Address, Hex } from '../hex.js'
import { parseAmount } from '../units.js'

export * as Args from '@oclif/core/args'
export * as Flags from '@oclif/core/flags'

/** FLOCK and the tokens that stand for it on test networks have 18 decimals, as gas coins do. */
const TOKEN_DECIMALS = 18

/** Flags of every command. */
export const globalFlags = {
  json: Flags.boolean({
    summary: 'Print one JSON document on stdout.',
    helpGroup: 'OUTPUT',
    env: 'FLOCK_JSON',
  }),
  quiet: Flags.boolean({
    char: 'q',
    summary: 'Print the result and errors only.',
    helpGroup: 'OUTPUT',
    env: 'FLOCK_QUIET',
    exclusive: ['verbose'],
  }),
  verbose: Flags.boolean({
    char: 'v',
    summary: 'Tell more on stderr; twice adds stack traces.',
    helpGroup: 'OUTPUT',
    env: 'FLOCK_VERBOSE',
  }),
  'no-color': Flags.boolean({ summary: 'Use no colours.', helpGroup: 'OUTPUT', env: 'FLOCK_NO_COLOR' }),
  debug: Flags.boolean({ summary: 'Show stack traces.', helpGroup: 'OUTPUT', env: 'FLOCK_DEBUG' }),
  'no-input': Flags.boolean({
    summary: 'Never ask; fail when a value is missing.',
    helpGroup: 'INPUT',
    env: 'FLOCK_NO_INPUT',
  }),
  yes: Flags.boolean({
    char: 'y',
    summary: 'Answer confirmations with yes.',
    helpGroup: 'INPUT',
    env: 'FLOCK_YES',
  }),
  config: Flags.string({
    summary: 'Project file; by default flock.yaml here or in a folder above.',
    helpGroup: 'INPUT',
    helpValue: '<file>',
    env: 'FLOCK_CONFIG',
  }),
  network: Flags.string({
    summary: 'Network by name or chain id.',
    helpGroup: 'NETWORK',
    helpValue: '<name|id>',
    env: 'FLOCK_NETWORK',
  }),
  'rpc-url': Flags.string({
    summary: 'RPC endpoint instead of the one of the network.',
    helpGroup: 'NETWORK',
    helpValue: '<url>',
    env: 'FLOCK_RPC_URL',
    parse: async (input) => parseRpcUrl(input, '--rpc-url'),
  }),
  timeout: Flags.integer({
    summary: 'Seconds that one network call may take.',
    helpGroup: 'NETWORK',
    helpValue: '<s>',
    env: 'FLOCK_TIMEOUT',
    default: 10,
    min: 1,
    max: 3600,
  }),
}

/** The values of the flags that every command has. */
export interface GlobalFlags {
  readonly 'no-input'?: boolean
  readonly yes?: boolean
  readonly config?: string | undefined
  readonly network?: string | undefined
  readonly 'rpc-url'?: string | undefined
  readonly timeout?: number
}

/** Where the signing key comes from. No flag takes a key: arguments can be read by every user of the machine. */
export const keyFlags = {
  account: Flags.string({
    summary: 'Keystore by name, from the folder that Foundry uses.',
    helpGroup: 'WALLET',
    helpValue: '<name>',
    env: 'FLOCK_ACCOUNT',
    exclusive: ['keystore'],
  }),
  keystore: Flags.string({
    summary: 'Keystore file (Web3 Secret Storage v3).',
    helpGroup: 'WALLET',
    helpValue: '<file>',
    env: 'FLOCK_KEYSTORE',
  }),
  'password-file': Flags.string({
    summary: 'File whose first line opens the keystore; else FLOCK_KEYSTORE_PASSWORD or a prompt.',
    helpGroup: 'WALLET',
    helpValue: '<file>',
    env: 'FLOCK_PASSWORD_FILE',
  }),
}

/** The values of `keyFlags`. */
export interface KeyFlags {
  readonly account?: string | undefined
  readonly keystore?: string | undefined
  readonly 'password-file'?: string | undefined
}

/** Flags of commands that send transactions. */
export const spendFlags = {
  'dry-run': Flags.boolean({
    summary: 'Show what would be sent and stop there.',
    helpGroup: 'TRANSACTION',
    default: false,
  }),
  'max-cost': Flags.custom<bigint>({
    summary: 'Refuse when gas could cost more than this many native coins.',
    helpGroup: 'TRANSACTION',
    helpValue: '<amount>',
    env: 'FLOCK_MAX_COST',
    parse: async (input) => parseAmount(input, TOKEN_DECIMALS, '--max-cost'),
  })(),
  confirmations: Flags.integer({
    summary: 'Blocks to wait for after each transaction; by default those of the network.',
    helpGroup: 'TRANSACTION',
    helpValue: '<n>',
    env: 'FLOCK_CONFIRMATIONS',
    min: 1,
    max: 64,
  }),
}

/** A flag that takes an Ethereum address and gives it checksummed. */
export const addressFlag = Flags.custom<Address>({
  helpValue: '<address>',
  parse: async (input, _context, options) => parseAddress(input, `--${options.name}`),
})

/** A flag that takes a decimal amount of an 18-decimal token and gives base units. */
export const amountFlag = Flags.custom<bigint>({
  helpValue: '<amount>',
  parse: async (input, _context, options) => parseAmount(input, TOKEN_DECIMALS, `--${options.name}`),
})

/** A flag that takes 32 bytes of hexadecimal data, for instance a request id. */
export const bytes32Flag = Flags.custom<Hex>({
  helpValue: '<hex>',
  parse: async (input, _context, options) => parseHex(input, `--${options.name}`, 32),
})

/** A flag that takes an http or https URL. */
export const urlFlag = Flags.custom<string>({
  helpValue: '<url>',
  parse: async (input, _context, options) => parseUrl(input, `--${options.name}`),
})

/** A flag that takes a TCP port. */
export const portFlag = Flags.custom<number>({
  helpValue: '<port>',
  parse: async (input, _context, options) => {
    const port = /^\d{1,5}$/.test(input) ? Number(input) : Number.NaN
    if (port >= 0 && port <= 65_535) return port
    throw new FlockError('USAGE_INVALID', `--${options.name}: "${input}" is not a port (0 to 65535).`)
  },
})

/** @throws USAGE_INVALID */
export function parseRpcUrl(input: string, what: string): string {
  return requireUrl(input, what, ['http', 'https', 'ws', 'wss'])
}

/** @throws USAGE_INVALID */
export function parseUrl(input: string, what: string): string {
  return requireUrl(input, what, ['http', 'https'])
}

function requireUrl(input: string, what: string, protocols: readonly string[]): string {
  if (URL.canParse(input) && protocols.includes(new URL(input).protocol.slice(0, -1))) return input
  const [last, ...others] = [...protocols].reverse()
  const named = `${others.reverse().join(', ')} or ${last}`
  throw new FlockError('USAGE_INVALID', `${what}: this is not an ${named} URL.`, {
    details: { what },
    hint: `${what} https://host:port/path`,
  })
}
