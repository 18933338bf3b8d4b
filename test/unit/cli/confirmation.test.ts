import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { describe, expect, it } from '@jest/globals'
import { requireConfirmation } from '../../../src/lib/cli/confirmation.js'
import { createPrompter } from '../../../src/lib/cli/prompts.js'
import { caught } from '../../helpers/caught.js'

const base = { name: 'base', chainId: 8453 }
const devnet = { name: 'local', chainId: 31337 }

/** A terminal at which somebody types this as soon as a question stands there; null for no terminal. */
function terminalOf(typed: string | null) {
  const [stdin, stderr] = [new PassThrough(), new PassThrough()].map((stream) =>
    Object.assign(stream, { isTTY: typed !== null }),
  ) as [PassThrough & { isTTY: boolean }, PassThrough & { isTTY: boolean }]
  void once(stderr, 'data').then(() => stdin.write(`${typed ?? ''}\r`))
  return createPrompter({
    stdin: stdin as unknown as NodeJS.ReadStream,
    stderr,
    env: {},
    json: false,
    noInput: false,
    signal: new AbortController().signal,
  })
}

function confirm(
  on: typeof base | undefined,
  globals: { readonly yes?: boolean; readonly network?: string },
  typed: string | null = null,
): Promise<void> {
  const context = { globals, prompter: terminalOf(typed), typed: 'flock deploy' }
  return requireConfirmation({ question: 'Deploy?', on }, context)
}

describe('a confirmation', () => {
  it.each([
    ['--yes where no network is concerned', undefined, { yes: true }],
    ['--yes on a network without money', devnet, { yes: true }],
    ['--yes beside --network on a main network', base, { yes: true, network: 'base' }],
  ])('is given by %s', async (_what, on, globals) => {
    await expect(confirm(on, globals)).resolves.toBeUndefined()
  })

  it.each([
    ['y', devnet],
    ['y', undefined],
    ['base', base],
  ])('is given by typing "%s"', async (typed, on) => {
    await expect(confirm(on, {}, typed)).resolves.toBeUndefined()
  })

  it('has to be typed on a main network, though --yes was given', async () => {
    await expect(confirm(base, { yes: true }, 'base')).resolves.toBeUndefined()
  })

  it.each([
    ['', devnet],
    ['n', devnet],
    ['y', base],
    ['Base', base],
    ['', base],
  ])('is not given by typing "%s"', async (typed, on) => {
    expect((await caught(confirm(on, {}, typed))).code).toBe('DECLINED')
  })

  it.each([
    ['--yes', devnet, {}, ['--yes']],
    ['the network', base, { yes: true }, ['--network']],
    ['both, at once', base, {}, ['--yes', '--network']],
  ])('is missed without a terminal: %s', async (_what, on, globals, missing) => {
    const error = await caught(confirm(on, globals))

    expect(error.code).toBe('INPUT_MISSING')
    expect((error.details.missing as { name: string }[]).map(({ name }) => name)).toEqual(missing)
    expect(error.hint).toContain('flock deploy --')
  })
})
