/**
 * How answers stand in a file of the journal: a header, then batches of records. A batch is what one write took, so
 * after a crash it is the last one that may be cut short or full of holes.
 *
 * | header | `FLOCKANS`, version uint32, salt uint32, checksum uint32                                        |
 * | batch  | `FANS`, bytes of its records uint32, bytes of the file that were on the disk before it uint32,  |
 * |        | checksum of these uint32, records                                                                |
 * | record | bytes uint32, checksum of these and of the content uint32, content                               |
 *
 * Checksums are CRC-32 that begin with the file's salt. Whoever writes an answer does not know it, and so cannot put
 * into the answer what is taken for a batch.
 */
import { crc32 } from 'node:zlib'

export const FILE_HEADER_BYTES = 20
const BATCH_HEADER_BYTES = 16
const RECORD_HEADER_BYTES = 8

const FILE_MARK = Buffer.from('FLOCKANS')
const BATCH_MARK = Buffer.from('FANS')
const VERSION = 1

export function encodeFileHeader(salt: number): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES)
  FILE_MARK.copy(bytes)
  bytes.writeUInt32BE(VERSION, 8)
  bytes.writeUInt32BE(salt, 12)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 16)), 16)
  return bytes
}

/** The salt of a file; null when its header is damaged or of another kind. */
export function decodeFileHeader(bytes: Buffer): number | null {
  if (bytes.length < FILE_HEADER_BYTES) return null
  const salt = bytes.readUInt32BE(12)
  return encodeFileHeader(salt).equals(bytes.subarray(0, FILE_HEADER_BYTES)) ? salt : null
}

export interface EncodedBatch {
  readonly bytes: Buffer
  /** Where each record begins, counted from the begin of the batch. */
  readonly offsets: readonly number[]
}

/** @param syncedBytes of the file, known to be on the disk before this batch is written */
export function encodeBatch(
  records: readonly Uint8Array[],
  { salt, syncedBytes }: { readonly salt: number; readonly syncedBytes: number },
): EncodedBatch {
  const size = records.reduce((sum, { length }) => sum + RECORD_HEADER_BYTES + length, 0)
  const bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES + size)
  BATCH_MARK.copy(bytes)
  bytes.writeUInt32BE(size, 4)
  bytes.writeUInt32BE(syncedBytes, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 12), salt), 12)
  let at = BATCH_HEADER_BYTES
  const offsets = records.map((record) => {
    const offset = at
    bytes.writeUInt32BE(record.length, at)
    bytes.writeUInt32BE(recordChecksum(bytes.subarray(at, at + 4), record, salt), at + 4)
    bytes.set(record, at + RECORD_HEADER_BYTES)
    at += RECORD_HEADER_BYTES + record.length
    return offset
  })
  return { bytes, offsets }
}

export interface DecodedRecord {
  /** In the file. */
  readonly offset: number
  readonly content: Buffer
}

export type DecodedBatch =
  | { readonly isWhole: true; readonly end: number; readonly records: readonly DecodedRecord[] }
  /** Where the first fault is, and what. */
  | { readonly isWhole: false; readonly faultAt: number; readonly fault: string }

/** Reads the batch at `at` of a file's bytes. */
export function decodeBatch(bytes: Buffer, at: number, salt: number): DecodedBatch {
  const header = decodeBatchHeader(bytes, at, salt)
  if (header === null) return { isWhole: false, faultAt: at, fault: 'no batch begins there' }
  const end = at + BATCH_HEADER_BYTES + header.size
  if (end > bytes.length) return { isWhole: false, faultAt: at, fault: 'the batch has no end' }
  const records: DecodedRecord[] = []
  for (let offset = at + BATCH_HEADER_BYTES; offset < end;) {
    const content = decodeRecord(bytes.subarray(offset, end), salt)
    if (content === null) return { isWhole: false, faultAt: offset, fault: 'the checksum is wrong' }
    records.push({ offset, content })
    offset += RECORD_HEADER_BYTES + content.length
  }
  return { isWhole: true, end, records }
}

/** The content of the record that the bytes begin with; null when they hold no whole one. */
export function decodeRecord(bytes: Buffer, salt: number): Buffer | null {
  if (bytes.length < RECORD_HEADER_BYTES) return null
  const content = bytes.subarray(RECORD_HEADER_BYTES, recordBytes(bytes))
  if (content.length !== bytes.readUInt32BE(0)) return null
  return recordChecksum(bytes.subarray(0, 4), content, salt) === bytes.readUInt32BE(4) ? content : null
}

/** Bytes of a record with its header, as its header says. */
export function recordBytes(header: Buffer): number {
  return RECORD_HEADER_BYTES + header.readUInt32BE(0)
}

/**
 * True when something behind `at` was written after what stands at `at` was on the disk: a fault there is then no
 * trace of a crash.
 */
export function wasSyncedBeyond(bytes: Buffer, at: number, salt: number): boolean {
  for (
    let next = bytes.indexOf(BATCH_MARK, at + 1);
    next !== -1;
    next = bytes.indexOf(BATCH_MARK, next + 1)
  ) {
    const header = decodeBatchHeader(bytes, next, salt)
    if (header !== null && header.syncedBytes > at) return true
  }
  return false
}

function decodeBatchHeader(bytes: Buffer, at: number, salt: number) {
  const header = bytes.subarray(at, at + BATCH_HEADER_BYTES)
  if (header.length < BATCH_HEADER_BYTES || !header.subarray(0, 4).equals(BATCH_MARK)) return null
  if (crc32(header.subarray(0, 12), salt) !== header.readUInt32BE(12)) return null
  return { size: header.readUInt32BE(4), syncedBytes: header.readUInt32BE(8) }
}

function recordChecksum(length: Uint8Array, content: Uint8Array, salt: number): number {
  return crc32(content, crc32(length, salt))
}
