import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { loadSdk } from '../aws/sdk.js'
import { awsClientConfig, awsFailure } from './aws-client.js'
import type { QueuedFile } from './delivery-queue.js'
import { ALL_TAKEN, type Delivered, type Destination } from './destination.js'

/** S3 takes parts of 5 MiB at least ("Multipart upload limits"); up to one part a file goes in one request. */
const PART_LEN = 8 * 1024 * 1024
/** Files, and parts of each, on their way at a time: at most 4 x 8 MiB wait in memory. */
const FILES = 2
const PARTS = 2

/** What a browser or an SDK is told the object is. */
const CONTENT_TYPES: readonly (readonly [ending: string, type: string])[] = [
  ['.gz', 'application/gzip'],
  ['.parquet', 'application/vnd.apache.parquet'],
  ['.pcap', 'application/vnd.tcpdump.pcap'],
]

interface S3Place {
  readonly bucket: string
  readonly prefix: string
  readonly region: string
  /** For tests: how long the other side may say nothing, in milliseconds. */
  readonly silenceMs?: number
}

/**
 * Each file as an object `prefix/key`: the keys are those of the files, so one that is sent twice
 * replaces itself. Large files go in parts; what is left of parts when the process is killed is for
 * the bucket's own rule (AbortIncompleteMultipartUpload). Rejects with OperatorError without the SDK.
 */
export async function openS3({ bucket, prefix, region, silenceMs }: S3Place): Promise<Destination> {
  const { client, PutObjectCommand } = await openClient(region, silenceMs)
  const { Upload } = await loadSdk(
    () => import('@aws-sdk/lib-storage'),
    '@aws-sdk/lib-storage',
    TASK,
  )
  async function deliver(file: QueuedFile, signal: AbortSignal): Promise<Delivered> {
    const object = {
      Bucket: bucket,
      Key: prefix === '' ? file.key : `${prefix}/${file.key}`,
      ContentType: CONTENT_TYPES.find(([ending]) => file.key.endsWith(ending))?.[1],
    }
    const { size } = await stat(file.path)
    try {
      if (size <= PART_LEN) {
        const body = await readWhole(file.path)
        await client.send(new PutObjectCommand({ ...object, Body: body }), { abortSignal: signal })
      } else {
        const abortController = new AbortController()
        const abort = (): void => abortController.abort()
        signal.addEventListener('abort', abort, { once: true })
        try {
          await new Upload({
            client,
            params: {
              ...object,
              Body: createReadStream(file.path, { highWaterMark: 1024 * 1024 }),
            },
            queueSize: PARTS,
            partSize: PART_LEN,
            abortController,
          }).done()
        } finally {
          signal.removeEventListener('abort', abort)
        }
      }
    } catch (error) {
      signal.throwIfAborted()
      throw awsFailure(error)
    }
    return ALL_TAKEN
  }

  return {
    concurrency: FILES,
    deliver,
    close: async () => client.destroy(),
  }
}

/** Writes one small object. Rejects with DeliveryError, or with OperatorError without the SDK. */
export async function putS3Object({
  region,
  ...object
}: {
  bucket: string
  key: string
  body: string
  region: string
}): Promise<void> {
  const { client, PutObjectCommand } = await openClient(region)
  const { bucket: Bucket, key: Key, body: Body } = object
  try {
    await client.send(new PutObjectCommand({ Bucket, Key, Body }))
  } catch (error) {
    throw awsFailure(error)
  } finally {
    client.destroy()
  }
}

const TASK = 'delivering to S3'

async function openClient(region: string, silenceMs?: number) {
  const { S3Client, PutObjectCommand } = await loadSdk(
    () => import('@aws-sdk/client-s3'),
    '@aws-sdk/client-s3',
    TASK,
  )
  const endpoint = process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']
  const client = new S3Client({
    ...awsClientConfig(region, silenceMs),
    followRegionRedirects: true,
    // Names of buckets are no host names of another endpoint.
    forcePathStyle: endpoint !== undefined,
    // The SDK's own checksums are not known to every server that speaks S3.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  return { client, PutObjectCommand }
}

async function readWhole(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}
