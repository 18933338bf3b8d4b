import { describe, expect, it } from '@jest/globals'
import { pythonLiteralOfJson } from '../../../src/lib/infernet/python-literal.js'

// Expected values are what CPython 3.11 prints for repr(json.loads(text)).
describe('Python literals', () => {
  it.each([
    ['{"output": "hi"}', "{'output': 'hi'}"],
    ['{"b":1,"1":[true,false,null],"a":{}}', "{'b': 1, '1': [True, False, None], 'a': {}}"],
    [' [ 1 , [ ] ] ', '[1, []]'],
    ['"it\'s"', '"it\'s"'],
    ['"it\'s \\"so\\""', "'it\\'s \"so\"'"],
    ['"say \\"so\\""', '\'say "so"\''],
    ['"a\\\\b\\n\\r\\t"', "'a\\\\b\\n\\r\\t'"],
    ['"\\u0007\\u007f\\u00a0\\u200b\\u2028\\ud800"', "'\\x07\\x7f\\xa0\\u200b\\u2028\\ud800'"],
    ['"é 😀 漢"', "'é 😀 漢'"],
    ['"\\ue000 \\udb80\\udc00"', "'\\ue000 \\U000f0000'"],
    ['[1, 1.0, -0, -0.0, 0.5, 100.0]', '[1, 1.0, 0, -0.0, 0.5, 100.0]'],
    [
      '[1e15, 1e16, 1E+2, 1e-4, 1e-5, 0.00012345]',
      '[1000000000000000.0, 1e+16, 100.0, 0.0001, 1e-05, 0.00012345]',
    ],
    ['[123456789012345678901234567890, 1e400, -1e400]', '[123456789012345678901234567890, inf, -inf]'],
  ])('writes %s', (json, literal) => {
    expect(pythonLiteralOfJson(json)).toBe(literal)
  })

  it('takes a text of several megabytes and of great depth', () => {
    const long = 'x'.repeat(4_000_000)
    const deep = '['.repeat(5_000) + ']'.repeat(5_000)

    expect(pythonLiteralOfJson(JSON.stringify(long))).toHaveLength(long.length + 2)
    expect(pythonLiteralOfJson(JSON.stringify('\n'.repeat(4_000_000)))).toHaveLength(8_000_002)
    expect(pythonLiteralOfJson(deep)).toBe(deep)
  })

  it.each(['', '{', '{"a":}', 'nul', "{'a': 1}", '1 2'])('refuses %j, without quoting it', (json) => {
    expect(() => pythonLiteralOfJson(json)).toThrow(
      expect.objectContaining({
        code: 'JSON_INVALID',
        message: 'The answer of a container is not valid JSON.',
      }),
    )
  })
})
