import { afterEach, describe, expect, it } from '@jest/globals'
import { inspect } from 'node:util'
import { openChain } from '../../../src/lib/chain/provider.js'
import { FlockError } from '../../../src/lib/errors.js'
import { startAnvil } from '../../helpers/anvil.js'
import { caught } from '../../helpers/caught.js'
import { closedPort, jsonRpc, startHttpServer, type TestServer } from '../../helpers/http-server.js'

const closers: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function serve(...args: Parameters<typeof startHttpServer>): Promise<TestServer> {
  const server = await startHttpServer(...args)
  closers.push(() => server.close())
  return server
}

const anyChain = { expectedChainId: null, timeoutMs: 5_000 }

describe('openChain', () => {
  it('connects to a chain and tells its id', async () => {
    const { chain, rpcUrl, close } = await startAnvil()
    closers.push(close)

    const again = await openChain({ ...anyChain, rpcUrl, expectedChainId: 31_337 })
    closers.push(() => again.close())

    expect(again.chainId).toBe(31_337)
    expect(again.endpoint).toBe(rpcUrl)
    expect(await chain.provider.getBlockNumber()).toBe(0)
  })

  it('names both chains when the endpoint serves another one', async () => {
    const server = await serve(jsonRpc(() => '0x2105'))

    const error = await caught(openChain({ ...anyChain, rpcUrl: server.url, expectedChainId: 84_532 }))

    expect(error.code).toBe('CHAIN_MISMATCH')
    expect(error.message).toContain('chain 8453')
    expect(error.message).toContain('chain 84532')
    expect(error.details).toMatchObject({ actual: 8453, expected: 84_532 })
  })

  it('gives up after three tries when nothing listens', async () => {
    const port = await closedPort()

    const error = await caught(openChain({ ...anyChain, rpcUrl: `http://127.0.0.1:${port}` }))

    expect(error.code).toBe('RPC_UNREACHABLE')
    expect(error.message).toContain(`http://127.0.0.1:${port} (ECONNREFUSED)`)
  })

  it('gives up at the deadline when the server never answers, and lets go of the connection', async () => {
    const server = await serve(() => undefined)

    const error = await caught(openChain({ ...anyChain, rpcUrl: server.url, timeoutMs: 200 }))

    expect(error.code).toBe('RPC_UNREACHABLE')
    expect(error.message).toContain('timed out after 200 ms')
    expect(server.requests).toHaveLength(1)
  })

  it('tries again after a server error and takes the answer that follows', async () => {
    const answer = jsonRpc(() => '0x1')
    const server = await serve((body, response, count) => {
      if (count < 3) response.writeHead(503).end('busy')
      else answer(body, response, count)
    })

    const chain = await openChain({ ...anyChain, rpcUrl: server.url })
    closers.push(() => chain.close())

    expect(chain.chainId).toBe(1)
    expect(server.requests).toHaveLength(3)
  })

  it.each([
    ['a web page', 200, '<html>hello</html>', 'does not speak JSON-RPC'],
    ['JSON of another kind', 200, '{"hello":"world"}', 'does not speak JSON-RPC'],
    ['a missing page', 404, 'not found', 'answered HTTP 404'],
    ['a redirect', 301, '', 'answered HTTP 301'],
  ])('refuses %s without trying again', async (_name, status, body, message) => {
    const server = await serve((_body, response) => response.writeHead(status).end(body))

    const error = await caught(openChain({ ...anyChain, rpcUrl: server.url }))

    expect(error.code).toBe('RPC_FAILED')
    expect(error.message).toContain(message)
    expect(server.requests).toHaveLength(1)
  })

  it('passes on why an endpoint refused the API key, without the key', async () => {
    const server = await serve((_body, response) =>
      response
        .writeHead(401)
        .end('{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"key s3cr3tkey1 is not valid"}}'),
    )

    const error = await caught(openChain({ ...anyChain, rpcUrl: `${server.url}/v3/s3cr3tkey1` }))

    expect(error.code).toBe('RPC_FAILED')
    expect(error.message).toContain('key [redacted] is not valid')
  })

  it('sends the credentials of the URL and keeps them out of every error', async () => {
    const server = await serve((_body, response) => response.writeHead(500).end())
    const rpcUrl = `http://alice:passw0rd@127.0.0.1:${server.port}/rpc/pathkey123?token=querykey456`

    const error = await caught(openChain({ ...anyChain, rpcUrl }))

    const basic = Buffer.from('alice:passw0rd').toString('base64')
    expect(server.requests[0]).toMatchObject({ path: '/rpc/pathkey123?token=querykey456' })
    expect(server.requests[0]?.headers.authorization).toBe(`Basic ${basic}`)
    const shown = inspect(error, { depth: 10, showHidden: true })
    expect(shown).toContain(`http://127.0.0.1:${server.port}`)
    expect(shown).not.toMatch(/alice|passw0rd|pathkey123|querykey456/)
  })

  it.each(['not a url', 'ftp://127.0.0.1', 'ws:/', ''])('refuses the URL %j', async (rpcUrl) => {
    const error = await caught(openChain({ ...anyChain, rpcUrl }))

    expect(error.code).toBe('CONFIG_INVALID')
  })

  it('stops at once when the signal aborts', async () => {
    const server = await serve(() => stop.abort(new FlockError('INTERRUPTED', 'Stopped by SIGINT.')))
    const stop = new AbortController()

    const error = await caught(openChain({ ...anyChain, rpcUrl: server.url, signal: stop.signal }))

    expect(error.message).toBe('Stopped by SIGINT.')
  })
})

describe('chain.provider', () => {
  it('ends a call under way when the chain is closed', async () => {
    const answer = jsonRpc(() => '0x1')
    let called: () => void = () => undefined
    const arrived = new Promise<void>((resolve) => (called = resolve))
    const server = await serve((body, response, count) =>
      count === 1 ? answer(body, response, count) : called(),
    )
    const chain = await openChain({ ...anyChain, rpcUrl: server.url })

    const call = caught(chain.provider.getBlockNumber())
    await arrived
    chain.close()

    expect((await call).code).toBe('INTERRUPTED')
  })

  it('turns refusals of the node into errors without secrets', async () => {
    const server = await serve(
      jsonRpc((method) => {
        if (method === 'eth_chainId') return '0x1'
        throw { code: -32000, message: 'too many blocks for pathkey123' } as unknown as Error
      }),
    )
    const chain = await openChain({ ...anyChain, rpcUrl: `${server.url}/pathkey123` })
    closers.push(() => chain.close())

    const error = await caught(chain.provider.getLogs({ fromBlock: 0, toBlock: 10 }))

    expect(error.code).toBe('RPC_FAILED')
    expect(error.details).toMatchObject({
      method: 'eth_getLogs',
      rpcMessage: 'too many blocks for [redacted]',
    })
  })
})
