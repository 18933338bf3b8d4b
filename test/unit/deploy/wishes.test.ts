import { describe, expect, it } from '@jest/globals'
import { NETWORK_PRESETS, type NetworkConfig } from '../../../src/lib/config/networks.js'
import { emptyRecord, withContracts, type DeployedContract } from '../../../src/lib/deploy/record.js'
import { wantedContracts, type DeployWishes } from '../../../src/lib/deploy/wishes.js'
import type { Address } from '../../../src/lib/hex.js'
import { caught } from '../../helpers/caught.js'

const signer: Address = '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65'
const other: Address = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const token: Address = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const base = NETWORK_PRESETS['base'] as NetworkConfig
const sepolia = NETWORK_PRESETS['base-sepolia'] as NetworkConfig

const nothing: DeployWishes = {
  withCore: false,
  host: null,
  delegateSigner: null,
  owner: null,
  treasury: null,
  paymentToken: null,
  stakeToken: null,
}

function recorded(args: readonly string[]): DeployedContract {
  return {
    address: token,
    txHash: null,
    blockNumber: 1,
    deployer: other,
    args,
    codeHash: `0x${'11'.repeat(32)}`,
  }
}

describe('wantedContracts', () => {
  it('makes the signer the host of its consumer', () => {
    const [consumer] = wantedContracts(nothing, { network: base, record: null, from: signer })

    expect(consumer?.name).toBe('ModelHostConsumer')
    expect(consumer?.args).toEqual([base.infernetRegistry, { contract: 'UsageMeter' }, signer, signer])
  })

  it('lets the host sign delegated subscriptions unless told otherwise', () => {
    const of = (wishes: Partial<DeployWishes>) =>
      wantedContracts(
        { ...nothing, ...wishes },
        { network: base, record: null, from: signer },
      )[0]?.args.slice(2)

    expect(of({ host: other })).toEqual([other, other])
    expect(of({ host: other, delegateSigner: signer })).toEqual([other, signer])
  })

  it('makes the signer the owner of a new core, paid in the token of the network', () => {
    const wanted = wantedContracts(
      { ...nothing, withCore: true },
      { network: base, record: null, from: signer },
    )

    expect(wanted.map(({ name }) => name)).toEqual([
      'ModelRegistry',
      'RewardDistributor',
      'ModelHostConsumer',
    ])
    const { paymentToken } = base
    expect(wanted[1]?.args).toEqual([
      signer,
      paymentToken,
      paymentToken,
      { contract: 'ModelRegistry' },
      signer,
      '100000',
    ])
  })

  it('wants of a recorded core what is recorded, whoever asks', () => {
    const core = [other, token, token, token, other, '100000']
    const record = withContracts(emptyRecord(84_532, 'base-sepolia'), { RewardDistributor: recorded(core) })

    const wanted = wantedContracts({ ...nothing, withCore: true }, { network: sepolia, record, from: signer })

    expect(wanted[1]?.args).toEqual([other, token, token, { contract: 'ModelRegistry' }, other, '100000'])
  })

  it('takes the token of a local chain from its record', () => {
    const record = withContracts(emptyRecord(84_532, 'base-sepolia'), { PaymentToken: recorded([]) })

    const wanted = wantedContracts({ ...nothing, withCore: true }, { network: sepolia, record, from: signer })

    expect(wanted[1]?.args.slice(1, 3)).toEqual([token, token])
  })

  it('asks for the payment token where none is known', async () => {
    const error = await caught(() =>
      wantedContracts({ ...nothing, withCore: true }, { network: sepolia, record: null, from: signer }),
    )

    expect(error.code).toBe('INPUT_MISSING')
    expect(error.hint).toContain('--payment-token')
  })

  it('says where to name the Infernet Registry where none is known', async () => {
    const network = { ...sepolia, infernetRegistry: null }

    const error = await caught(() => wantedContracts(nothing, { network, record: null, from: signer }))

    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.hint).toContain('networks.base-sepolia.infernetRegistry')
  })
})
