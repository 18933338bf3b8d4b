import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type FakeHost, completion, json, startFakeHost } from '../helpers/fake-host.js'
import { GOOD_BODIES } from '../helpers/hostile-bodies.js'
import { type HostileRequest, hostileRequests } from '../helpers/hostile-requests.js'
import { inParallel } from '../helpers/http-load.js'
import { type RawAnswer, sendRaw } from '../helpers/raw-client.js'
import { createTempDir } from '../helpers/temp-dir.js'

const PROGRAM = fileURLToPath(new URL('../fixtures/programs/serve-small.mjs', import.meta.url))
const KEY = 'flock-sk-shop-0123456789'
const PATIENCE_MS = 300_000
const AT_ONCE = 24
const ROUNDS = 5
/** What compiled code and caches may still take in a process that was warmed up; in a leak, half a kilobyte a request. */
const SLACK_BYTES = 4_000_000
/** Counts are written to a file from time to time. */
const SLACK_FILES = 2

interface State {
  readonly bytes: number
  readonly sockets: number
  /** Open files, sockets included; 0 where the system does not tell. */
  readonly files: number
  readonly complaints: readonly unknown[]
}

let dir = ''
let host: FakeHost
let child: ChildProcess
let url = ''
let port = 0
const corpus = hostileRequests(KEY)

beforeAll(async () => {
  dir = await createTempDir()
  host = await startFakeHost(completion('They sleep.'))
  child = spawn(process.execPath, ['--expose-gc', PROGRAM, dir, host.baseUrl, KEY], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [message] = (await once(child, 'message')) as [{ url: string }]
  url = message.url
  port = Number(new URL(url).port)
}, PATIENCE_MS)

afterAll(async () => {
  child.kill('SIGKILL')
  await host.close()
  await rm(dir, { recursive: true, force: true })
})

async function stateOf(): Promise<State> {
  const answer = once(child, 'message') as Promise<[State]>
  child.send('how are you?')
  return (await answer)[0]
}

/** The state once all connections are gone but that to the host, which is kept. */
async function stateAtRest(): Promise<State> {
  for (;;) {
    const state = await stateOf()
    if (state.sockets <= 1) return state
  }
}

async function sendAll(): Promise<(HostileRequest & { readonly answer: RawAnswer })[]> {
  const answered: (HostileRequest & { readonly answer: RawAnswer })[] = []
  // What takes long goes first, and all of it at once.
  const slow = corpus.filter(({ manner }) => manner === 'slow')
  const quick = corpus.filter(({ manner }) => manner !== 'slow')
  const send = async (request: HostileRequest) => {
    answered.push({ ...request, answer: await sendRaw(port, request.bytes, request.manner) })
  }
  await Promise.all([
    ...slow.map(send),
    inParallel(quick.length, AT_ONCE, async (index) => send(quick[index] as HostileRequest)),
  ])
  return answered
}

/** The reason in an answer, in either of the two forms. */
function reasonOf(body: string): string | null {
  try {
    const parsed = JSON.parse(body) as { description?: string; error?: { message?: string } }
    return parsed.description ?? parsed.error?.message ?? null
  } catch {
    return null
  }
}

/** What is wrong with how a request was taken; null when nothing is. */
function faultOf({ unanswered, answer }: HostileRequest & { readonly answer: RawAnswer }): string | null {
  const { status, head, body, answers } = answer
  if (unanswered === 'gone' || unanswered === 'silent')
    return status === null ? null : `answered with ${status}`
  if (status === null || status < 400 || status > 499)
    return `answered with ${String(status)}: ${body.slice(0, 200)}`
  if (answers > 1) return `answered ${answers} times`
  if (/set-cookie/i.test(head)) return 'a header was put into the answer'
  if (unanswered === 'bodiless') return body === '' ? null : 'has a body'
  const reason = reasonOf(body)
  if (reason === null || !/\w+ .*\.|^[A-Z]\w+( \w+)*\.$/.test(reason))
    return `gave no reason: ${body.slice(0, 200)}`
  return reason.length > 2_000 ? 'repeated what was sent' : null
}

describe('a service that strangers reach', () => {
  it('is tried with hundreds of different requests', () => {
    expect(corpus.length).toBeGreaterThan(1_000)
  })

  it(
    'refuses each with a reason, asks no host, forgets them all and goes on',
    async () => {
      const answered = await sendAll()
      const faults = answered.flatMap((request) => {
        const fault = faultOf(request)
        return fault === null ? [] : [`${request.name}: ${fault}`]
      })
      expect(faults).toEqual([])
      expect(host.requests).toHaveLength(0)

      const before = await stateAtRest()
      for (let round = 0; round < ROUNDS; round += 1) await sendAll()
      const after = await stateAtRest()

      expect(after.complaints).toEqual([])
      expect(after.bytes - before.bytes).toBeLessThan(SLACK_BYTES)
      expect(after.files - before.files).toBeLessThanOrEqual(SLACK_FILES)
      expect(host.requests).toHaveLength(0)
      expect(child.exitCode).toBeNull()
    },
    PATIENCE_MS,
  )

  it.each(Object.entries(GOOD_BODIES))('still answers what is right: %s', async (route, body) => {
    if (route === '/v1/embeddings') host.answerWith(json(200, { data: [], usage: { prompt_tokens: 1 } }))
    else if (route === '/v1/completions') host.answerWith(json(200, { choices: [{ index: 0, text: 'x' }] }))
    else host.answerWith(completion('They sleep.'))

    const response = await fetch(url + route, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
      body: JSON.stringify(body),
    })

    expect(response.status).toBe(200)
  })
})
