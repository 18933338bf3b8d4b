import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from '@jest/globals'
import type { Container } from 'kubernetes-types/core/v1.js'
import { parse as parseYaml } from 'yaml'
import type { PlannedFile } from '../../../src/lib/scaffold/plan.js'
import { parseDockerfile } from '../../helpers/dockerfile.js'
import { expectGolden, joinFiles } from '../../helpers/golden.js'
import { manifestOf, readManifests, schemaFaults } from '../../helpers/kubernetes.js'
import type { Given, Kinds, Manifest } from '../../helpers/kubernetes.js'
import { contentOf, planAnswers, PLATFORM_ANSWERS, RICH_ANSWERS } from '../../helpers/scaffold.js'
import { withTempDir } from '../../helpers/temp-dir.js'

interface Kustomization {
  readonly resources: readonly string[]
  readonly configMapGenerator: readonly { readonly name: string; readonly files: readonly string[] }[]
  readonly images: readonly { readonly name: string; readonly newName: string; readonly newTag: string }[]
}

const RECORD = 'deployments/84532.json'

let files: readonly PlannedFile[] = []
let manifests: readonly Manifest[] = []
let kustomization: Kustomization

beforeAll(async () => {
  files = await planAnswers(RICH_ANSWERS, ['kubernetes'])
  kustomization = parseYaml(contentOf(files, 'kustomization.yaml')) as Kustomization
  manifests = kustomization.resources.flatMap((path) => readManifests(contentOf(files, path)))
})

const only = <Kind extends keyof Kinds>(kind: Kind, name?: string) => manifestOf(manifests, kind, name)
const pod = () => only('StatefulSet').spec.template.spec

function container(): Given<Container> {
  const [first] = pod().containers
  if (first === undefined) throw new Error('no container')
  return first
}

describe('the files for Kubernetes', () => {
  it('are what they were when people last read them', async () => {
    const isTarget = ({ path }: PlannedFile) => /^(?:kubernetes\/|kustomization)|README/.test(path)

    const all = await planAnswers(PLATFORM_ANSWERS, ['kubernetes'])

    await expectGolden('project/kubernetes.txt', joinFiles(all.filter(isTarget)))
  })

  it('keep to the schema of Kubernetes', () => {
    const secret = readManifests(contentOf(files, 'kubernetes/secret.example.yaml'))

    expect(schemaFaults([...manifests, ...secret])).toEqual([])
  })

  it('would not pass with a misspelt key, a key too few or a value of another type', () => {
    const text = contentOf(files, 'kubernetes/stateful-set.yaml')
    const broken = [
      text.replace('readinessProbe:', 'readinesProbe:'),
      text.replace(/^ {2}serviceName: .*$/m, ''),
      text.replace(/(terminationGracePeriodSeconds:) \d+/, "$1 '30s'"),
    ].flatMap(readManifests)

    const faults = schemaFaults(broken)

    expect(faults).toEqual([
      expect.stringContaining('readinesProbe'),
      expect.stringContaining('serviceName'),
      expect.stringContaining("'string' is not assignable to type 'number'"),
    ])
  })

  it('have a ServiceMonitor as the Prometheus Operator defines it, which finds the Service and not its replicas twice', () => {
    const [monitor] = readManifests(contentOf(files, 'kubernetes/service-monitor.yaml'))
    const { selector, ...spec } = monitor?.spec as { selector: { matchLabels: Record<string, string> } }

    expect(Object.keys(monitor ?? {}).sort()).toEqual(['apiVersion', 'kind', 'metadata', 'spec'])
    expect(monitor).toMatchObject({ apiVersion: 'monitoring.coreos.com/v1', kind: 'ServiceMonitor' })
    expect(Object.keys(selector)).toEqual(['matchLabels'])
    expect(spec).toEqual({
      endpoints: [{ port: 'http', path: '/metrics', interval: '30s', scrapeTimeout: '10s' }],
    })
    const wanted = Object.entries(selector.matchLabels)
    const found = manifests.filter(
      ({ kind, metadata }) =>
        kind === 'Service' && wanted.every(([key, value]) => metadata.labels?.[key] === value),
    )
    expect(found.map(({ metadata }) => metadata.name)).toEqual(['host-2-towers-workflow'])
  })

  it('name things as clusters allow: RFC 1035 labels, and label values of at most 63 characters', () => {
    for (const { metadata } of manifests) {
      expect(metadata.name).toMatch(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/)
      for (const value of Object.values(metadata.labels ?? {}))
        expect(value).toMatch(/^[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$/)
    }
  })

  it('agree with each other on labels, ports, targets and volumes', () => {
    const { template, selector, serviceName, volumeClaimTemplates } = only('StatefulSet').spec
    const { labels } = template.metadata
    const selectors = [
      selector.matchLabels,
      only('PodDisruptionBudget').spec.selector.matchLabels,
      only('NetworkPolicy').spec.podSelector.matchLabels,
      only('Service', 'host-2-towers-workflow').spec.selector,
      only('Service', serviceName).spec.selector,
    ]
    const volumes = [
      ...template.spec.volumes.map(({ name }) => name),
      ...volumeClaimTemplates.map(({ metadata }) => metadata.name),
    ]

    for (const wanted of selectors) expect(labels).toMatchObject(wanted)
    expect(only('Service', serviceName).spec.clusterIP).toBe('None')
    expect(only('HorizontalPodAutoscaler').spec.scaleTargetRef).toEqual({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      name: only('StatefulSet').metadata.name,
    })
    expect(container().ports).toEqual([{ name: 'http', containerPort: 3000 }])
    const mounted = container().volumeMounts.map(({ name }) => name)
    expect([...new Set(mounted)].sort()).toEqual(volumes.sort())
  })

  it('run two replicas or more, without root, capabilities, a writable root or a token of the cluster', () => {
    expect(only('StatefulSet').spec.replicas).toBeUndefined()
    expect(only('HorizontalPodAutoscaler').spec).toMatchObject({ minReplicas: 2, maxReplicas: 10 })
    expect(only('PodDisruptionBudget').spec).toMatchObject({ maxUnavailable: 1 })
    expect(pod()).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        fsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      },
    })
    expect(container().securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    const { requests, limits } = container().resources
    for (const amount of [...Object.values(requests), ...Object.values(limits)])
      expect(amount).toMatch(/^\d+(m|Mi|Gi)$/)
  })

  it('give the user of the image the files, and the service the folder that the image names', () => {
    const image = parseDockerfile(contentOf(files, 'Dockerfile'))
    const { runAsUser, runAsGroup } = pod().securityContext
    const mounts = container().volumeMounts

    expect(image.last('USER')).toBe(`${runAsUser}:${runAsGroup}`)
    expect(mounts).toContainEqual({ name: 'state', mountPath: image.last('VOLUME') })
    expect(mounts.map(({ mountPath }) => mountPath)).toEqual(
      expect.arrayContaining([image.properties('ENV').FLOCK_CONFIG, `${image.last('WORKDIR')}/${RECORD}`]),
    )
  })

  it('probe what the service answers, and stop it later than it stops itself', () => {
    const { env, startupProbe, livenessProbe, readinessProbe, lifecycle } = container()
    const drain = env.find(({ name }) => name === 'FLOCK_DRAIN_TIMEOUT')?.value
    const [, pause] = lifecycle.preStop.exec.command

    expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet)).toEqual([
      { path: '/health', port: 'http' },
      { path: '/health', port: 'http' },
      { path: '/ready', port: 'http' },
    ])
    expect(pod().terminationGracePeriodSeconds).toBeGreaterThan(Number(drain) + Number(pause))
  })

  it('take secrets by reference alone, each of them named in the example', () => {
    const [secret] = readManifests(contentOf(files, 'kubernetes/secret.example.yaml'))
    const refs = container().env.flatMap(({ name: variable, valueFrom }) =>
      (valueFrom as unknown) === undefined ? [] : [{ variable, ...valueFrom.secretKeyRef }],
    )

    expect(refs.map(({ variable }) => variable)).toEqual([
      'FLOCK_RECEIPT_KEY',
      'FLOCK_API_KEY',
      'GPU_KEY',
      'WEB_KEY',
    ])
    for (const { variable, key, name } of refs)
      expect({ key, name }).toEqual({ key: variable, name: secret?.metadata.name })
    expect(secret?.stringData).toEqual({ FLOCK_RECEIPT_KEY: '', FLOCK_API_KEY: '', GPU_KEY: '', WEB_KEY: '' })
    expect(kustomization.resources).not.toContain('kubernetes/secret.example.yaml')
  })

  it('let in nodes and Prometheus, and out to names and to the ports of the model hosts alone', () => {
    const { policyTypes, ingress, egress } = only('NetworkPolicy').spec

    expect(policyTypes).toEqual(['Ingress', 'Egress'])
    expect(ingress).toHaveLength(1)
    expect(ingress[0]?.from).toHaveLength(2)
    expect(ingress[0]?.ports).toEqual([{ protocol: 'TCP', port: 'http' }])
    expect(egress.map(({ ports }) => ports.map(({ port }) => port))).toEqual([
      [53, 53],
      [80, 443, 8000],
    ])
    expect(egress[1]?.to[0]?.ipBlock).toEqual({ cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] })
  })
})

describe('kustomization.yaml', () => {
  it('names files of the project alone, none above its folder, and the image of the replicas', () => {
    const [map] = kustomization.configMapGenerator
    const planned = [...files.map(({ path }) => path), RECORD]

    expect(planned).toEqual(expect.arrayContaining([...kustomization.resources, ...(map?.files ?? [])]))
    expect(kustomization.images.map(({ name }) => name)).toEqual([container().image])
    expect(pod().volumes[0]?.configMap.name).toBe(map?.name)
  })

  const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0

  ;(hasKubectl ? it : it.skip)(
    'is built by kubectl, with the files in a map that the replicas mount',
    async () => {
      await withTempDir(async (dir) => {
        for (const { path, content } of [...files, { path: RECORD, content: '{}' }]) {
          await mkdir(dirname(join(dir, path)), { recursive: true })
          await writeFile(join(dir, path), content)
        }

        const text = execFileSync('kubectl', ['kustomize', dir], {
          encoding: 'utf8',
          env: { PATH: process.env.PATH, HOME: dir, KUBECONFIG: join(dir, 'none') },
        })

        const built = readManifests(text)
        const map = manifestOf(built, 'ConfigMap')
        const { volumes, containers } = manifestOf(built, 'StatefulSet').spec.template.spec
        expect(Object.keys(map.data).sort()).toEqual(['84532.json', 'flock.yaml'])
        expect(volumes[0]?.configMap.name).toBe(map.metadata.name)
        expect(containers[0]?.image).toBe('registry.example.com/2-towers-workflow:1.2.3')
        expect(schemaFaults(built)).toEqual([])
      })
    },
  )
})
