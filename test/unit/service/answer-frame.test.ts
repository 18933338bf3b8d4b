import { describe, expect, it } from '@jest/globals'
import {
  FILE_HEADER_BYTES,
  decodeBatch,
  decodeFileHeader,
  decodeRecord,
  encodeBatch,
  encodeFileHeader,
  wasSyncedBeyond,
} from '../../../src/lib/service/answer-frame.js'

const salt = 0xdead_beef
const header = encodeFileHeader(salt)
const records = ['first', '', 'third record'].map((text) => Buffer.from(text))
const first = encodeBatch(records, { salt, syncedBytes: FILE_HEADER_BYTES })
const second = encodeBatch([Buffer.from('later')], { salt, syncedBytes: header.length + first.bytes.length })
const file = Buffer.concat([header, first.bytes, second.bytes])
const secondAt = header.length + first.bytes.length

/** The bytes with one bit turned over. */
function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
  return copy
}

describe('the header of a file', () => {
  it('holds the salt', () => {
    expect(header).toHaveLength(FILE_HEADER_BYTES)
    expect(decodeFileHeader(file)).toBe(salt)
  })

  it('is not read when it is cut short or any bit of it is another', () => {
    expect(decodeFileHeader(header.subarray(0, -1))).toBeNull()
    for (let bit = 0; bit < 8 * header.length; bit += 1) {
      expect(decodeFileHeader(flipped(header, bit))).toBeNull()
    }
  })
})

describe('batches', () => {
  it('are read one after the other, with the place of each record', () => {
    const batch = decodeBatch(file, header.length, salt)

    expect(batch).toMatchObject({ isWhole: true, end: secondAt })
    if (!batch.isWhole) throw new Error('not whole')
    expect(batch.records.map(({ content }) => content)).toEqual(records)
    expect(batch.records.map(({ offset }) => offset - header.length)).toEqual(first.offsets)
    expect(decodeBatch(file, secondAt, salt)).toMatchObject({ isWhole: true, end: file.length })
  })

  it('may be empty', () => {
    const empty = encodeBatch([], { salt, syncedBytes: 0 })

    expect(decodeBatch(empty.bytes, 0, salt)).toEqual({ isWhole: true, end: empty.bytes.length, records: [] })
  })

  it('are not whole when they end too early', () => {
    for (let length = header.length; length < secondAt; length += 1) {
      expect(decodeBatch(file.subarray(0, length), header.length, salt)).toMatchObject({
        isWhole: false,
        faultAt: header.length,
      })
    }
  })

  it('are not whole when any one bit is another, and tell in which record', () => {
    const { bytes, offsets } = first
    for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
      const inRecord = offsets.filter((offset) => offset <= bit >> 3).at(-1) ?? 0

      expect(decodeBatch(flipped(bytes, bit), 0, salt)).toMatchObject({ isWhole: false, faultAt: inRecord })
    }
  })

  it('of another file are not taken for its own', () => {
    expect(decodeBatch(file, header.length, salt + 1).isWhole).toBe(false)
  })

  it('give single records by their place', () => {
    const [, , third = 0] = first.offsets

    expect(decodeRecord(first.bytes.subarray(third), salt)).toEqual(records[2])
    expect(decodeRecord(first.bytes.subarray(third, -1), salt)).toBeNull()
    expect(decodeRecord(first.bytes.subarray(third, third + 7), salt)).toBeNull()
    expect(decodeRecord(flipped(first.bytes.subarray(third), 70), salt)).toBeNull()
  })
})

describe('what a fault in a batch means', () => {
  it('is a crash, as long as nothing later was written after a sync', () => {
    expect(wasSyncedBeyond(file, secondAt, salt)).toBe(false)
    const unsynced = encodeBatch(records, { salt, syncedBytes: header.length })
    const holes = Buffer.concat([header, Buffer.alloc(first.bytes.length), unsynced.bytes])
    expect(wasSyncedBeyond(holes, header.length, salt)).toBe(false)
  })

  it('is damage, when a later batch was written after a sync', () => {
    expect(wasSyncedBeyond(file, header.length, salt)).toBe(true)
  })

  it('is not decided by an answer that looks like a batch', () => {
    const forged = encodeBatch([], { salt: 0, syncedBytes: 1_000 })
    const answer = encodeBatch([forged.bytes], { salt, syncedBytes: header.length })

    expect(wasSyncedBeyond(Buffer.concat([header, answer.bytes]), header.length, salt)).toBe(false)
  })
})
