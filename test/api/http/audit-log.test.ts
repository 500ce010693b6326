import { appendFileSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AuditLog } from '../../../src/api/http/audit-log.js'
import { temporaryDirectory } from '../../support/temporary.js'

async function open(path: string): Promise<{ log: AuditLog; problems: string[] }> {
  const problems: string[] = []
  return { log: await AuditLog.open(path, (line) => problems.push(line)), problems }
}

describe('AuditLog', () => {
  test('is a line for each event, in order, there when append resolves', async () => {
    const path = join(temporaryDirectory(), 'log', 'audit.jsonl')
    const { log } = await open(path)
    await log.append({ a: 1 })
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n')
    await Promise.all(Array.from({ length: 100 }, (_, at) => log.append({ at })))
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(1)
    expect(lines).toEqual(Array.from({ length: 100 }, (_, at) => `{"at":${at}}`))
    expect(statSync(path).mode & 0o007).toBe(0)
  })

  test('begins a new file when it has been renamed away', async () => {
    const path = join(temporaryDirectory(), 'audit.jsonl')
    const { log } = await open(path)
    await log.append({ a: 1 })
    renameSync(path, `${path}.1`)
    await log.append({ a: 2 })
    expect(readFileSync(path, 'utf8')).toBe('{"a":2}\n')
  })

  test('leaves a line that was cut a line of its own', async () => {
    const path = join(temporaryDirectory(), 'audit.jsonl')
    writeFileSync(path, '{"cut')
    const { log } = await open(path)
    await log.append({ a: 1 })
    appendFileSync(path, '{"cut again')
    await log.append({ a: 2 })
    expect(readFileSync(path, 'utf8')).toBe('{"cut\n{"a":1}\n{"cut again\n{"a":2}\n')
  })

  test('counts what a disk does not take, says so once, and goes on', async () => {
    const path = join(temporaryDirectory(), 'audit.jsonl')
    const { log, problems } = await open(path)
    rmSync(path)
    await mkdir(path)
    await log.append({ a: 1 })
    await log.append({ a: 2 })
    expect(log.lost).toBe(2)
    expect(problems).toEqual([expect.stringMatching(/^audit log: cannot write .*EISDIR/)])
    await rmdir(path)
    await log.append({ a: 3 })
    expect(problems[1]).toMatch(/is written again$/)
    expect(readFileSync(path, 'utf8')).toBe('{"a":3}\n')
    expect(log.lost).toBe(2)
  })

  test('refuses a place that cannot be written', async () => {
    await expect(open('/proc/nowhere/audit.jsonl')).rejects.toMatchObject({ name: 'OperatorError' })
    await expect(open(temporaryDirectory())).rejects.toThrow(/EISDIR/)
  })
})
