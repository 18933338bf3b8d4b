import type { Fact, StoryEvent, StoryResult } from '../../devnet/story-events.js'
import { FLOCK_DECIMALS, formatAmount } from '../../units.js'
import { pairLines } from './table.js'

/** One event of the story as lines: a numbered step with the command that does it, or what came of it. */
export function storyLines(event: StoryEvent, number: number): string[] {
  if (event.type === 'facts')
    return pairLines(event.facts.map(({ label, value }: Fact) => [label, value])).map(indent)
  const keys = event.keys.map((name) => `${name}=... `).join('')
  return ['', `${number}. ${event.title}`, indent(`$ ${keys}flock ${event.command.map(quote).join(' ')}`)]
}

/** The end of the story. */
export function storyResultLines(result: StoryResult): string[] {
  const amount = (value: bigint) => formatAmount(value, FLOCK_DECIMALS)
  const { fee } = result
  return [
    ...pairLines([
      ['Answer', result.answer],
      ['Delivered', result.deliveryTx],
      [
        'Fee',
        `${amount(fee.total)} = host ${amount(fee.host)} + training ${amount(fee.training)} + validators ${amount(fee.validators)}`,
      ],
      [
        'Claimed',
        `${amount(result.claimed)} by ${result.claims.length} accounts, ${result.carried} base units carried`,
      ],
    ]),
  ]
}

function indent(line: string): string {
  return `   ${line}`
}

function quote(word: string): string {
  return /^[\w./:=%@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
