import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet'

type Rows = Record<string, string | number | bigint | null>[]

const compressors = { GZIP: (page: Uint8Array) => gunzipSync(page) }

function bytesOf(path: string): ArrayBuffer {
  return new Uint8Array(readFileSync(path)).buffer
}

/** The records of a Parquet file as hyparquet reads them. */
export async function readParquet(path: string): Promise<Rows> {
  return (await parquetReadObjects({ file: bytesOf(path), compressors })) as Rows
}

export function readParquetMetadata(path: string): FileMetaData {
  return parquetMetadata(bytesOf(path))
}

/** A log in plain text, header line first, as rows of Parquet say it. */
export function rowsOfText(text: string): Rows {
  const [header, ...lines] = text.trimEnd().split('\n')
  const names = header!.split(' ').map((name) => name.replaceAll('-', '_'))
  return lines.map((line) => {
    const values = line.split(' ')
    return Object.fromEntries(
      names.map((name, at) => [name, values[at] === '-' ? null : values[at]!]),
    )
  })
}

/** Rows with every value as text would spell it. */
export function asText(rows: Rows): Rows {
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]),
    ),
  )
}
