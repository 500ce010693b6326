import { extname } from 'node:path'
import { OperatorError } from '../errors.js'
import { statOf } from './named-files.js'

/**
 * What a command writes into `output`: what was asked for, else what the ending of the name says,
 * else `usual`. Throws OperatorError (exit code 2) for an ending that says something else than was
 * asked for, and for one that says nothing to this command. `hasOption`: there is a --format to ask with.
 */
export function formatOfOutput<F extends string>(
  output: string,
  asked: F | undefined,
  {
    byEnding,
    usual,
    hasOption = true,
  }: { byEnding: Readonly<Record<string, F>>; usual: F; hasOption?: boolean },
): F {
  const refuse = (message: string): never => {
    throw new OperatorError(message, { exitCode: 2 })
  }
  const ending = endingOf(output)
  if (ending === '') return asked ?? usual
  const named = Object.hasOwn(byEnding, ending) ? byEnding[ending] : undefined
  // Lines of any kind may be in a .log or a .txt.
  if (asked !== undefined && named !== undefined && named !== asked && named !== usual) {
    refuse(`${output} is called ${named}: leave out --format, or name the file differently`)
  }
  return (
    asked ??
    named ??
    refuse(
      `${output}: no format is called ${ending}; give ${hasOption ? '--format, or ' : ''}a name that ends in ` +
        Object.keys(byEnding)
          .map((known) => `.${known}`)
          .join(', '),
    )
  )
}

/** Throws OperatorError (exit code 2) for a name that Parquet cannot be written to. */
export function checkParquetName(output: string): void {
  if (/\.(?:gz|zst)$/.test(output)) {
    throw new OperatorError(
      'Parquet files are compressed inside, and nothing reads them compressed again: leave .gz and .zst off the name',
      { exitCode: 2 },
    )
  }
  if (output === '-' && process.stdout.isTTY === true) {
    throw new OperatorError(
      'Parquet cannot be shown on a terminal: name a file with -o, or pipe it into a program',
      { exitCode: 2 },
    )
  }
}

/** Without the compression, in small letters; empty for what is no file. */
function endingOf(output: string): string {
  const isFile = statOf(output)?.isFile() ?? output !== '-'
  if (!isFile || output.endsWith('/')) return ''
  return extname(output.replace(/\.(?:gz|zst)$/, ''))
    .slice(1)
    .toLowerCase()
}
