import { Flags, amountFlag } from './flags.js'

const MAX_UINT32 = 2 ** 32 - 1
/** Most nodes that may answer one interval, as the meter allows. */
const MAX_REDUNDANCY = 16
/** Escrow that nobody answers for stays locked as long. */
const MAX_DEADLINE_SEC = 30 * 86_400

/** What is asked, and on which terms. */
export const requestFlags = {
  prompt: Flags.string({ summary: 'What to ask.', helpValue: '<text>', exclusive: ['prompt-file'] }),
  'prompt-file': Flags.string({
    summary: 'File with what to ask, plain text or a chat-completion body; - reads stdin.',
    helpValue: '<file>',
  }),
  system: Flags.string({ summary: 'Instruction to the model in front of the prompt.', helpValue: '<text>' }),
  'max-escrow': amountFlag({
    summary: 'Refuse when more FLOCK would be put in escrow.',
    env: 'FLOCK_MAX_ESCROW',
  }),
  deadline: Flags.integer({
    summary: 'Seconds that the (last) answer may take; afterwards the escrow can be taken back.',
    helpValue: '<s>',
    default: 600,
    min: 1,
    max: MAX_DEADLINE_SEC,
  }),
  intervals: Flags.integer({
    summary: 'Answers wanted over time.',
    helpValue: '<n>',
    default: 1,
    min: 1,
    max: MAX_UINT32,
  }),
  period: Flags.integer({
    summary: 'Seconds between answers, with --intervals.',
    helpValue: '<s>',
    default: 0,
    min: 0,
    max: MAX_UINT32,
  }),
  redundancy: Flags.integer({
    summary: 'Nodes that answer each interval.',
    helpValue: '<n>',
    default: 1,
    min: 1,
    max: MAX_REDUNDANCY,
  }),
  lazy: Flags.boolean({ summary: "Have answers stored in Infernet's Inbox.", default: false }),
  wait: Flags.boolean({ summary: 'Wait for the answers.', default: true, allowNo: true }),
}
