import { describe, expect, it } from '@jest/globals'
import { isVariableName } from '../../src/lib/variable-name.js'

describe('the name of a variable', () => {
  it.each(['FLOCK_API_KEY', 'HF_TOKEN', '_', 'A1', 'HUGGINGFACEHUB_API_TOKEN', 'KEY_OF_GPU_2'])(
    'may be %s',
    (name) => {
      expect(isVariableName(name)).toBe(true)
    },
  )

  it.each([
    '',
    'flock_api_key',
    '1KEY',
    'A KEY',
    'KEY\n',
    'sk-proj-abc',
    'sk_live_abc',
    'A'.repeat(101),
    'AKIAIOSFODNN7EXAMPLE',
    'ABCDEF0123456789ABCDEF0123456789',
    'ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF',
    'KEY_ABCDEF0123456789ABCDEF',
  ])('is not %j, which may be the key itself', (text) => {
    expect(isVariableName(text)).toBe(false)
  })
})
