import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const PAGE = readFileSync(join(ROOT, 'src/THREATS.md'), 'utf8')

interface Package {
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

const packageAt = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8'))

test('the table of dependencies is that of package.json, with their licences', () => {
  const { dependencies, optionalDependencies } = packageAt('package.json') as Package
  const versions = { ...dependencies, ...optionalDependencies }
  const rows = [...PAGE.matchAll(/^\| `(@?[\w/-]+)` \| ([\w.-]+) \| .{5,} \|$/gm)]
  expect(rows.map(([, name]) => name).sort()).toEqual(Object.keys(versions).sort())
  for (const [, name, licence] of rows) {
    const installed = `node_modules/${name}/package.json`
    if (!existsSync(join(ROOT, installed))) continue
    expect(packageAt(installed)).toMatchObject({ name, license: licence })
  }
  // Exact ones: what was tried is what is installed.
  expect(Object.values(versions).filter((version) => !/^\d[\w.-]*$/.test(version))).toEqual([])
})

test('every constant that the page names stands in the file that it names', () => {
  for (const line of PAGE.split('\n')) {
    for (const [, constants, file] of line.matchAll(
      /((?:`[A-Z_]+`(?:, )?)+) in `([\w/-]+\.ts)`/g,
    )) {
      const source = readFileSync(join(ROOT, 'src', file!), 'utf8')
      for (const [, name] of constants!.matchAll(/`([A-Z_]+)`/g)) {
        expect(source, `${name} in ${file}`).toMatch(new RegExp(`\\bconst ${name}\\b`))
      }
    }
    for (const [, file] of line.matchAll(/`([a-z][\w/-]*\.ts)`/g)) {
      expect(existsSync(join(ROOT, 'src', file!)), file).toBe(true)
    }
  }
})
