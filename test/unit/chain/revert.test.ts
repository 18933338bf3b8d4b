import { AbiCoder, Interface } from 'ethers/abi'
import { describe, expect, it } from '@jest/globals'
import { modelRegistryArtifact } from '../../../src/lib/abi/model-registry.js'
import { usageMeterArtifact } from '../../../src/lib/abi/usage-meter.js'
import type { ContractArtifact } from '../../../src/lib/chain/artifact.js'
import { decodeRevert, describeRevert, revertError, toChainError } from '../../../src/lib/chain/revert.js'
import { FlockError } from '../../../src/lib/errors.js'
import type { Hex } from '../../../src/lib/hex.js'

const known: readonly ContractArtifact[] = [modelRegistryArtifact, usageMeterArtifact]
const MODEL_ID: Hex = `0x${'ab'.repeat(32)}`

function errorData(artifact: ContractArtifact, name: string, args: readonly unknown[]): Hex {
  return new Interface(artifact.abi).encodeErrorResult(name, args) as Hex
}

describe('decodeRevert', () => {
  it('finds a custom error in the ABI that has it and names its arguments', () => {
    const data = errorData(usageMeterArtifact, 'UsageAboveCap', [12n, 2n ** 200n])

    expect(decodeRevert(data, known)).toEqual({
      contract: 'UsageMeter',
      name: 'UsageAboveCap',
      args: { tokens: '12', cap: (2n ** 200n).toString() },
    })
  })

  it('reads the text of a require', () => {
    const data = `0x08c379a0${AbiCoder.defaultAbiCoder().encode(['string'], ['no luck']).slice(2)}` as Hex

    expect(decodeRevert(data, [])).toEqual({ contract: null, name: 'Error', args: { message: 'no luck' } })
  })

  it.each([
    [0x11, 'arithmetic overflow or underflow (Panic 17)'],
    [0x32, 'array index out of bounds (Panic 50)'],
    [0x99, 'unknown panic (Panic 153)'],
  ])('gives the meaning of panic %i', (code, text) => {
    const data = `0x4e487b71${AbiCoder.defaultAbiCoder().encode(['uint256'], [code]).slice(2)}` as Hex

    const decoded = decodeRevert(data, known)

    expect(decoded && describeRevert(decoded)).toBe(text)
  })

  it.each([
    ['no data', '0x'],
    ['an unknown selector', '0xdeadbeef'],
    ['half a selector', '0xdead'],
    ['a known selector with cut arguments', '0x08c379a0ff'],
  ] as const)('gives null for %s', (_name, data) => {
    expect(decodeRevert(data, known)).toBeNull()
  })
})

describe('revertError', () => {
  it('carries contract, error and arguments for programs', () => {
    const data = errorData(modelRegistryArtifact, 'ModelUnknown', [MODEL_ID])

    const error = revertError(data, known, { txHash: '0x01' })

    expect(error.code).toBe('TX_REVERTED')
    expect(error.message).toBe(`ModelRegistry refused the call: ModelUnknown(modelId: ${MODEL_ID}).`)
    expect(error.details).toEqual({
      contract: 'ModelRegistry',
      error: 'ModelUnknown',
      args: { modelId: MODEL_ID },
      data,
      txHash: '0x01',
    })
  })

  it('shows the selector of an error that no ABI knows', () => {
    expect(revertError('0xdeadbeef', known).message).toBe(
      'The contract refused the call: unknown error 0xdeadbeef.',
    )
  })
})

describe('toChainError', () => {
  it('leaves errors alone that are no reverts', () => {
    const error = new FlockError('RPC_UNREACHABLE', 'gone')

    expect(toChainError(error, known)).toBe(error)
  })

  it('does not decode twice', () => {
    const once = revertError(errorData(modelRegistryArtifact, 'ModelUnknown', [MODEL_ID]), known)

    expect(toChainError(once, [])).toBe(once)
  })
})
