import { AbiCoder } from 'ethers/abi'
import { keccak256 } from 'ethers/crypto'
import { FlockError } from '../errors.js'
import type { Hex } from '../hex.js'

/** Infernet writes a pipeline as its container ids joined with this, in the order of execution. */
const SEPARATOR = ','

/**
 * Hashes the containers of a pipeline as Infernet does: `keccak256(abi.encode(string list))`.
 *
 * The chain keeps only this hash, so a list that is written differently is a different service.
 * @throws USAGE_INVALID for an empty list, an id with commas or blanks, or a repeated id
 */
export function containerIdOf(containers: readonly string[]): Hex {
  return hashContainerList(renderContainerList(containers))
}

/** Hashes a list as it stands in `createSubscription`, unchecked: blanks and case count. */
export function hashContainerList(list: string): Hex {
  return keccak256(AbiCoder.defaultAbiCoder().encode(['string'], [list])) as Hex
}

/**
 * Writes container ids the way `createSubscription` takes them.
 * @throws USAGE_INVALID as `containerIdOf`
 */
export function renderContainerList(containers: readonly string[]): string {
  if (containers.length === 0) throw invalid('A pipeline needs at least one container.', { containers })
  containers.forEach((id, position) => {
    if (id === '') throw invalid('A container id is empty.', { containers })
    if (id.includes(SEPARATOR) || /\s/u.test(id)) {
      throw invalid(`The container id ${JSON.stringify(id)} holds a comma or a blank.`, { container: id })
    }
    if (containers.indexOf(id) !== position) {
      throw invalid(`The container ${id} is listed twice.`, { container: id })
    }
  })
  return containers.join(SEPARATOR)
}

/**
 * Reads a list such as `first,second`.
 * @throws USAGE_INVALID as `containerIdOf`
 */
export function parseContainerList(list: string): string[] {
  const containers = list.split(SEPARATOR)
  renderContainerList(containers)
  return containers
}

function invalid(message: string, details: Record<string, unknown>): FlockError {
  return new FlockError('USAGE_INVALID', message, {
    details,
    hint: 'Container ids are joined with commas, without blanks, each once, in the order they run.',
  })
}
