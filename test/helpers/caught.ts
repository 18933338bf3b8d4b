import { FlockError } from '../../src/lib/errors.js'

/** The FlockError that the work fails with. Anything else, success included, fails the test. */
export async function caught(work: Promise<unknown> | (() => unknown)): Promise<FlockError> {
  let outcome: unknown
  try {
    outcome = await (typeof work === 'function' ? work() : work)
  } catch (error) {
    if (error instanceof FlockError) return error
    throw error
  }
  throw new Error(`expected a FlockError, got ${String(outcome)}`)
}
