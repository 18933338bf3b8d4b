import type { Dice } from './dice.js'

/** What texts are made of, with all that tokenizers treat apart: cases, digits, blanks, scripts, halves of characters. */
const PIECES = [
  'the',
  ' the',
  'The',
  ' BEES',
  'beeswax',
  'internationalization',
  'camelCaseWord',
  "'s",
  "'LL",
  '’s',
  'a',
  'A',
  'z',
  '7',
  '1234567',
  '½',
  ' ',
  '  ',
  '\n',
  '\r\n',
  '\t',
  '\u00a0',
  '\u3000',
  '.',
  '...',
  '//',
  ', ',
  '-----',
  '<|endoftext|>',
  '<|im_start|>',
  '{"a": [1, 2]}',
  'é',
  'e\u0301',
  'ß',
  'ﬁ',
  'Ω',
  'привет',
  ' мир',
  '字',
  '吾輩は猫である',
  'สวัสดี',
  '한국어',
  'مرحبا',
  'नमस्ते',
  '😀',
  '👩‍👩‍👧',
  '\u0000',
  '\ufffd',
  '\ud800',
  '\u{10fffd}',
]

/** A text of up to 60 pieces, some of them many times in a row. */
export function randomProse(dice: Dice): string {
  const pieces = Array.from({ length: dice.between(0, 60) }, () =>
    dice.pick(PIECES).repeat(dice.once(12) ? dice.between(2, 40) : 1),
  )
  return pieces.join('')
}
