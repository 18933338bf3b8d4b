import { describe, expect, it } from '@jest/globals'
import { parseExposition, valueOf } from './exposition.js'

const lines = (...text: string[]) => `${text.join('\n')}\n`
const counter = (...samples: string[]) => lines('# HELP a_total Words.', '# TYPE a_total counter', ...samples)
const histogram = (...samples: string[]) => lines('# HELP h Words.', '# TYPE h histogram', ...samples)

describe('the reader of figures', () => {
  it('reads names, labels, escapes and values', () => {
    const figures = parseExposition(
      lines(
        '# HELP a_total Words \\\\ and\\nlines.',
        '# TYPE a_total counter',
        'a_total{x="1",y="a \\"b\\" \\\\ \\n {,}="} 1.5e3',
        'a_total 0',
        '',
        '# HELP g Words.',
        '# TYPE g gauge',
        'g{} -Inf',
        '# HELP h Words.',
        '# TYPE h histogram',
        'h_bucket{le="0.5",x="1"} 1',
        'h_bucket{le="+Inf",x="1"} 2',
        'h_sum{x="1"} 3.5',
        'h_count{x="1"} 2',
      ),
    )

    expect(valueOf(figures, 'a_total', { x: '1', y: 'a "b" \\ \n {,}=' })).toBe(1_500)
    expect(valueOf(figures, 'g')).toBe(-Infinity)
    expect(valueOf(figures, 'h_bucket', { le: '0.5' })).toBe(1)
    expect(valueOf(figures, 'h_count', { x: '2' })).toBeUndefined()
    expect(() => valueOf(figures, 'a_total')).toThrow('2 samples')
  })

  it.each([
    ['no end of the last line', counter('a_total 1').slice(0, -1), 'does not end'],
    ['a sample before its metric', lines('a_total 1'), 'not a sample of the metric above'],
    ['a sample of another metric', counter('b_total 1'), 'not a sample of the metric above'],
    ['a type without help', lines('# TYPE a_total counter', 'a_total 1'), 'no help'],
    ['an unknown type', lines('# HELP a_total W.', '# TYPE a_total number'), 'not a type'],
    ['a metric twice', counter('a_total 1') + counter('a_total{x="1"} 1'), 'there before'],
    ['another comment', lines('# Words.'), 'neither help nor type'],
    [
      'an escape in the help',
      lines('# HELP a_total W\\x.', '# TYPE a_total counter'),
      'an escape that is none',
    ],
    ['a name that is none', counter('a-total 1'), 'not a name'],
    ['a value that is none', counter('a_total 1,5'), 'not a value'],
    ['a time behind the value', counter('a_total 1 1700000000'), 'not a name, labels and a value'],
    ['a label without quotes', counter('a_total{x=1} 1'), 'not a label'],
    ['a quote that is not escaped', counter('a_total{x="a"b"} 1'), 'not a label'],
    ['an escape that is none', counter('a_total{x="\\t"} 1'), 'not a label'],
    ['a comma behind the last label', counter('a_total{x="1",} 1'), 'not a label'],
    ['a label twice', counter('a_total{x="1",x="2"} 1'), 'a label twice'],
    ['a label name that is none', counter('a_total{x-y="1"} 1'), 'not the name of a label'],
    ['a series twice', counter('a_total{x="1",y="2"} 1', 'a_total{y="2",x="1"} 1'), 'a series twice'],
    ['a counter below zero', counter('a_total -1'), 'below zero'],
    ['a counter that is no number', counter('a_total NaN'), 'below zero'],
    ['a counter by another name', lines('# HELP a W.', '# TYPE a counter', 'a 1'), '_total'],
    [
      'a gauge named as a counter',
      lines('# HELP a_total W.', '# TYPE a_total gauge', 'a_total 1'),
      'is none',
    ],
    ['a histogram without infinity', histogram('h_bucket{le="1"} 1', 'h_sum 1', 'h_count 1'), 'for all'],
    [
      'buckets that fall',
      histogram('h_bucket{le="1"} 2', 'h_bucket{le="+Inf"} 1', 'h_sum 1', 'h_count 1'),
      'buckets fall',
    ],
    [
      'bounds that fall',
      histogram('h_bucket{le="2"} 1', 'h_bucket{le="1"} 1', 'h_bucket{le="+Inf"} 1', 'h_sum 1', 'h_count 1'),
      'bounds do not rise',
    ],
    ['a count of its own', histogram('h_bucket{le="+Inf"} 1', 'h_sum 1', 'h_count 2'), 'the count is not'],
    ['a histogram without sum', histogram('h_bucket{le="+Inf"} 1', 'h_count 1'), 'one count and one sum'],
    ['a bucket without bound', histogram('h_bucket 1', 'h_sum 1', 'h_count 1'), 'without a bound'],
  ])('refuses %s', (_what, text, why) => {
    expect(() => parseExposition(text)).toThrow(why)
  })
})
