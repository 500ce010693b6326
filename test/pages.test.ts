import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const FILES = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n')
const PAGES = FILES.filter(
  (path) => path.endsWith('.md') && !path.startsWith('scripts/bench/runs/'),
)

const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
/** Without what is set off as code of several lines. */
const proseOf = (page: string): string => textOf(page).replace(/^```.*?^```$/gms, '')

/** As GitHub makes it of a heading. */
function anchorsOf(page: string): string[] {
  return [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe.each(PAGES)('%s', (page) => {
  const links = [...proseOf(page).matchAll(/\[([^\]]*)\]\(([^)\s]+)\)/g)].map(
    ([, text, target]) => [text!, target!] as const,
  )
  const local = links.filter(([, target]) => !/^(?:[a-z]+:)/.test(target))

  test('links to files and headings that there are, and names what is in them', () => {
    for (const [text, target] of local) {
      const [path, anchor] = target.split('#') as [string, string?]
      const file = path === '' ? page : join(dirname(page), path)
      expect(existsSync(join(ROOT, file)), `${target} exists`).toBe(true)
      if (anchor !== undefined) expect(anchorsOf(file)).toContain(anchor)
      const code = /^`([A-Za-z][\w.#]*)`$/.exec(text)?.[1]
      if (code === undefined || !/\.[tj]s$/.test(file)) continue
      for (const name of code.split('.')) {
        if (/^[tj]s$/.test(name) || file.endsWith(code)) continue
        expect(textOf(file), `${file} has ${name}`).toContain(name)
      }
    }
  })

  test('names files that there are', () => {
    const named = [...proseOf(page).matchAll(/`(\w[\w./-]*\.(?:ts|js|mjs|css|service))`/g)]
    for (const [, path] of named) {
      const isThere = FILES.some((file) => file === path || file.endsWith(`/${path}`))
      const isBuilt = path!.startsWith('dist/')
      expect(isThere || isBuilt, `${path} exists`).toBe(true)
    }
  })
})
