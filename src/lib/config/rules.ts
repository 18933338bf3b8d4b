import { findOverrideFaults } from '../host-overrides.js'
import { nearestName } from '../nearest.js'
import type { Fault } from './faults.js'
import type { ModelConfig } from './model-schema.js'
import type { FlockConfig } from './schema.js'

/** The contracts take at most this many training nodes, and as many validators, for one model. */
const MAX_CONTRIBUTORS = 64
const PPM = 1_000_000

type Rule = (config: FlockConfig) => Fault[]

const RULES: readonly Rule[] = [
  networkExists,
  noCredentialsInUrls,
  modelNamesDiffer,
  eachModel(hostIdsDiffer),
  eachModel(baseUrlsEndInPaths),
  eachModel(containerIdsFit),
  eachModel(sharesFit),
  eachModel(contributorsFit),
  eachModel(nodesDiffer),
  eachModel(apiKeysAreNamed),
  eachModel(noSecretsInHeaders),
  eachModel(overridesFit),
  clientsDiffer,
  clientsHaveKeys,
  clientsUseModels,
]

/** What the shape of a project cannot say: references, sums and doubles. Every fault, in file order of the rules. */
export function checkRules(config: FlockConfig): Fault[] {
  return RULES.flatMap((rule) => rule(config))
}

function networkExists({ network, networks }: FlockConfig): Fault[] {
  if (network in networks) return []
  const near = nearestName(network, Object.keys(networks))
  const known = `allowed are ${Object.keys(networks).join(', ')}`
  const message = near === null ? known : `${known}; did you mean "${near}"?`
  return [{ path: 'network', message: `"${network}" was found, ${message}` }]
}

/** flock.yaml is tracked by git: what opens an account may not stand in it. */
function noCredentialsInUrls({ networks, models }: FlockConfig): Fault[] {
  const message = (env: string) => `credentials were found in a URL; ${env}`
  return [
    ...Object.entries(networks)
      .filter(([, { rpcUrl }]) => hasCredentials(rpcUrl))
      .map(([name]) => ({ path: `networks.${name}.rpcUrl`, message: message('set FLOCK_RPC_URL instead') })),
    ...models.flatMap((model, index) =>
      model.hosts.flatMap((host, hostIndex) =>
        hasCredentials(host.baseUrl)
          ? [
              {
                path: `models[${index}].hosts[${hostIndex}].baseUrl`,
                message: message('use apiKeyEnv instead'),
              },
            ]
          : [],
      ),
    ),
  ]
}

function hasCredentials(text: string): boolean {
  const { username, password } = new URL(text)
  return username !== '' || password !== ''
}

/** Routes are added behind the path of a base URL. */
function baseUrlsEndInPaths({ hosts }: ModelConfig, path: string): Fault[] {
  return hosts.flatMap(({ baseUrl }, index) => {
    const { search, hash } = new URL(baseUrl)
    if (search === '' && hash === '') return []
    return [
      { path: `${path}.hosts[${index}].baseUrl`, message: 'a query or fragment was found in a base URL' },
    ]
  })
}

function modelNamesDiffer({ models }: FlockConfig): Fault[] {
  const names = models.flatMap(({ name, aliases }, index) => [
    { name, path: `models[${index}].name` },
    ...aliases.map((alias, place) => ({ name: alias, path: `models[${index}].aliases[${place}]` })),
  ])
  return doubles(names.map(({ name }) => name)).flatMap((place) => {
    const found = names[place]
    if (found === undefined) return []
    const message = `"${found.name}" was found before, every model needs its own name`
    return [{ path: found.path, message }]
  })
}

function eachModel(rule: (model: ModelConfig, path: string) => Fault[]): Rule {
  return ({ models }) => models.flatMap((model, index) => rule(model, `models[${index}]`))
}

function hostIdsDiffer({ hosts }: ModelConfig, path: string): Fault[] {
  return doubles(hosts.map(({ id }) => id)).map((index) => ({
    path: `${path}.hosts[${index}].id`,
    message: `"${hosts[index]?.id ?? ''}" was found before, every host of a model needs its own id`,
  }))
}

/** Infernet joins container ids with commas and hashes the text, spaces included. */
function containerIdsFit({ containers }: ModelConfig, path: string): Fault[] {
  if (containers.length === 0)
    return [
      { path: `${path}.containers`, message: 'an empty list was found, at least one container is needed' },
    ]
  return containers.flatMap((id, index) =>
    /[,\s]/.test(id)
      ? [
          {
            path: `${path}.containers[${index}]`,
            message: `"${id}" was found, an id has neither commas nor spaces`,
          },
        ]
      : [],
  )
}

function sharesFit({ split }: ModelConfig, path: string): Fault[] {
  const sum = split.trainingPpm + split.validatorPpm
  if (sum <= PPM) return []
  return [
    {
      path: `${path}.split`,
      message: `shares of ${sum} ppm were found, allowed are at most ${PPM} together`,
    },
  ]
}

function contributorsFit({ contributors }: ModelConfig, path: string): Fault[] {
  return (['training', 'validators'] as const).flatMap((role) => {
    const accounts = contributors[role].map(({ account }) => account)
    const at = `${path}.contributors.${role}`
    const tooMany =
      accounts.length > MAX_CONTRIBUTORS
        ? [{ path: at, message: `${accounts.length} entries were found, allowed are ${MAX_CONTRIBUTORS}` }]
        : []
    return [
      ...tooMany,
      ...doubles(accounts).map((index) => ({
        path: `${at}[${index}].account`,
        message: `${accounts[index] ?? ''} was found before, an account may stand in a list once`,
      })),
    ]
  })
}

function nodesDiffer({ nodes }: ModelConfig, path: string): Fault[] {
  return doubles(nodes).map((index) => ({
    path: `${path}.nodes[${index}]`,
    message: `${nodes[index] ?? ''} was found before, a node may be listed once`,
  }))
}

/** What was found is not repeated: somebody may have put the key itself there. */
function apiKeysAreNamed({ hosts }: ModelConfig, path: string): Fault[] {
  return hosts.flatMap(({ auth, apiKeyEnv, apiKeyFile }, index) => {
    const at = `${path}.hosts[${index}]`
    if (apiKeyEnv !== null && apiKeyFile !== null)
      return [
        {
          path: `${at}.apiKeyEnv`,
          message: 'both apiKeyEnv and apiKeyFile were found; the key has one place',
        },
      ]
    const place = apiKeyEnv === null ? 'apiKeyFile' : 'apiKeyEnv'
    const isNamed = apiKeyEnv !== null || apiKeyFile !== null
    if (auth !== 'none' && !isNamed)
      return [
        {
          path: `${at}.apiKeyEnv`,
          message: `nothing was found; auth ${auth} needs the name of the variable with the key`,
        },
      ]
    if (auth === 'none' && isNamed)
      return [
        {
          path: `${at}.${place}`,
          message: 'a place of a key was found, but auth is none; set auth to bearer or x-litellm-api-key',
        },
      ]
    return []
  })
}

/** flock.yaml is tracked by git, and headers that open an account have names like these. */
const SECRET_HEADER = /authorization|cookie|api-?key|token|secret/i

function noSecretsInHeaders({ hosts }: ModelConfig, path: string): Fault[] {
  return hosts.flatMap(({ headers }, index) =>
    Object.keys(headers)
      .filter((name) => SECRET_HEADER.test(name))
      .map((name) => ({
        path: `${path}.hosts[${index}].headers.${name}`,
        message: 'a header for a secret was found; use auth with apiKeyEnv or apiKeyFile instead',
      })),
  )
}

function overridesFit({ hosts }: ModelConfig, path: string): Fault[] {
  return hosts.flatMap((host, index) =>
    findOverrideFaults(host)
      .filter(({ place, name }) => place === 'body' || !SECRET_HEADER.test(name))
      .map(({ place, name, reason }) => {
        const at = `${path}.hosts[${index}].${place}`
        if (reason === 'unsendable')
          return { path: at, message: `the header ${JSON.stringify(name)} was found, which cannot be sent` }
        const what = place === 'headers' ? 'a header' : 'a field'
        return { path: `${at}.${name}`, message: `${what} was found that the service sets itself` }
      }),
  )
}

function clientsDiffer({ service }: FlockConfig): Fault[] {
  return doubles(service.clients.map(({ name }) => name)).map((index) => ({
    path: `service.clients[${index}].name`,
    message: `"${service.clients[index]?.name ?? ''}" was found before, every client needs its own name`,
  }))
}

/** A client may have two keys while one follows the other. */
function clientsHaveKeys({ service }: FlockConfig): Fault[] {
  return service.clients.flatMap(({ keyHash, keyEnv }, index) =>
    keyHash === null && keyEnv === null
      ? [{ path: `service.clients[${index}]`, message: 'no key was found; a client needs keyHash or keyEnv' }]
      : [],
  )
}

function clientsUseModels({ service, models }: FlockConfig): Fault[] {
  const names = models.map(({ name }) => name)
  return service.clients.flatMap((client, index) =>
    (client.models ?? []).flatMap((name, place) =>
      names.includes(name)
        ? []
        : [
            {
              path: `service.clients[${index}].models[${place}]`,
              message: `"${name}" was found, which is no model of this project`,
            },
          ],
    ),
  )
}

/** The places of values that stand earlier in the list too. */
function doubles(values: readonly string[]): number[] {
  return values.flatMap((value, index) => (values.indexOf(value) < index ? [index] : []))
}
