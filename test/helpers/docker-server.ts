import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createTempDir } from './temp-dir.js'

/** What a registry has for a name with its tag. */
export interface RemoteImage {
  readonly id: string
  /** `<username>:<password>` that it asks for. */
  readonly login?: string
  /** Breaks off in the middle of the layers with this message. */
  readonly breaks?: string
  /** Never ends. */
  readonly hangs?: boolean
}

export interface FakeContainer {
  readonly name: string
  readonly spec: CreateBody
  readonly imageId: string
  status: 'created' | 'running' | 'exited' | 'restarting'
  exitCode: number
  server: Server | null
}

export interface CreateBody {
  readonly Image: string
  readonly Cmd?: readonly string[]
  readonly Env?: readonly string[]
  readonly Labels?: Readonly<Record<string, string>>
  readonly HostConfig: {
    readonly PortBindings?: Readonly<Record<string, readonly { HostIp: string; HostPort: string }[]>>
    readonly [key: string]: unknown
  }
  readonly [key: string]: unknown
}

/** A Docker engine on a Unix socket: the answers of the Engine API 1.45, without anything that runs. */
export interface FakeDocker {
  readonly socketPath: string
  /** `METHOD /path?query`, in order. */
  readonly calls: readonly string[]
  /** Bodies of the requests that had one. */
  readonly bodies: readonly string[]
  /** What the registries have, by name with tag. */
  readonly remote: Map<string, RemoteImage>
  /** What this machine has: name with tag -> image id. */
  readonly local: Map<string, string>
  readonly containers: Map<string, FakeContainer>
  /** Refuses these calls with status 500 and a message. */
  readonly faults: Map<RegExp, string>
  /** Makes a container as somebody else would. */
  add(name: string, spec: CreateBody, status?: FakeContainer['status']): FakeContainer
  /** A container ends by itself. */
  exit(name: string, exitCode: number): Promise<void>
  close(): Promise<void>
}

export interface FakeDockerOptions {
  /** What containers answer with while they run, at the port where they are published. */
  readonly service?: RequestListener
  readonly operatingSystem?: string
}

const SERVICE_PORT = '3000/tcp'

export async function startDocker({
  service,
  operatingSystem = 'Debian',
}: FakeDockerOptions = {}): Promise<FakeDocker> {
  const socketPath = join(await createTempDir(), 'docker.sock')
  const calls: string[] = []
  const bodies: string[] = []
  const remote = new Map<string, RemoteImage>()
  const local = new Map<string, string>()
  const containers = new Map<string, FakeContainer>()
  const faults = new Map<RegExp, string>()

  const add = (name: string, spec: CreateBody, status: FakeContainer['status'] = 'created') => {
    const imageId = local.get(spec.Image) ?? 'sha256:unknown'
    const container: FakeContainer = { name, spec, imageId, status, exitCode: 0, server: null }
    containers.set(name, container)
    return container
  }
  const exit = async (name: string, exitCode: number) => {
    const container = containers.get(name)
    if (container === undefined) throw new Error(`there is no container ${name}`)
    container.status = 'exited'
    container.exitCode = exitCode
    await closeServer(container)
  }

  async function start(container: FakeContainer): Promise<string | null> {
    const binding = container.spec.HostConfig.PortBindings?.[SERVICE_PORT]?.[0]
    if (service !== undefined && binding !== undefined) {
      const server = createServer(service)
      const fault = await new Promise<string | null>((resolve) => {
        server.once('error', () =>
          resolve(`Bind for ${binding.HostIp}:${binding.HostPort} failed: port is already allocated`),
        )
        server.listen(Number(binding.HostPort), binding.HostIp || '0.0.0.0', () => resolve(null))
      })
      if (fault !== null)
        return `driver failed programming external connectivity on endpoint ${container.name}: ${fault}`
      container.server = server
    }
    container.status = 'running'
    return null
  }

  async function answer(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const url = new URL(request.url ?? '', 'http://docker')
    const call = `${request.method} ${request.url}`
    calls.push(call)
    if (body !== '') bodies.push(body)
    const fault = [...faults].find(([pattern]) => pattern.test(call))
    if (fault !== undefined) return send(response, 500, { message: fault[1] })
    const [, kind, first = '', second = ''] =
      /^\/(\w+)\/?(.*?)\/?(json|start|stop)?$/.exec(url.pathname) ?? []
    if (call.startsWith('GET /info')) return send(response, 200, { OperatingSystem: operatingSystem })
    if (call.startsWith('GET /networks/bridge'))
      return send(response, 200, {
        Name: 'bridge',
        IPAM: { Config: [{ Subnet: '127.0.0.0/8', Gateway: '127.0.0.2' }] },
      })
    if (url.pathname === '/images/create')
      return pull(url.searchParams.get('fromImage') ?? '', request.headers['x-registry-auth'], response)
    if (kind === 'images') {
      const id = local.get(decodeURIComponent(first))
      return id === undefined
        ? send(response, 404, { message: `No such image: ${first}` })
        : send(response, 200, { Id: id })
    }
    if (url.pathname === '/containers/create')
      return create(url.searchParams.get('name') ?? '', body, response)
    const container = containers.get(first)
    if (container === undefined) return send(response, 404, { message: `No such container: ${first}` })
    if (request.method === 'DELETE') {
      await closeServer(container)
      containers.delete(first)
      return send(response, 204)
    }
    if (second === 'json') return send(response, 200, inspection(container))
    if (second === 'start') {
      if (container.status === 'running') return send(response, 304)
      const why = await start(container)
      return why === null ? send(response, 204) : send(response, 500, { message: why })
    }
    if (container.status !== 'running') return send(response, 304)
    await exit(first, 143)
    return send(response, 204)
  }

  function create(name: string, body: string, response: ServerResponse): void {
    const spec = JSON.parse(body) as CreateBody
    const holder = containers.get(name)
    if (holder !== undefined)
      return send(response, 409, {
        message: `Conflict. The container name "/${name}" is already in use by container "${holder.imageId}".`,
      })
    if (!local.has(spec.Image)) return send(response, 404, { message: `No such image: ${spec.Image}` })
    add(name, spec)
    return send(response, 201, { Id: name, Warnings: [] })
  }

  function pull(name: string, auth: string | string[] | undefined, response: ServerResponse): void {
    const image = remote.get(name)
    const login = typeof auth === 'string' ? loginOf(auth) : undefined
    if (image === undefined || (image.login !== undefined && image.login !== login))
      return send(response, 404, {
        message: `pull access denied for ${name}, repository does not exist or may require 'docker login'`,
      })
    response.writeHead(200, { 'content-type': 'application/json' })
    const line = (value: object) => response.write(`${JSON.stringify(value)}\r\n`)
    line({ status: `Pulling from ${name}`, id: 'latest' })
    line({ status: 'Downloading', progressDetail: { current: 10, total: 100 }, id: 'layer1' })
    line({ status: 'Downloading', progressDetail: { current: 50, total: 300 }, id: 'layer2' })
    if (image.hangs === true) return
    if (image.breaks !== undefined) {
      line({ errorDetail: { message: image.breaks }, error: image.breaks })
      response.end()
      return
    }
    line({ status: 'Downloading', progressDetail: { current: 100, total: 100 }, id: 'layer1' })
    line({ status: 'Extracting', progressDetail: { current: 1, total: 100 }, id: 'layer1' })
    local.set(name, image.id)
    line({ status: `Status: Downloaded newer image for ${name}` })
    response.end()
  }

  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')))
    request.on('end', () => void answer(request, response, body))
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  return {
    socketPath,
    calls,
    bodies,
    remote,
    local,
    containers,
    faults,
    add,
    exit,
    async close() {
      await Promise.all([...containers.values()].map(closeServer))
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
      await rm(dirname(socketPath), { recursive: true, force: true })
    },
  }
}

/** A port of the loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

function inspection({ spec, imageId, status, exitCode }: FakeContainer): object {
  const { PortBindings = {} } = spec.HostConfig
  return {
    Image: imageId,
    State: { Status: status, Running: status === 'running', ExitCode: exitCode },
    Config: { Image: spec.Image, Labels: spec.Labels ?? {} },
    HostConfig: { PortBindings },
    NetworkSettings: { Ports: status === 'running' ? PortBindings : {} },
  }
}

async function closeServer(container: FakeContainer): Promise<void> {
  const { server } = container
  container.server = null
  if (server === null) return
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function loginOf(auth: string): string {
  const { username, password } = JSON.parse(Buffer.from(auth, 'base64url').toString('utf8')) as Record<
    string,
    string
  >
  return `${username}:${password}`
}

function send(response: ServerResponse, status: number, body?: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}
