import { execFileSync, spawn } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
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

  test('lets some lines wait for a disk that hangs, counts the others, and says so once', async () => {
    const path = join(temporaryDirectory(), 'audit.fifo')
    execFileSync('mkfifo', [path])
    // Without anybody who has it open, a pipe forgets what is in it.
    const held = openSync(path, 'r+')
    onTestFinished(() => closeSync(held))
    const problems: string[] = []
    const limits = { patienceMs: 1000, linesMax: 12 }
    const log = await AuditLog.open(path, (line) => problems.push(line), limits)
    expect(await log.ready()).toBe(true)
    // More than a pipe takes that nobody reads.
    const told = Array.from({ length: 15 }, (_, at) =>
      log.append({ at, filler: 'x'.repeat(10_000) }),
    )
    await Promise.all(told)
    expect(await log.ready()).toBe(false)
    expect(log.lost).toBe(3)
    expect(log.disk.waitingMs).toBeGreaterThan(0)
    const said = problems.splice(0)
    expect(said).toEqual([
      `audit log: ${path} has taken nothing for 1 s; changes are refused until it does`,
    ])

    const reader = spawn('cat', [path])
    onTestFinished(() => void reader.kill())
    let text = ''
    reader.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString()
    })
    await expect.poll(() => log.ready()).toBe(true)
    await expect.poll(() => text).toContain('"lostLines":3')
    const events = text
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { at?: number }).at)
    expect(events).toEqual([...Array.from({ length: 12 }, (_, at) => at), undefined])
    expect(problems).toEqual([`audit log: 3 lines were lost; ${path} is written again`])
  })

  test('refuses a place that cannot be written', async () => {
    await expect(open('/proc/nowhere/audit.jsonl')).rejects.toMatchObject({ name: 'OperatorError' })
    await expect(open(temporaryDirectory())).rejects.toThrow(/EISDIR/)
  })
})
