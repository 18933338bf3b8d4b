import { describe, expect, it } from '@jest/globals'
import { AbiCoder } from 'ethers/abi'
import {
  DESTINATION,
  DRY_RUN_DELIVERY,
  SOURCE,
  decodeDelivered,
  encodeDelivery,
  failureOf,
  isFiveFields,
  parsePlainHex,
  parseServiceInput,
  renderPlainHex,
  renderServiceInput,
} from '../../../src/lib/infernet/payload.js'

const word = (value: number) => value.toString(16).padStart(64, '0')
const padded = (hex: string) => hex.padEnd(Math.ceil(hex.length / 64) * 64, '0')

const empty = { raw_input: '', processed_input: '', raw_output: '', processed_output: '', proof: '' }

describe('the request of POST /service_output', () => {
  it('reads a task of the chain', () => {
    const input = parseServiceInput({
      source: 0,
      destination: 0,
      data: '476f6f64206D6f726e696e6721',
      requires_proof: true,
    })

    expect(input).toEqual({
      source: SOURCE.onChain,
      destination: DESTINATION.onChain,
      data: '0x476f6f64206d6f726e696e6721',
      requiresProof: true,
    })
  })

  it('reads a stream, which names no proof', () => {
    const input = parseServiceInput({ source: 1, destination: 2, data: { prompt: 'hi' } })

    expect(input).toEqual({ source: 1, destination: 2, data: { prompt: 'hi' }, requiresProof: false })
  })

  it('takes empty inputs of the chain as no bytes', () => {
    expect(parseServiceInput({ source: 0, destination: 0, data: '' }).data).toBe('0x')
  })

  it.each([
    { source: 0, destination: 0, data: 'aabb', requires_proof: false },
    { source: 1, destination: 1, data: { prompt: 'hi' }, requires_proof: true },
    { source: 1, destination: 2, data: { prompt: 'hi' } },
  ])('writes %j back as the node sends it', (body) => {
    expect(renderServiceInput(parseServiceInput(body))).toEqual(body)
  })

  it.each([
    ['no object', 'text', 'JSON object'],
    ['null', null, 'JSON object'],
    ['a list', [], 'JSON object'],
    ['an empty object', {}, '`destination`'],
    ['an unknown source', { source: 2, destination: 0, data: '' }, '`source`'],
    ['a source as text', { source: '0', destination: 0, data: '' }, '`source`'],
    ['an unknown destination', { source: 0, destination: 3, data: '' }, '`destination`'],
    ['no data', { source: 0, destination: 0 }, '`data`'],
    ['an object from the chain', { source: 0, destination: 0, data: {} }, '`data`'],
    ['half a byte', { source: 0, destination: 0, data: 'abc' }, '`data`'],
    ['digits that are none', { source: 0, destination: 0, data: 'zz' }, '`data`'],
    ['hex from a REST body', { source: 1, destination: 1, data: 'aa' }, '`data`'],
    ['a list from a REST body', { source: 1, destination: 1, data: [] }, '`data`'],
    ['null from a REST body', { source: 1, destination: 1, data: null }, '`data`'],
    [
      'a proof that is a number',
      { source: 1, destination: 1, data: {}, requires_proof: 1 },
      '`requires_proof`',
    ],
  ])('refuses %s', (_what, body, message) => {
    expect(() => parseServiceInput(body)).toThrow(
      expect.objectContaining({ code: 'TASK_INVALID', message: expect.stringContaining(message) }),
    )
  })

  it('reads hexadecimal with and without 0x and writes it without', () => {
    expect(parsePlainHex('0xAB', 'envelope')).toBe('0xab')
    expect(parsePlainHex('ab', 'envelope')).toBe('0xab')
    expect(renderPlainHex('0xab')).toBe('ab')
  })
})

describe('encoding an answer for delivery', () => {
  const noBytes = `0x${word(0x40)}${word(0x60)}${word(0)}${word(0)}`

  it('encodes five empty fields (case A)', () => {
    expect(encodeDelivery(JSON.stringify(empty))).toEqual({ input: noBytes, output: noBytes, proof: '0x' })
  })

  it('encodes an answer in raw_output alone (case B)', () => {
    const hello = AbiCoder.defaultAbiCoder().encode(['string'], ['hello']).slice(2)

    const { input, output, proof } = encodeDelivery(JSON.stringify({ ...empty, raw_output: hello }))

    expect(input).toBe(noBytes)
    expect(output).toBe(
      `0x${word(0x40)}${word(0xc0)}${word(0x60)}${word(0x20)}${word(5)}${padded('68656c6c6f')}${word(0)}`,
    )
    expect(proof).toBe('0x')
  })

  it('encodes both inputs (case C)', () => {
    const { input } = encodeDelivery(JSON.stringify({ ...empty, raw_input: 'aa', processed_input: 'bbcc' }))

    expect(input).toBe(`0x${word(0x40)}${word(0x80)}${word(1)}${padded('aa')}${word(2)}${padded('bbcc')}`)
  })

  it('delivers any other answer as its Python literal (case D)', () => {
    expect(encodeDelivery('{"output": "hi"}')).toEqual({
      input: '0x',
      output: `0x${word(0x20)}${word(16)}7b276f7574707574273a20276869277d${'0'.repeat(32)}`,
      proof: '0x',
    })
  })

  it('knows the delivery of the dry run (case E)', () => {
    expect(DRY_RUN_DELIVERY).toEqual({ input: '0x', output: `0x${word(0)}`, proof: '0x' })
  })

  it('leaves the proof bare, takes null as no bytes, blanks between pairs, and ignores further keys', () => {
    const answer = { ...empty, raw_input: null, raw_output: 'AA bb\tcc ', proof: 'DEad', extra: 1 }

    const { input, output, proof } = encodeDelivery(JSON.stringify(answer))

    expect(input).toBe(noBytes)
    expect(decodeDelivered(output)).toEqual({ kind: 'fields', raw: '0xaabbcc', processed: '0x' })
    expect(proof).toBe('0xdead')
  })

  it('falls back to the literal when one of the five keys is missing', () => {
    const four = Object.fromEntries(Object.entries(empty).filter(([key]) => key !== 'proof'))

    const { output } = encodeDelivery(JSON.stringify(four))

    expect(isFiveFields(four)).toBe(false)
    expect(decodeDelivered(output)).toEqual({
      kind: 'text',
      text: "{'raw_input': '', 'processed_input': '', 'raw_output': '', 'processed_output': ''}",
    })
  })

  it.each(['0xaa', 'abc', 'zz', 'a a', 7, true, {}, []])('refuses %j as a field', (value) => {
    expect(() => encodeDelivery(JSON.stringify({ ...empty, raw_output: value }))).toThrow(
      expect.objectContaining({ code: 'CONTAINER_FAILED', details: { field: 'raw_output' } }),
    )
  })

  it('refuses an answer that is no JSON', () => {
    expect(() => encodeDelivery('<html>')).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }))
  })

  it.each(['0x', '0xabcd', DRY_RUN_DELIVERY.output, `0x${word(0x20)}${word(9)}`] as const)(
    'refuses to read %s as a delivery',
    (bytes) => {
      expect(() => decodeDelivered(bytes)).toThrow(expect.objectContaining({ code: 'CONTAINER_FAILED' }))
    },
  )
})

describe('an answer that reports a failure', () => {
  it('is one with a code other than the text 200', () => {
    expect(failureOf({ code: '502', name: 'HOST_FAILED', description: 'no' })).toEqual({
      code: '502',
      name: 'HOST_FAILED',
      description: 'no',
    })
    expect(failureOf({ code: 200 })).toEqual({ code: '200', name: '', description: '' })
  })

  it.each([{ code: '200' }, { output: 'hi' }, [], null, 'text'])('is not %j', (output) => {
    expect(failureOf(output)).toBeNull()
  })
})
