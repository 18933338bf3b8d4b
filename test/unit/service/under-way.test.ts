import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { createCallOff } from '../../../src/lib/call-off.js'
import { type UnderWay, createUnderWayList } from '../../../src/lib/service/under-way.js'

const requestOf = (): UnderWay => ({
  response: new ServerResponse(new IncomingMessage(new Socket())),
  callOff: createCallOff(),
})

describe('requests under way', () => {
  it('are all there, until each is over', () => {
    const list = createUnderWayList()
    const [first, second, third] = [requestOf(), requestOf(), requestOf()]
    const places = [first, second, third].map((request) => list.add(request))

    list.remove(places[1] ?? -1)

    expect(list.all()).toEqual([first, third])
    expect(list.size).toBe(2)
  })

  it('take the places of those that are over', () => {
    const list = createUnderWayList()
    const first = list.add(requestOf())
    list.add(requestOf())
    list.remove(first)
    const next = requestOf()

    const place = list.add(next)

    expect(place).toBe(first)
    expect(list.all()).toContain(next)
    expect(list.size).toBe(2)
  })

  it('are over once, however often it is said', () => {
    const list = createUnderWayList()
    const place = list.add(requestOf())
    list.remove(place)
    list.remove(place)

    expect(new Set([list.add(requestOf()), list.add(requestOf())]).size).toBe(2)
    expect(list.size).toBe(2)
  })
})
