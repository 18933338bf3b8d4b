const NAME = /^[A-Z_][A-Z0-9_]*$/
const LONGEST_NAME = 100
/** Words of names are short. Keys that are all capitals and digits have no words. */
const LONGEST_WORD = 31
const LONGEST_WORD_WITH_DIGITS = 19

/**
 * True for what can be the name of an environment variable. False for what may as well be a key that was put in the
 * place of its variable: such text is never repeated.
 */
export function isVariableName(text: string): boolean {
  return NAME.test(text) && text.length <= LONGEST_NAME && text.split('_').every(isWord)
}

function isWord(text: string): boolean {
  return text.length <= (/\d/.test(text) ? LONGEST_WORD_WITH_DIGITS : LONGEST_WORD)
}
