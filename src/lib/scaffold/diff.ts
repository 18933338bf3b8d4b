/** How many lines of `after` are new and how many of `before` are gone, by their longest common sequence. */
export function changedLines(before: string, after: string): { added: number; removed: number } {
  const a = before.split('\n')
  const b = after.split('\n')
  let last = new Array<number>(b.length + 1).fill(0)
  for (const line of a) {
    const row = [0]
    for (const [j, other] of b.entries())
      row.push(line === other ? (last[j] ?? 0) + 1 : Math.max(last[j + 1] ?? 0, row[j] ?? 0))
    last = row
  }
  const common = last[b.length] ?? 0
  return { added: b.length - common, removed: a.length - common }
}
