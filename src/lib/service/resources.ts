/** Describes this machine and the models it serves, as `GET /service-resources` of Infernet does. */
import os from 'node:os'
import type { JsonObject } from '../infernet/payload.js'
import { type ServedModel, isNamed } from './models.js'

export const SERVICE_ID = 'flock-workflow'

/** @see infernet.md 8.6 */
export function describeResources(models: readonly ServedModel[], version: string): JsonObject {
  const cores = os.cpus()
  return {
    version,
    service_id: SERVICE_ID,
    hardware_capabilities: [
      {
        capability_id: 'base',
        os_info: { name: os.type(), version: os.release() },
        cpu_info: {
          model: cores[0]?.model ?? '',
          architecture: os.arch(),
          byte_order: os.endianness() === 'LE' ? 'Little Endian' : 'Big Endian',
          vendor_id: '',
          num_cores: cores.length,
          cores: cores.map(({ speed }, id) => ({
            id,
            frequency: speed,
            max_frequency: null,
            min_frequency: null,
          })),
        },
        disk_info: [],
      },
    ],
    compute_capability: [
      {
        id: 'ml',
        // The type of Infernet's services that ask OpenAI-like hosts.
        type: 'css',
        task: ['text_generation'],
        models: models.map(({ name, modelId }) => ({ owner: 'flock', name, model_id: modelId })),
        cached_models: [],
        inference_engine: null,
        inference_engine_version: null,
      },
    ],
  }
}

/** The answer to `?model_id=`, which may be a name or the id of a model. */
export function describeSupport(models: readonly ServedModel[], wanted: string): JsonObject {
  return { supported: models.some((model) => isNamed(model, wanted)) }
}
