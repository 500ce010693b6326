import { expect, onTestFinished, test, vi } from 'vitest'
import { ended } from '../../../src/cli/process/leave.js'

test('what does not end in time is said and left, and an end in time is not', async () => {
  const said: string[] = []
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.push(String(text))
    return true
  })
  onTestFinished(() => write.mockRestore())
  await ended('nothing', undefined)
  await ended('what is quick', Promise.resolve())
  expect(said).toEqual([])
  await ended('what hangs', new Promise(() => undefined), 10)
  expect(said).toEqual(['mirrortap: what hangs did not end within 0.01 s: it is left as it is\n'])
  await expect(ended('what fails', Promise.reject(new Error('why')))).rejects.toThrow('why')
})
