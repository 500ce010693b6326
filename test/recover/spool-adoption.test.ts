import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { convertSpool } from '../../src/flowlog/spool-conversion.js'
import { adoptParts } from '../../src/recover/adoption.js'
import { convertSpools, removeHalfConverted } from '../../src/recover/spool-adoption.js'
import { readParquet } from '../flowlog/parquet-file.js'
import { temporaryDirectory } from '../support/temporary.js'

const LOG = 'srcaddr bytes\n10.0.0.1 5\n- 6\n'
const ROWS = [
  { srcaddr: '10.0.0.1', bytes: 5n },
  { srcaddr: null, bytes: 6n },
]

/** What whoever starts again does to a directory. */
async function startAgain(directory: string): Promise<string[]> {
  await removeHalfConverted(directory)
  const { lines } = await adoptParts(directory)
  return [...lines, ...(await convertSpools(directory, convertSpool))]
}

describe('convertSpools', () => {
  test('finishes what was killed while records came, without the one that was cut', async () => {
    const dir = temporaryDirectory()
    mkdirSync(join(dir, 'day=01'))
    const whole = gzipSync(`${LOG}10.0.0.2 7`, { finishFlush: 2 })
    writeFileSync(join(dir, 'day=01/.a.log.gz.part'), whole.subarray(0, -8))
    const lines = await startAgain(dir)
    expect(lines.at(-1)).toBe(`adopted ${join(dir, 'day=01/a.log.parquet')}`)
    expect(readdirSync(join(dir, 'day=01'))).toEqual(['a.log.parquet'])
    expect(await readParquet(join(dir, 'day=01/a.log.parquet'))).toEqual(ROWS)
  })

  test('finishes what was killed while it was converted', async () => {
    const dir = temporaryDirectory()
    writeFileSync(join(dir, '.a.log.gz'), gzipSync(LOG))
    writeFileSync(join(dir, 'a.log.parquet.part'), 'PAR1 and no end')
    expect(await startAgain(dir)).toEqual([`adopted ${join(dir, 'a.log.parquet')}`])
    expect(readdirSync(dir)).toEqual(['a.log.parquet'])
    expect(await readParquet(join(dir, 'a.log.parquet'))).toEqual(ROWS)
  })

  test('writes no record twice that was killed when all but the spool was done', async () => {
    const dir = temporaryDirectory()
    const spool = join(dir, '.a.log.gz')
    writeFileSync(spool, gzipSync(LOG))
    await convertSpool(spool, join(dir, 'a.log.parquet'))
    expect(existsSync(spool)).toBe(false)
    writeFileSync(spool, gzipSync(LOG))
    await startAgain(dir)
    expect(readdirSync(dir)).toEqual(['a.log.parquet'])
    expect(await readParquet(join(dir, 'a.log.parquet'))).toEqual(ROWS)
  })

  test.each([
    { what: 'no flow log', text: 'what ever\n1 2\n', says: "there is no flow log field 'what'" },
    { what: 'lines that differ', text: 'bytes\n1 2\n', says: 'record has 2 values, its header 1' },
  ])('leaves $what alone, and what is next is done', async ({ text, says }) => {
    const dir = temporaryDirectory()
    writeFileSync(join(dir, '.a.log.gz'), gzipSync(text))
    writeFileSync(join(dir, '.b.log.gz'), gzipSync(LOG))
    writeFileSync(join(dir, 'c.log.gz'), gzipSync(LOG))
    const lines = await startAgain(dir)
    expect(lines[0]).toContain(`left ${join(dir, '.a.log.gz')} alone: `)
    expect(lines[0]).toContain(says)
    expect(readdirSync(dir).sort()).toEqual(['.a.log.gz', 'b.log.parquet', 'c.log.gz'])
  })

  test('has nothing to do where there is no directory', async () => {
    expect(await startAgain(join(temporaryDirectory(), 'none'))).toEqual([])
  })
})
