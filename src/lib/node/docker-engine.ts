/** Speaks to a Docker engine over its socket, through a client library that is loaded when it is needed. */
import { clientMissing, engineFault, orIfStatus } from './docker-faults.js'
import { followPull, withTag, type PullProgress } from './docker-pull.js'
import { SERVICE_PORT, type ManagedSpec } from './managed-spec.js'

/** A container as the engine knows it. */
export interface EngineContainer {
  /** `created`, `running`, `restarting`, `exited`, `dead` and so on. */
  readonly state: string
  readonly exitCode: number
  /** Id of the image that it was made from. */
  readonly imageId: string
  readonly labels: Readonly<Record<string, string>>
  /** Where its service port is published; null when it is not. */
  readonly published: { readonly hostIp: string; readonly port: number } | null
}

export interface RegistryCredentials {
  readonly username: string
  readonly password: string
}

export interface PullOptions {
  readonly credentials: RegistryCredentials | null
  readonly signal: AbortSignal
  readonly onProgress: PullProgress
}

/** All of it throws DOCKER_MISSING when the engine does not answer, DOCKER_FAILED when it refuses. */
export interface DockerEngine {
  /** Where containers are published so that nobody outside reaches them, and this node does. */
  publishAddress(): Promise<string>
  pull(image: string, options: PullOptions): Promise<void>
  /** The id of a local image; null when there is none. */
  imageId(image: string): Promise<string | null>
  inspect(name: string): Promise<EngineContainer | null>
  /** False when another container has the name. */
  create(name: string, spec: ManagedSpec): Promise<boolean>
  /** Does nothing to a container that runs. */
  start(name: string): Promise<void>
  /** Asks the container to end and kills it after the grace; does nothing to one that does not run or is gone. */
  stop(name: string, graceSec: number): Promise<void>
  remove(name: string): Promise<void>
}

export interface DockerEngineOptions {
  readonly socketPath: string
  /** True when this node runs in a container itself and reaches others through the host. */
  readonly isContainer: boolean
  /** Name of the client library. */
  readonly clientPackage?: string
}

/** What is used of the client library. */
interface Client {
  info(options: CallOptions): Promise<{ readonly OperatingSystem?: string }>
  createImage(options: object): Promise<NodeJS.ReadableStream>
  createContainer(options: object): Promise<unknown>
  getImage(name: string): { inspect(options?: CallOptions): Promise<{ readonly Id: string }> }
  getNetwork(name: string): { inspect(options: CallOptions): Promise<RawNetwork> }
  getContainer(name: string): {
    inspect(options: CallOptions): Promise<RawContainer>
    start(options: CallOptions): Promise<unknown>
    stop(options: CallOptions): Promise<unknown>
    remove(options: CallOptions): Promise<unknown>
  }
}

interface CallOptions {
  readonly abortSignal: AbortSignal
  readonly _query?: object
  readonly _body?: object
}

interface RawNetwork {
  readonly IPAM?: { readonly Config?: readonly { readonly Gateway?: string }[] }
}

type RawPorts = Readonly<Record<string, readonly { HostIp?: string; HostPort?: string }[] | null>>

interface RawContainer {
  readonly Image: string
  readonly State: { readonly Status: string; readonly ExitCode: number }
  readonly Config: { readonly Labels?: Readonly<Record<string, string>> | null }
  readonly HostConfig: { readonly PortBindings?: RawPorts | null }
  readonly NetworkSettings: { readonly Ports?: RawPorts | null }
}

const CLIENT_PACKAGE = 'dockerode'
/** Engines answer within milliseconds; one that starts containers of many gigabytes may take a while. */
const CALL_TIMEOUT_MS = 60_000
const LOOPBACK = '127.0.0.1'

/** @throws DOCKER_MISSING when the library is not installed or the engine does not answer */
export async function openDockerEngine(options: DockerEngineOptions): Promise<DockerEngine> {
  const { socketPath, isContainer } = options
  const client = await loadClient(options.clientPackage ?? CLIENT_PACKAGE, socketPath)

  async function ask<T>(what: string, task: (call: CallOptions) => Promise<T>, graceMs = 0): Promise<T> {
    try {
      return await task({ abortSignal: AbortSignal.timeout(CALL_TIMEOUT_MS + graceMs) })
    } catch (error) {
      throw engineFault(error, what, socketPath)
    }
  }
  const info = await ask('tell about itself', (call) => client.info(call))

  return {
    async publishAddress() {
      // Docker Desktop hands calls to the host on to its loopback; elsewhere the host is the gateway of the bridge.
      if (!isContainer || info.OperatingSystem?.startsWith('Docker Desktop') === true) return LOOPBACK
      const bridge = await ask('inspect its bridge', (call) => client.getNetwork('bridge').inspect(call))
      return bridge.IPAM?.Config?.find(({ Gateway }) => Gateway !== undefined)?.Gateway ?? LOOPBACK
    },
    async pull(image, { credentials, signal, onProgress }) {
      const what = `pull ${image}`
      try {
        const authconfig = credentials === null ? {} : { authconfig: { ...credentials } }
        const query = { fromImage: withTag(image) }
        const stream = await client.createImage({
          ...authconfig,
          abortSignal: signal,
          _query: query,
          _body: {},
        })
        await followPull(stream, what, onProgress)
      } catch (error) {
        signal.throwIfAborted()
        throw engineFault(error, what, socketPath)
      }
    },
    imageId: (image) =>
      ask(`inspect ${image}`, (call) =>
        client
          .getImage(withTag(image))
          .inspect(call)
          .then(({ Id }) => Id, orIfStatus([404], null)),
      ),
    inspect: (name) =>
      ask(`inspect ${name}`, (call) =>
        client
          .getContainer(name)
          .inspect(call)
          .then(toContainer, orIfStatus([404], null)),
      ),
    // The library would put the whole specification, with its secrets, into the URL as well.
    create: (name, spec) =>
      ask(`create ${name}`, (call) =>
        client
          .createContainer({ ...call, _query: { name }, _body: spec.body })
          .then(() => true, orIfStatus([409], false)),
      ),
    start: async (name) => {
      await ask(`start ${name}`, (call) =>
        client
          .getContainer(name)
          .start(call)
          .catch(orIfStatus([304], undefined)),
      )
    },
    stop: async (name, graceSec) => {
      const query = { _query: { t: graceSec }, _body: {} }
      await ask(
        `stop ${name}`,
        (call) =>
          client
            .getContainer(name)
            .stop({ ...call, ...query })
            .catch(orIfStatus([304, 404], undefined)),
        graceSec * 1000,
      )
    },
    remove: async (name) => {
      await ask(`remove ${name}`, (call) =>
        client
          .getContainer(name)
          .remove({ ...call, _query: { force: true } })
          .catch(orIfStatus([404], undefined)),
      )
    },
  }
}

async function loadClient(name: string, socketPath: string): Promise<Client> {
  type Constructor = new (options: object) => Client
  const loaded = (await import(name).catch((error: unknown) => {
    throw clientMissing(name, error)
  })) as { readonly default: Constructor }
  // By itself the library prefers DOCKER_HOST to the socket that it is given.
  return new loaded.default({ socketPath, host: undefined, protocol: 'http' })
}

function toContainer({ Image, State, Config, HostConfig, NetworkSettings }: RawContainer): EngineContainer {
  // Ports that the engine chose are known while the container runs.
  const bindings = [NetworkSettings.Ports, HostConfig.PortBindings].map((ports) => ports?.[SERVICE_PORT]?.[0])
  const published = bindings.find((binding) => Number(binding?.HostPort) > 0)
  return {
    state: State.Status,
    exitCode: State.ExitCode,
    imageId: Image,
    labels: Config.Labels ?? {},
    published:
      published === undefined ? null : { hostIp: published.HostIp ?? '', port: Number(published.HostPort) },
  }
}
