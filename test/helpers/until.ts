/** Far longer than any test may take. */
const PATIENCE_MS = 120_000

/**
 * Waits for something that other parts of the test bring about. A test that has failed does not stop what it began: without
 * an end, the wait would keep the whole run from ending.
 */
export async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  while (!holds()) {
    if (performance.now() > endMs) throw new Error('what the test waits for did not come about')
    await new Promise((resolve) => setImmediate(resolve))
  }
}
