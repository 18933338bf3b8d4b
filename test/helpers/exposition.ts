/**
 * A strict reader of the text format of Prometheus, version 0.0.4: what Prometheus itself would only guess at or drop
 * is a fault here.
 */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface MetricFamily {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly samples: readonly Sample[]
}

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/
/** As `ParseFloat` of Go reads it. */
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN)$/i

/** Reads all metrics by name. @throws Error naming the line and what is wrong with it */
export function parseExposition(text: string): ReadonlyMap<string, MetricFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const families = new Map<string, MetricFamily & { samples: Sample[] }>()
  let help: { readonly name: string; readonly text: string } | null = null
  let current: (MetricFamily & { samples: Sample[] }) | null = null
  text
    .slice(0, -1)
    .split('\n')
    .forEach((line, index) => {
      const fail = (why: string): never => {
        throw new Error(`line ${index + 1}: ${why}: ${line}`)
      }
      if (line === '') return
      if (line.startsWith('# HELP ')) {
        const [, name = '', words = ''] = /^# HELP (\S+) (.+)$/.exec(line) ?? fail('no name or no words')
        if (!METRIC_NAME.test(name)) fail('not a name')
        if (!/^(?:[^\\]|\\[\\n])*$/.test(words)) fail('an escape that is none')
        help = { name, text: words }
        return
      }
      if (line.startsWith('# TYPE ')) {
        const [, name = '', type = ''] =
          /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? fail('not a type')
        if (families.has(name)) fail('its metric was there before')
        if (help?.name !== name) fail('no help stands before it')
        current = { name, type: type as MetricFamily['type'], help: help?.text ?? '', samples: [] }
        families.set(name, current)
        return
      }
      if (line.startsWith('#')) fail('neither help nor type')
      const sample = parseSample(line, fail)
      if (current === null || !belongs(sample, current)) fail('not a sample of the metric above it')
      current?.samples.push(sample)
    })
  for (const family of families.values()) checkFamily(family)
  return families
}

/** The value of the one sample with these labels, whatever other labels it has; undefined when there is none. */
export function valueOf(
  families: ReadonlyMap<string, MetricFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''))
  const found = (family?.samples ?? []).filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )
  if (found.length > 1) throw new Error(`${name} has ${found.length} samples with ${JSON.stringify(labels)}`)
  return found[0]?.value
}

function parseSample(line: string, fail: (why: string) => never): Sample {
  const [, name = '', , inner = '', value = ''] =
    /^([^\s{]+)(\{(.*)\})? (\S+)$/.exec(line) ?? fail('not a name, labels and a value')
  if (!METRIC_NAME.test(name)) fail('not a name')
  if (!VALUE.test(value)) fail('not a value')
  return { name, labels: parseLabels(inner, fail), value: numberOf(value) }
}

function parseLabels(text: string, fail: (why: string) => never): Record<string, string> {
  const labels: Record<string, string> = {}
  let rest = text
  while (rest !== '') {
    const [whole, name = '', value = ''] =
      /^([^=]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|$)/.exec(rest) ?? fail('not a label')
    if (!LABEL_NAME.test(name) || name.startsWith('__')) fail('not the name of a label')
    if (name in labels) fail('a label twice')
    labels[name] = value.replace(/\\(.)/g, (_escape, sign: string) => (sign === 'n' ? '\n' : sign))
    rest = rest.slice(whole.length)
  }
  return labels
}

function numberOf(value: string): number {
  if (/inf$/i.test(value)) return value.startsWith('-') ? -Infinity : Infinity
  return Number(value)
}

function belongs({ name }: Sample, { name: family, type }: MetricFamily): boolean {
  if (type !== 'histogram') return name === family
  return [`${family}_bucket`, `${family}_sum`, `${family}_count`].includes(name)
}

function checkFamily({ name, type, samples }: MetricFamily): void {
  const series = samples.map((sample) => `${sample.name}${seriesKey(sample.labels)}`)
  if (new Set(series).size !== series.length) throw new Error(`${name} has a series twice`)
  if (type === 'counter') {
    if (!name.endsWith('_total')) throw new Error(`the counter ${name} does not end in _total`)
    if (samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} is below zero`)
  }
  if (type === 'gauge' && name.endsWith('_total') && !name.startsWith('nodejs_'))
    throw new Error(`${name} is named as a counter and is none`)
  if (type === 'histogram') checkHistogram(name, samples)
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const groups = new Map<string, Sample[]>()
  for (const sample of samples) {
    const key = seriesKey(
      Object.fromEntries(Object.entries(sample.labels).filter(([label]) => label !== 'le')),
    )
    groups.set(key, [...(groups.get(key) ?? []), sample])
  }
  for (const [labels, group] of groups) {
    const fail = (why: string): never => {
      throw new Error(`${name}${labels}: ${why}`)
    }
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels: { le } }) => numberOf(le ?? fail('a bucket without a bound')))
    if (bounds.some((bound, index) => index > 0 && bound <= (bounds[index - 1] ?? Infinity)))
      fail('bounds do not rise')
    if (buckets.some(({ value }, index) => value < (buckets[index - 1]?.value ?? 0))) fail('buckets fall')
    if (bounds.at(-1) !== Infinity) fail('no bucket for all')
    const counts = group.filter((sample) => sample.name === `${name}_count`)
    const sums = group.filter((sample) => sample.name === `${name}_sum`)
    if (counts.length !== 1 || sums.length !== 1) fail('not one count and one sum')
    if (counts[0]?.value !== buckets.at(-1)?.value) fail('the count is not that of the last bucket')
  }
}

function seriesKey(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}
