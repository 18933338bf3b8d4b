import { describe, expect, it } from '@jest/globals'
import { pairLines, shorten, tableLines } from '../../../../src/lib/cli/views/table.js'
import type { Column } from '../../../../src/lib/cli/views/table.js'

interface Row {
  readonly model: string
  readonly hash: string
  readonly fee: string
}

const COLUMNS: readonly Column<Row>[] = [
  { header: 'MODEL', value: ({ model }) => model, minWidth: 6 },
  { header: 'TX', value: ({ hash }) => hash, minWidth: 9 },
  { header: 'FEE', value: ({ fee }) => fee, align: 'right' },
]
const ROWS: readonly Row[] = [
  { model: 'assistant', hash: '0x00112233445566778899', fee: '1.5' },
  { model: 'demo', hash: '0xffeeddccbbaa99887766', fee: '120' },
]

describe('tableLines', () => {
  it('aligns columns without boxes or trailing blanks', () => {
    expect(tableLines(ROWS, COLUMNS, null)).toEqual([
      'MODEL      TX                      FEE',
      'assistant  0x00112233445566778899  1.5',
      'demo       0xffeeddccbbaa99887766  120',
    ])
  })

  it('shortens hashes in the middle and texts at the end on a narrow terminal', () => {
    const lines = tableLines(ROWS, COLUMNS, 24)

    expect(lines).toEqual([
      'MODEL     TX         FEE',
      'assista…  0x00…8899  1.5',
      'demo      0xff…7766  120',
    ])
    for (const line of lines) expect([...line].length).toBeLessThanOrEqual(24)
  })

  it('turns into blocks where columns no longer fit', () => {
    expect(tableLines(ROWS, COLUMNS, 15)).toEqual([
      'MODEL  assistant',
      'TX     0x00112233445566778899',
      'FEE    1.5',
      '',
      'MODEL  demo',
      'TX     0xffeeddccbbaa99887766',
      'FEE    120',
    ])
  })

  it('colours cells after it has measured them', () => {
    const styled = [{ ...COLUMNS[2]!, style: (cell: string) => `<${cell}>` }]

    expect(tableLines(ROWS, styled, null)).toEqual(['FEE', '<1.5>', '<120>'])
  })

  it('has no lines for no rows', () => {
    expect(tableLines([], COLUMNS, null)).toEqual([])
  })
})

describe('shorten', () => {
  it.each([
    ['0x0011223344', 7, '0x0…344'],
    ['a long text', 6, 'a lon…'],
    ['short', 5, 'short'],
    ['ab', 1, 'a'],
  ])('cuts %s to %i', (text, width, expected) => {
    expect(shorten(text, width)).toBe(expected)
  })
})

describe('pairLines', () => {
  it('aligns values', () => {
    expect(
      pairLines([
        ['a', '1'],
        ['long', '2'],
      ]),
    ).toEqual(['a     1', 'long  2'])
  })
})
