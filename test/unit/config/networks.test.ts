import { describe, expect, it } from '@jest/globals'
import { chooseNetwork, NETWORK_PRESETS } from '../../../src/lib/config/networks.js'
import { isAddress, parseAddress } from '../../../src/lib/hex.js'

const choice = (network: string | null, rpcUrl: string | null = null) => ({ network, rpcUrl })

describe('the presets', () => {
  it('hold checksummed addresses, and the Registry of the starter kit on the local chain', () => {
    for (const preset of Object.values(NETWORK_PRESETS)) {
      for (const address of [preset.infernetRegistry, preset.paymentToken]) {
        if (address === null) continue
        expect(isAddress(address)).toBe(true)
        expect(parseAddress(address, 'preset')).toBe(address)
      }
    }
    expect(NETWORK_PRESETS.local?.infernetRegistry).toBe('0x663F3ad617193148711d28f5334eE4Ed07016602')
  })

  it('are named as they are listed', () => {
    for (const [name, preset] of Object.entries(NETWORK_PRESETS)) expect(preset.name).toBe(name)
  })
})

describe('chooseNetwork', () => {
  it('takes the flag, else the project, else the local chain', () => {
    const project = { network: 'base', networks: NETWORK_PRESETS }

    expect(chooseNetwork(project, choice('ethereum')).name).toBe('ethereum')
    expect(chooseNetwork(project, choice(null)).name).toBe('base')
    expect(chooseNetwork(null, choice(null)).name).toBe('local')
  })

  it('takes a chain id for a name and lays the RPC URL over the network', () => {
    expect(chooseNetwork(null, choice('84532', 'http://10.0.0.1'))).toMatchObject({
      name: 'base-sepolia',
      rpcUrl: 'http://10.0.0.1',
    })
  })

  it('names the known networks and the nearest one', () => {
    expect(() => chooseNetwork(null, choice('base-sepolja'))).toThrow(
      expect.objectContaining({ code: 'NETWORK_UNKNOWN', hint: '--network base-sepolia' }),
    )
  })
})
