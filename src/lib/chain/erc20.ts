/** The part of ERC-20 that payments and stake need. */
import type { Address } from '../hex.js'
import { FLOCK_DECIMALS, formatAmount } from '../units.js'
import type { ContractArtifact } from './artifact.js'
import { planCall, type PlannedCall } from './calls.js'
import { readContract } from './contracts.js'
import type { Chain } from './provider.js'

const uint = { name: '', type: 'uint256' }
const account = (name: string) => ({ name, type: 'address' })
const view = (name: string, inputs: readonly { name: string; type: string }[], output: string) => ({
  type: 'function',
  name,
  inputs,
  outputs: [{ name: '', type: output }],
  stateMutability: 'view',
})

/** Standard functions, and the errors that the common implementations (OpenZeppelin, Solady) raise. */
export const erc20Artifact: ContractArtifact = {
  contractName: 'ERC20',
  bytecode: '0x',
  abi: [
    view('balanceOf', [account('account')], 'uint256'),
    view('allowance', [account('owner'), account('spender')], 'uint256'),
    view('symbol', [], 'string'),
    view('decimals', [], 'uint8'),
    {
      type: 'function',
      name: 'approve',
      inputs: [account('spender'), { name: 'amount', type: 'uint256' }],
      outputs: [{ name: '', type: 'bool' }],
      stateMutability: 'nonpayable',
    },
    {
      type: 'error',
      name: 'ERC20InsufficientBalance',
      inputs: [account('sender'), { ...uint, name: 'balance' }, { ...uint, name: 'needed' }],
    },
    {
      type: 'error',
      name: 'ERC20InsufficientAllowance',
      inputs: [account('spender'), { ...uint, name: 'allowance' }, { ...uint, name: 'needed' }],
    },
    { type: 'error', name: 'InsufficientBalance', inputs: [] },
    { type: 'error', name: 'InsufficientAllowance', inputs: [] },
    { type: 'error', name: 'TransferFromFailed', inputs: [] },
    { type: 'error', name: 'TransferFailed', inputs: [] },
  ],
}

export function readTokenBalance(chain: Chain, token: Address, owner: Address): Promise<bigint> {
  return readContract(chain, erc20Artifact, token, 'balanceOf', [owner])
}

export function readAllowance(
  chain: Chain,
  token: Address,
  owner: Address,
  spender: Address,
): Promise<bigint> {
  return readContract(chain, erc20Artifact, token, 'allowance', [owner, spender])
}

/** Lets `spender` take exactly `amount`; what was allowed before is replaced. */
export function planApprove(token: Address, spender: Address, amount: bigint): PlannedCall {
  const label = `approve ${formatAmount(amount, FLOCK_DECIMALS)} FLOCK`
  return planCall(label, erc20Artifact, token, 'approve', [spender, amount])
}
