import { createHash } from 'node:crypto'
import { joinTokens, spaced, tokenize } from './demo-tokens.js'

/** How one completion is drawn. */
export interface Sampling {
  readonly maxTokens: number
  /** 0 takes the likeliest word each time. */
  readonly temperature: number
  /** Texts that end the completion; they are not part of it. */
  readonly stop: readonly string[]
  readonly seed: number
}

export interface Completion {
  /** The answer in pieces of one token. */
  readonly pieces: readonly string[]
  readonly finishReason: 'stop' | 'length'
}

/** A text model of word sequences. The same prompt and sampling always give the same completion. */
export interface DemoModel {
  /** How many different words and signs it knows. */
  readonly vocabularySize: number
  complete(prompt: string, sampling: Sampling): Completion
}

/** Ends a paragraph of the training text, and so a completion. No token of a text is empty. */
const END = ''

/** Words of context, and how much each length of context counts. A longer context is rarer and says more. */
const CONTEXT_WEIGHTS: readonly (readonly [length: number, weight: number])[] = [
  [3, 8],
  [2, 4],
  [1, 0.5],
]

/** How much a word of the prompt is preferred, and a pair of words that was said already is avoided. */
const PROMPT_BONUS = 3
const REPEAT_FACTOR = 0.2
/** Each finished sentence makes the end likelier. */
const END_BONUS = 2

/** Words that ask, and so say nothing of the subject. */
const ASKING = new Set(
  'a about am an and are can do does did how i in is it me of tell the to was what when where which who why you'.split(
    ' ',
  ),
)

type Counts = Map<string, number>

/** Learns how words follow each other in a text; paragraphs are divided by blank lines. */
export function trainDemoModel(corpus: string): DemoModel {
  const followers = new Map<string, Counts>()
  const sentences: string[][] = []
  const frequency: Counts = new Map()
  for (const paragraph of corpus.split(/\n\s*\n/)) {
    const tokens = tokenize(paragraph).map((token) => token.trim())
    const words = tokens.filter((token) => token !== '')
    if (words.length === 0) continue
    words.forEach((word) => count(frequency, word.toLowerCase()))
    sentences.push(...sentencesOf(words))
    learn(followers, [...words, END])
  }

  /** How telling a word is: rare words name the subject, frequent ones hold sentences together. */
  const weightOf = (word: string) => {
    const times = frequency.get(word.toLowerCase())
    return times === undefined ? 0 : 1 / times
  }

  return {
    vocabularySize: frequency.size,
    complete(prompt, sampling) {
      const random = createRandom(`${sampling.seed}\n${prompt}`)
      const subject = subjectOf(prompt)
      const opening = draw(openings(sentences, subject, weightOf), sampling.temperature / 3, random)
      // Two words lead into the subject; the rest is said anew.
      const words = opening?.slice(0, 2) ?? []
      while (words.length <= sampling.maxTokens) {
        const next = draw(nextWords(followers, words, subject, weightOf), sampling.temperature, random)
        if (next === undefined || next === END) break
        words.push(next)
      }
      return finish(words, sampling)
    },
  }
}

function subjectOf(prompt: string): Set<string> {
  const words = tokenize(prompt).map((token) => token.trim().toLowerCase())
  return new Set(words.filter((word) => !ASKING.has(word)))
}

function sentencesOf(words: readonly string[]): string[][] {
  const sentences: string[][] = [[]]
  for (const word of words) {
    sentences.at(-1)?.push(word)
    if (word === '.') sentences.push([])
  }
  return sentences.filter((sentence) => sentence.length > 0)
}

function learn(followers: Map<string, Counts>, words: readonly string[]): void {
  words.forEach((word, at) => {
    for (const [length] of CONTEXT_WEIGHTS) {
      if (at < length) continue
      const context = contextOf(words.slice(0, at), length)
      const counts = followers.get(context) ?? new Map<string, number>()
      followers.set(context, counts)
      count(counts, word)
    }
  })
}

/** Sentences to begin with, weighed by the words that they share with the prompt. */
function openings(
  sentences: readonly string[][],
  subject: ReadonlySet<string>,
  weightOf: (word: string) => number,
): Map<string[], number> {
  const scored = sentences.map((sentence) => {
    const shared = new Set(sentence.map((word) => word.toLowerCase()).filter((word) => subject.has(word)))
    return [sentence, [...shared].reduce((sum, word) => sum + weightOf(word), 0.001)] as const
  })
  return new Map(scored)
}

/** What may come next, weighed. */
function nextWords(
  followers: ReadonlyMap<string, Counts>,
  words: readonly string[],
  subject: ReadonlySet<string>,
  weightOf: (word: string) => number,
): Counts {
  const scores: Counts = new Map()
  for (const [length, weight] of CONTEXT_WEIGHTS) {
    const counts = followers.get(contextOf(words, length))
    if (counts === undefined || words.length < length) continue
    const total = [...counts.values()].reduce((sum, times) => sum + times, 0)
    for (const [word, times] of counts) scores.set(word, (scores.get(word) ?? 0) + (weight * times) / total)
  }
  const last = words.at(-1)
  const sentences = words.filter((word) => word === '.').length
  for (const [word, score] of scores) {
    const said = words.filter((other, at) => other === word && words[at - 1] === last).length
    const wanted = subject.has(word.toLowerCase()) ? 1 + PROMPT_BONUS * weightOf(word) : 1
    const ending = word === END ? 1 + END_BONUS * sentences : 1
    scores.set(word, score * REPEAT_FACTOR ** said * wanted * ending)
  }
  return scores
}

/** Draws by weight; the lower the temperature, the more the heaviest is preferred. */
function draw<T>(weights: ReadonlyMap<T, number>, temperature: number, random: () => number): T | undefined {
  const entries = [...weights]
  const heaviest = entries.reduce((most, [, weight]) => Math.max(most, weight), 0)
  if (temperature === 0) return entries.find(([, weight]) => weight === heaviest)?.[0]
  const tempered = entries.map(([item, weight]) => [item, (weight / heaviest) ** (1 / temperature)] as const)
  let rest = random() * tempered.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [item, weight] of tempered) {
    rest -= weight
    if (rest <= 0) return item
  }
  return tempered.at(-1)?.[0]
}

/** Cuts at the limit and at the first stop; what is left is what was said. */
function finish(words: readonly string[], { maxTokens, stop }: Sampling): Completion {
  const said = words.slice(0, maxTokens)
  const text = joinTokens(said)
  const cuts = stop.map((mark) => text.indexOf(mark)).filter((at) => at >= 0)
  if (cuts.length > 0) return { pieces: tokenize(text.slice(0, Math.min(...cuts))), finishReason: 'stop' }
  return {
    pieces: said.map((word, position) => spaced(word, position === 0)),
    finishReason: words.length > maxTokens ? 'length' : 'stop',
  }
}

function contextOf(words: readonly string[], length: number): string {
  return [length, ...words.slice(words.length - length)].join('\n')
}

function count(counts: Counts, item: string): void {
  counts.set(item, (counts.get(item) ?? 0) + 1)
}

/** Numbers from 0 to 1 that depend on the text alone (a 32-bit linear congruential generator, Numerical Recipes). */
function createRandom(text: string): () => number {
  let state = createHash('sha256').update(text).digest().readUInt32LE(0)
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
