import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Progress } from '../../../src/cli/process/progress.js'
import { temporaryDirectory } from '../../support/temporary.js'

const { isTTY } = process.stderr

/** What is drawn on standard error; the clock is the test's. */
function terminal(isTerminal = true) {
  let now = 1000
  let drawn = ''
  process.stderr.isTTY = isTerminal
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    drawn += text
    return true
  })
  onTestFinished(() => {
    process.stderr.isTTY = isTTY
    clock.mockRestore()
    write.mockRestore()
  })
  return {
    at: (milliseconds: number) => {
      now = 1000 + milliseconds
      drawn = ''
    },
    shown: () => drawn,
  }
}

function fileOf(octets: number): string {
  const path = join(temporaryDirectory(), 'file')
  writeFileSync(path, Buffer.alloc(octets))
  return path
}

describe('Progress', () => {
  test('shows a bar with rate and time left, a few times a second', () => {
    const files = [fileOf(6_000_000), fileOf(4_000_000)]
    const screen = terminal()
    const progress = new Progress(files)
    screen.at(400)
    progress.show(2_000_000)
    expect(screen.shown()).toBe('')
    screen.at(1000)
    progress.show(5_000_000)
    expect(screen.shown()).toBe(
      `\r${'█'.repeat(15)}${'░'.repeat(15)} 50 %  5 MB/s  1 s left \x1b[K`,
    )
    screen.at(1100)
    progress.show(6_000_000)
    expect(screen.shown()).toBe('')
    progress.done()
    expect(screen.shown()).toBe('\r\x1b[K')
  })

  test('shows how far a pipe is, whose end nobody knows', () => {
    const screen = terminal()
    const progress = new Progress(['-'])
    screen.at(2000)
    progress.show(30_000_000)
    expect(screen.shown()).toBe('\r30 MB  15 MB/s \x1b[K')
    progress.done()
  })

  test.each([
    { where: 'without a terminal', isTerminal: false, mayShow: true },
    { where: 'where the terminal is needed for something else', isTerminal: true, mayShow: false },
  ])('shows nothing $where', ({ isTerminal, mayShow }) => {
    const screen = terminal(isTerminal)
    const progress = new Progress(['-'], mayShow)
    screen.at(2000)
    progress.show(30_000_000)
    progress.done()
    expect(screen.shown()).toBe('')
  })
})
