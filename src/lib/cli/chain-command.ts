import { readFile } from 'node:fs/promises'
import { computeAddress } from 'ethers/transaction'
import type { LoadedProject } from '../config/load.js'
import type { NetworkConfig } from '../config/networks.js'
import type { Deployment, DeploymentOptions } from '../deploy/connect.js'
import { isAddress, parseAddress, type Address } from '../hex.js'
import type { ProjectModels } from '../models/registry.js'
import { FlockCommand } from './flock-command.js'
import { Flags, keyFlags, type KeyFlags } from './flags.js'

/** Whose state is looked at. Reading needs no key; a keystore is opened only when its file does not tell the address. */
export const accountFlags = {
  ...keyFlags,
  account: Flags.string({
    summary: 'Address, or name of a keystore; by default the account of FLOCK_PRIVATE_KEY.',
    helpGroup: 'WALLET',
    helpValue: '<address|name>',
    env: 'FLOCK_ACCOUNT',
    exclusive: ['keystore'],
  }),
}

/** Where a command works: the project, if any, the network, and how to reach what is deployed there. */
export interface Place {
  readonly project: LoadedProject | null
  readonly network: NetworkConfig
  readonly connection: DeploymentOptions
}

/** Base of commands that talk to FLock's contracts on a chain. */
export abstract class ChainCommand<T extends object> extends FlockCommand<T> {
  /** @throws CONFIG_INVALID and kin for a broken project, NETWORK_UNKNOWN */
  protected async place(): Promise<Place> {
    return this.placeOf(await this.loadProjectIfAny())
  }

  protected async placeOf(project: LoadedProject | null): Promise<Place> {
    const network = await this.networkOf(project?.config ?? null)
    const connection = { dir: project?.dir ?? process.cwd(), timeoutMs: this.timeoutMs, signal: this.signal }
    return { project, network, connection }
  }

  /** What the project says of its models, for looking them up. */
  protected modelsOf(project: LoadedProject | null, deployment: Deployment): ProjectModels {
    const consumer = deployment.record.contracts.ModelHostConsumer?.address ?? null
    return { models: project?.config.models ?? [], consumer }
  }

  /**
   * The account that is looked at: an address or the name of a keystore, else the one whose key is in the environment.
   * Opens a keystore only when the file does not tell its address.
   * @returns null when nothing names an account
   */
  protected async accountOf(flags: KeyFlags): Promise<Address | null> {
    const { account } = flags
    if (isAddress(account)) return parseAddress(account, '--account')
    const isNamed = account !== undefined || flags.keystore !== undefined
    if (isNamed) return (await this.#keystoreAddress(flags)) ?? this.#keyAddress(flags)
    return process.env.FLOCK_PRIVATE_KEY === undefined ? null : this.#keyAddress(flags)
  }

  async #keystoreAddress({ account, keystore }: KeyFlags): Promise<Address | null> {
    const { keystorePath } = await import('../config/secrets.js')
    const { parseKeystore } = await import('../config/keystore.js')
    const path = keystore ?? keystorePath(account ?? '', process.env)
    const text = await readFile(path, 'utf8').catch(() => null)
    const address = text === null ? undefined : parseKeystore(text, path).address
    return address === undefined ? null : parseAddress(`0x${address}`, path)
  }

  async #keyAddress(flags: KeyFlags): Promise<Address> {
    return computeAddress(await this.loadKey('FLOCK_PRIVATE_KEY', flags)) as Address
  }
}
