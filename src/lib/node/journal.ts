/** What a node must not forget when it dies, as lines of JSON in one file that is written by one process. */
import { FlockError } from '../errors.js'
import type { Address, Hex } from '../hex.js'
import { parseJson, stringifyJson } from '../json.js'
import type { DeliveryBytes } from '../infernet/payload.js'
import type { IntervalKey } from './coordinator.js'
import { reviveDelegatedWork, type DelegatedWork } from './delegated-work.js'
import { openLines, type LineFile } from './journal-file.js'

/** Which chain, contracts and account a journal speaks of. Any other value makes it a different journal. */
export interface JournalOwner {
  readonly chainId: number
  /** Of block 0: a local chain that starts anew has the same chain id and other blocks. */
  readonly genesisHash: Hex
  readonly coordinator: Address
  readonly node: Address
}

/** An answer that was computed, and what it answers. */
export interface ComputedAnswer extends IntervalKey {
  /** Of the subscription, which another one may replace under the same id when blocks are. */
  readonly fingerprint: Hex
  readonly delivery: DeliveryBytes
}

export interface SignedDelivery {
  readonly hash: Hex
  readonly raw: Hex
  readonly nonce: number
  /** What else was signed for the nonce, oldest first: at other fees, or to give it up. Any one of them may be mined. */
  readonly replaced?: readonly { readonly hash: Hex; readonly raw: Hex }[]
}

/** An answer on its way. */
export interface JournaledAnswer extends ComputedAnswer {
  /** Null until signed, and again when another transaction took the nonce. */
  readonly signed: SignedDelivery | null
}

export type JournalRecord =
  /** The guard accepted a subscription. */
  | { readonly type: 'accepted'; readonly id: number }
  | { readonly type: 'dropped'; readonly id: number }
  /** Every id up to this one was judged, by the rules of this hash. */
  | { readonly type: 'cursor'; readonly lastId: number; readonly rulesHash: Hex }
  | ({ readonly type: 'computed' } & ComputedAnswer)
  | ({ readonly type: 'signed' } & IntervalKey & SignedDelivery)
  /** The signed transaction can no longer be mined. */
  | ({ readonly type: 'unsigned' } & IntervalKey)
  | ({ readonly type: 'sent' } & IntervalKey)
  | ({ readonly type: 'confirmed'; readonly blockNumber: number } & IntervalKey)
  | ({ readonly type: 'closed'; readonly reason: string } & IntervalKey)
  /** A proof may lock this node's bond from this block on. */
  | ({ readonly type: 'bonded'; readonly block: number } & IntervalKey)
  | ({ readonly type: 'released' } & IntervalKey)
  | ({ readonly type: 'delegated' } & DelegatedWork)
  /** The delegated subscription is on chain, or given up. */
  | { readonly type: 'delegatedDone'; readonly id: number }

export interface JournalState {
  readonly accepted: ReadonlySet<number>
  readonly cursor: { readonly lastId: number; readonly rulesHash: Hex } | null
  /** Answers that are neither confirmed nor given up, by `keyOf`. */
  readonly answers: ReadonlyMap<string, JournaledAnswer>
  /** Proofs that are not known to be settled, by `keyOf`. */
  readonly bonds: ReadonlyMap<string, IntervalKey & { readonly block: number }>
  /** By id; the last of those that are done stay, as a reorganisation may undo their deliveries. */
  readonly delegated: ReadonlyMap<number, DelegatedWork & { readonly isDone: boolean }>
}

export interface Journal {
  readonly state: JournalState
  /** Why a journal of another owner was set aside, and where to; null when none was. */
  readonly setAside: { readonly path: string; readonly reason: string } | null
  /** Settles when the record is on the disk; `state` has it at once. */
  append(record: JournalRecord): Promise<void>
  close(): Promise<void>
}

/** A file beyond this is written anew with what is still open. */
const COMPACT_BYTES = 16 * 1024 * 1024
const FORMAT = 'flock-node-journal-1'
/** Done delegated subscriptions that are kept. */
const KEPT_DELEGATED = 256

export function keyOf({ id, interval }: IntervalKey): string {
  return `${id}:${interval}`
}

/**
 * Opens or creates a journal. One of another owner is renamed and a new one begun.
 * @throws STATE_CONFLICT when another process holds it, RECORD_INVALID, PATH_UNWRITABLE
 */
export async function openJournal(path: string, owner: JournalOwner): Promise<Journal> {
  const file = await openLines(path)
  try {
    const lines = await file.read()
    const reason = lines.length === 0 ? null : differenceOf(parseHeader(lines[0] ?? '', path), owner)
    const setAside = reason === null ? null : { path: await file.setAside(), reason }
    const records =
      setAside === null ? lines.slice(1).map((line, index) => parseRecord(line, path, index + 2)) : []
    const state = createState()
    for (const record of records) state.apply(record)
    const journal = createJournal(file, state, owner)
    await journal.compact()
    return { ...journal, setAside }
  } catch (error) {
    await file.close()
    throw error
  }
}

function createJournal(file: LineFile, state: MutableState, owner: JournalOwner) {
  const snapshot = () => [
    stringifyJson({ format: FORMAT, ...owner }),
    ...state.records().map((record) => stringifyJson(record)),
  ]
  let isCompacting = false
  const compact = async () => {
    isCompacting = true
    await file.replace(snapshot).finally(() => {
      isCompacting = false
    })
  }
  return {
    state: state.view,
    compact,
    append: async (record: JournalRecord) => {
      state.apply(record)
      await file.append(stringifyJson(record))
      const isLarge = file.sizeBytes() > COMPACT_BYTES + 2 * file.replacedBytes()
      // Of many that find it large at once, one writes it anew.
      if (isLarge && !isCompacting) await compact()
    },
    close: () => file.close(),
  }
}

interface MutableState {
  readonly view: JournalState
  apply(record: JournalRecord): void
  /** The fewest records that lead to this state. */
  records(): JournalRecord[]
}

function createState(): MutableState {
  const accepted = new Set<number>()
  const answers = new Map<string, JournaledAnswer>()
  const bonds = new Map<string, IntervalKey & { readonly block: number }>()
  const delegated = new Map<number, DelegatedWork & { readonly isDone: boolean }>()
  let cursor: JournalState['cursor'] = null
  const finish = (id: number) => {
    const work = delegated.get(id)
    delegated.delete(id)
    // The map is in the order in which they were done.
    if (work !== undefined) delegated.set(id, { ...work, isDone: true })
    const done = [...delegated.values()].filter(({ isDone }) => isDone)
    for (const { id: old } of done.slice(0, -KEPT_DELEGATED)) delegated.delete(old)
  }
  const change = (record: IntervalKey, change: Partial<JournaledAnswer>) => {
    const answer = answers.get(keyOf(record))
    if (answer !== undefined) answers.set(keyOf(record), { ...answer, ...change })
  }
  return {
    view: {
      accepted,
      answers,
      bonds,
      delegated,
      get cursor() {
        return cursor
      },
    },
    apply(record) {
      switch (record.type) {
        case 'accepted':
          accepted.add(record.id)
          break
        case 'dropped':
          accepted.delete(record.id)
          break
        case 'cursor':
          cursor = { lastId: record.lastId, rulesHash: record.rulesHash }
          break
        case 'computed': {
          const { id, interval, fingerprint, delivery } = record
          answers.set(keyOf(record), { id, interval, fingerprint, delivery, signed: null })
          break
        }
        case 'signed': {
          const { hash, raw, nonce, replaced } = record
          change(record, { signed: { hash, raw, nonce, ...(replaced === undefined ? {} : { replaced }) } })
          break
        }
        case 'unsigned':
          change(record, { signed: null })
          break
        case 'sent':
          break
        case 'confirmed':
        case 'closed':
          answers.delete(keyOf(record))
          break
        case 'bonded': {
          const { id, interval, block } = record
          bonds.set(keyOf(record), { id, interval, block })
          break
        }
        case 'released':
          bonds.delete(keyOf(record))
          break
        case 'delegated':
          delegated.set(record.id, { id: record.id, request: record.request, isDone: false })
          break
        case 'delegatedDone':
          finish(record.id)
          break
      }
    },
    records() {
      return [
        ...(cursor === null ? [] : [{ type: 'cursor', ...cursor } as const]),
        ...[...accepted].map((id) => ({ type: 'accepted', id }) as const),
        ...[...answers.values()].flatMap(({ signed, ...computed }): JournalRecord[] => {
          const { id, interval } = computed
          return [
            { type: 'computed', ...computed },
            ...(signed === null ? [] : [{ type: 'signed', id, interval, ...signed } as const]),
          ]
        }),
        ...[...bonds.values()].map((bond) => ({ type: 'bonded', ...bond }) as const),
        ...[...delegated.values()].flatMap(({ id, request, isDone }): JournalRecord[] => [
          { type: 'delegated', id, request },
          ...(isDone ? [{ type: 'delegatedDone', id } as const] : []),
        ]),
      ]
    },
  }
}

const FIELDS: Readonly<
  Record<JournalRecord['type'], Readonly<Record<string, 'number' | 'string' | 'object'>>>
> = {
  accepted: { id: 'number' },
  dropped: { id: 'number' },
  cursor: { lastId: 'number', rulesHash: 'string' },
  computed: { id: 'number', interval: 'number', fingerprint: 'string', delivery: 'object' },
  signed: { id: 'number', interval: 'number', hash: 'string', raw: 'string', nonce: 'number' },
  unsigned: { id: 'number', interval: 'number' },
  sent: { id: 'number', interval: 'number' },
  confirmed: { id: 'number', interval: 'number', blockNumber: 'number' },
  closed: { id: 'number', interval: 'number', reason: 'string' },
  bonded: { id: 'number', interval: 'number', block: 'number' },
  released: { id: 'number', interval: 'number' },
  delegated: { id: 'number', request: 'object' },
  delegatedDone: { id: 'number' },
}

function parseRecord(line: string, path: string, lineNumber: number): JournalRecord {
  const value = parseLine(line, path, lineNumber)
  const fields =
    typeof value.type === 'string' && Object.hasOwn(FIELDS, value.type)
      ? FIELDS[value.type as keyof typeof FIELDS]
      : null
  const isWhole =
    fields !== null &&
    Object.entries(fields).every(([name, type]) => typeof value[name] === type) &&
    (value.replaced === undefined || Array.isArray(value.replaced))
  if (isWhole && value.type === 'delegated')
    return { type: 'delegated', ...reviveDelegatedWork(value as unknown as DelegatedWork) }
  if (isWhole) return value as unknown as JournalRecord
  throw invalid(path, lineNumber, 'it is no record of a node journal')
}

function parseHeader(line: string, path: string): Readonly<Record<string, unknown>> {
  const header = parseLine(line, path, 1)
  if (header.format === FORMAT) return header
  throw invalid(path, 1, `its format is not ${FORMAT}`)
}

/** What tells two owners apart, in words; null when they are one. */
function differenceOf(header: Readonly<Record<string, unknown>>, owner: JournalOwner): string | null {
  const key = (['chainId', 'genesisHash', 'coordinator', 'node'] as const).find(
    (name) => header[name] !== owner[name],
  )
  if (key === undefined) return null
  return key === 'genesisHash'
    ? 'the chain was started anew'
    : `it belongs to another ${key}: ${String(header[key])}`
}

function parseLine(line: string, path: string, lineNumber: number): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = parseJson(line, `line ${lineNumber}`)
  } catch {
    // The parser's message quotes the line, which holds an answer.
    throw invalid(path, lineNumber, 'it is not JSON')
  }
  if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  throw invalid(path, lineNumber, 'it is not an object')
}

function invalid(path: string, lineNumber: number, why: string): FlockError {
  return new FlockError('RECORD_INVALID', `${path}, line ${lineNumber} cannot be read: ${why}.`, {
    details: { path, line: lineNumber },
    hint: 'Move the file away to begin a new journal; answers that were computed and not sent are then computed again.',
  })
}
