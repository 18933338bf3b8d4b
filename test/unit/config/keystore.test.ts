import { describe, expect, it } from '@jest/globals'
import { decryptKeystoreJson, encryptKeystoreJson } from 'ethers/wallet'
import { decryptKeystore, encryptKeystore, parseKeystore } from '../../../src/lib/config/keystore.js'
import type { FlockError } from '../../../src/lib/errors.js'

/** Cheap on purpose: the cost is not what is tested. */
const COST = { n: 1024, r: 8, p: 1 }
const KEY = '0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'

/** The two examples of the Web3 Secret Storage definition; both hold KEY under "testpassword". */
const PBKDF2_EXAMPLE = {
  crypto: {
    cipher: 'aes-128-ctr',
    cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
    ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
    kdf: 'pbkdf2',
    kdfparams: {
      c: 262144,
      dklen: 32,
      prf: 'hmac-sha256',
      salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
    },
    mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
  },
  id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
  version: 3,
}
const SCRYPT_EXAMPLE = {
  crypto: {
    cipher: 'aes-128-ctr',
    cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
    ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
    kdf: 'scrypt',
    kdfparams: {
      dklen: 32,
      n: 262144,
      p: 8,
      r: 1,
      salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
    },
    mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
  },
  id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
  version: 3,
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as FlockError).code
  }
  return 'nothing was thrown'
}

describe('decryptKeystore', () => {
  it('opens the example of the definition with pbkdf2', async () => {
    const keystore = parseKeystore(JSON.stringify(PBKDF2_EXAMPLE), 'example')

    await expect(decryptKeystore(keystore, 'testpassword', 'example')).resolves.toBe(KEY)
  })

  it('says why it cannot open the example with scrypt, whose cost RFC 7914 forbids', async () => {
    const keystore = parseKeystore(JSON.stringify(SCRYPT_EXAMPLE), 'example')

    await expect(decryptKeystore(keystore, 'testpassword', 'example')).rejects.toMatchObject({
      code: 'KEYSTORE_INVALID',
      message: 'example uses scrypt with a cost that RFC 7914 does not allow.',
    })
  })

  it('opens what another program wrote, with upper-case keys as old wallets have them', async () => {
    const text = await encryptKeystoreJson(
      { address: '0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b', privateKey: KEY },
      'geheim',
      { scrypt: { N: 1024, r: 8, p: 1 } },
    )

    const keystore = parseKeystore(text.replace('"crypto"', '"Crypto"'), 'ethers')

    await expect(decryptKeystore(keystore, 'geheim', 'ethers')).resolves.toBe(KEY)
  })

  it('refuses a wrong password without decrypting', async () => {
    const keystore = await encryptKeystore(KEY, 'right', COST)

    await expect(decryptKeystore(keystore, 'wrong', 'alice')).rejects.toMatchObject({
      code: 'KEYSTORE_PASSWORD_WRONG',
      message: 'The password does not open alice.',
    })
  })

  it('refuses a file whose address belongs to another key', async () => {
    const keystore = await encryptKeystore(KEY, '', COST)

    await expect(
      decryptKeystore({ ...keystore, address: '11'.repeat(20) }, '', 'alice'),
    ).rejects.toMatchObject({ code: 'KEYSTORE_INVALID' })
  })

  it.each([
    ['memory', { n: 2 ** 30, r: 8, p: 1 }],
    ['rounds', { n: 1024, r: 8, p: 1_000 }],
    ['a cost that is no power of two', { n: 1000, r: 8, p: 1 }],
  ])('refuses to spend too much on a password: %s', async (_, cost) => {
    const keystore = await encryptKeystore(KEY, '', COST)
    const kdfparams = { dklen: 32, salt: '00', ...cost }
    const greedy = { ...keystore, crypto: { ...keystore.crypto, kdfparams } }

    await expect(decryptKeystore(greedy, '', 'alice')).rejects.toMatchObject({ code: 'KEYSTORE_INVALID' })
  })
})

describe('encryptKeystore', () => {
  it.each(['', 'geheim', 'pässwörd 漢'])(
    'writes what another program opens, password "%s"',
    async (password) => {
      const keystore = await encryptKeystore(KEY, password, COST)

      await expect(decryptKeystoreJson(JSON.stringify(keystore), password)).resolves.toMatchObject({
        address: '0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b',
        privateKey: KEY,
      })
    },
  )

  it('uses a new salt and a new start value every time', async () => {
    const first = await encryptKeystore(KEY, 'x', COST)
    const second = await encryptKeystore(KEY, 'x', COST)

    expect(first.crypto.ciphertext).not.toBe(second.crypto.ciphertext)
    expect(first.crypto.kdfparams.salt).not.toBe(second.crypto.kdfparams.salt)
  })
})

describe('parseKeystore', () => {
  it.each([
    ['not JSON', '{'],
    ['another version', JSON.stringify({ ...SCRYPT_EXAMPLE, version: 4 })],
    [
      'another cipher',
      JSON.stringify({ ...SCRYPT_EXAMPLE, crypto: { ...SCRYPT_EXAMPLE.crypto, cipher: 'x' } }),
    ],
    [
      'a key of another length',
      JSON.stringify({ ...SCRYPT_EXAMPLE, crypto: { ...SCRYPT_EXAMPLE.crypto, ciphertext: 'aa' } }),
    ],
  ])('refuses %s', (_, text) => {
    expect(codeOf(() => parseKeystore(text, 'file'))).toBe('KEYSTORE_INVALID')
  })
})
