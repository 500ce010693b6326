import { parsePlace } from '../deliver/delivery-url.js'
import { OperatorError } from '../errors.js'

/** The text of the messages of the stream that `--from` names: JSON lines. Rejects with OperatorError. */
export async function* readStream(
  url: string,
  rules: { readonly follow: boolean; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array, void, void> {
  const place = parsePlace(url)
  if (place.kind !== 'nats') {
    throw new OperatorError(
      `nothing can be read from '${url}': --from takes nats://host:port/stream`,
      { exitCode: 2 },
    )
  }
  const { readNats } = await import('../deliver/nats-reader.js')
  yield* readNats(place, rules)
}
