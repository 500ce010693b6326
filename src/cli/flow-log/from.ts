import { OperatorError } from '../../errors.js'
import { Output } from '../../sink/text-output.js'
import { failWith } from '../offline-input.js'
import { formatOfOutput } from '../output-format.js'
import { stoppable } from '../process/stop.js'
import { counted, sayWritten } from '../process/written.js'
import { readStream } from '../stream-input.js'
import { type FlowLogOptions, FORMATS } from './options.js'
import { StreamLines } from './stream-lines.js'

/** Writes the records that are in a stream. Throws OperatorError. */
export async function flowLogFrom(url: string, options: FlowLogOptions): Promise<void> {
  const { output, follow = false } = options
  const format = formatOfOutput(output, options.format, FORMATS)
  if (format === 'parquet' || output.endsWith('/')) {
    throw new OperatorError(
      'records of a stream are written as text or json to one file: mirrortap query --from writes Parquet',
      { exitCode: 2 },
    )
  }
  const lines = new StreamLines(format, options.logFormat)
  await stoppable(async (stop) => {
    const out = new Output(output)
    try {
      out.write(lines.header)
      for await (const data of readStream(url, { follow, signal: stop.abortSignal })) {
        for (const line of Buffer.from(data).toString().split('\n')) {
          if (line !== '') out.write(lines.of(line))
        }
        if (follow) out.sink.flush()
        await out.room()
        if (!out.open) break
      }
      await out.close()
    } catch (error) {
      await out.discard()
      throw error
    }
  })
  sayWritten(counted(lines.records, 'record'), output)
  if (lines.wrong > 0) {
    failWith([
      `${counted(lines.wrong, 'line')} of the stream are not flow log records and were left out`,
    ])
  }
}
