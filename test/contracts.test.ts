import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'

/** Files of Ritual's infernet-sdk 1.1.0 that a contract can import as `infernet-sdk/...`. */
const SDK_FILES = [
  'Coordinator.sol',
  'EIP712Coordinator.sol',
  'Inbox.sol',
  'Registry.sol',
  'consumer/Base.sol',
  'consumer/Callback.sol',
  'consumer/Subscription.sol',
  'pattern/Allowlist.sol',
  'pattern/Delegator.sol',
  'payments/Fee.sol',
  'payments/IVerifier.sol',
  'payments/Wallet.sol',
  'payments/WalletFactory.sol',
  'utility/Coordinated.sol',
  'utility/Reader.sol',
]

function solidityFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.sol(?:\.tmpl)?$/.test(file))
    .map((file) => join(folder, file))
}

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^import [^;]*?["']([^"']+)["'];/gm)].map(
    ([, path]) => path ?? '',
  )
}

describe('contracts', () => {
  it.each(SDK_FILES)('offers infernet-sdk/%s at the path of the SDK', (file) => {
    expect(existsSync(join('contracts/infernet', file))).toBe(true)
  })

  it.each([...solidityFiles('contracts/src'), ...solidityFiles('templates/consumer')])(
    '%s imports nothing of Infernet that the SDK lacks',
    (file) => {
      const infernet = importsOf(file).filter((path) => path.includes('infernet'))

      for (const path of infernet) expect(SDK_FILES.map((name) => `infernet-sdk/${name}`)).toContain(path)
    },
  )

  it('have a consumer that inherits SubscriptionConsumer and Delegator of the SDK', () => {
    const file = 'contracts/src/ModelHostConsumer.sol'

    expect(importsOf(file)).toEqual(
      expect.arrayContaining([
        'infernet-sdk/consumer/Subscription.sol',
        'infernet-sdk/pattern/Delegator.sol',
      ]),
    )
    expect(readFileSync(file, 'utf8')).toMatch(
      /contract ModelHostConsumer is [^{]*SubscriptionConsumer, Delegator/,
    )
  })
})
