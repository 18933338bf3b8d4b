/** One column of a table: its heading and how a row fills it. */
export interface Column<Row> {
  readonly header: string
  readonly value: (row: Row) => string
  readonly align?: 'left' | 'right'
  /** Colours the padded cell. */
  readonly style?: (cell: string, row: Row) => string
  /** How short the column may become on a narrow terminal; it keeps its full width when absent. */
  readonly minWidth?: number
}

const GAP = '  '

/**
 * Lines of an aligned table without boxes. On a narrow terminal the columns with a `minWidth` shrink, hashes and
 * addresses in the middle; where that does not suffice every row becomes a block of `header: value` lines.
 * @param width columns of the terminal, null for lines of any length
 */
export function tableLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width: number | null,
): string[] {
  if (rows.length === 0) return []
  const cells = rows.map((row) => columns.map((column) => column.value(row)))
  const natural = columns.map(({ header }, index) =>
    Math.max(textWidth(header), ...cells.map((line) => textWidth(line[index] ?? ''))),
  )
  const widths = width === null ? natural : fit(natural, columns, width)
  if (widths === null) return blocks(cells, columns, rows)
  const header = columns.map(({ header: text, align }, index) => pad(text, widths[index] ?? 0, align))
  const body = cells.map((line, rowIndex) =>
    columns.map((column, index) => {
      const cell = pad(shorten(line[index] ?? '', widths[index] ?? 0), widths[index] ?? 0, column.align)
      const row = rows[rowIndex] as Row
      return column.style ? column.style(cell, row) : cell
    }),
  )
  return [header, ...body].map((line) => line.join(GAP).trimEnd())
}

/** Lines of `name  value` pairs, values aligned. */
export function pairLines(pairs: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(0, ...pairs.map(([name]) => textWidth(name)))
  return pairs.map(([name, value]) => `${pad(name, width)}${GAP}${value}`.trimEnd())
}

/** Shrinks the widest shrinkable column first; null when the table cannot fit. */
function fit<Row>(
  natural: readonly number[],
  columns: readonly Column<Row>[],
  width: number,
): number[] | null {
  const widths = [...natural]
  const total = () => widths.reduce((sum, item) => sum + item, 0) + GAP.length * (widths.length - 1)
  while (total() > width) {
    const shrinkable = columns.flatMap(({ minWidth }, index) =>
      minWidth !== undefined && (widths[index] ?? 0) > Math.max(minWidth, 1) ? [index] : [],
    )
    const widest = shrinkable.sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))[0]
    if (widest === undefined) return null
    widths[widest] = (widths[widest] ?? 0) - 1
  }
  return widths
}

function blocks<Row>(
  cells: readonly (readonly string[])[],
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): string[] {
  return rows.flatMap((_, rowIndex) => {
    const pairs = columns.map(({ header }, index) => [header, cells[rowIndex]?.[index] ?? ''] as const)
    return [...(rowIndex === 0 ? [] : ['']), ...pairLines(pairs)]
  })
}

/** Cuts a text to a width: hexadecimal values in the middle, where nobody reads them, others at the end. */
export function shorten(text: string, width: number): string {
  const letters = [...text]
  if (letters.length <= width) return text
  if (width <= 1) return letters.slice(0, width).join('')
  if (!text.startsWith('0x')) return `${letters.slice(0, width - 1).join('')}…`
  const tail = Math.floor((width - 1) / 2)
  return `${letters.slice(0, width - 1 - tail).join('')}…${letters.slice(letters.length - tail).join('')}`
}

function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - textWidth(text)))
  return align === 'right' ? space + text : text + space
}

function textWidth(text: string): number {
  return [...text].length
}
