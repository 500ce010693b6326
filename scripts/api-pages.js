/**
 * Writes dist/api/, a page in Markdown for each entry of the package, from the declarations that the
 * compiler has made and their docstrings; the compiler of TypeScript 7 has no interface that
 * TypeDoc could use. The pages are made by every build and are in the package, so that they are
 * never older than the code. Fails where a public name has no docstring.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const DIRECTORY = 'dist/api'
const { exports, name, version } = JSON.parse(readFileSync('package.json', 'utf8'))

/** `export { A, type B } from './c.js'`, over as many lines as it takes. */
const REEXPORT = /^export (?:type )?\{([^}]*)\} from '([^']+)';/gm
const DECLARATION = '(?:declare )?(?:abstract )?(?:async )?(?:function|class|interface|type|const)'

const undocumented = []
const pages = []
rmSync(DIRECTORY, { recursive: true, force: true })
mkdirSync(DIRECTORY, { recursive: true })
for (const [subpath, target] of Object.entries(exports)) {
  if (typeof target === 'string') continue
  const entry = subpath.replace(/^\./, name)
  const text = readFileSync(target.types, 'utf8')
  const items = [...text.matchAll(REEXPORT)].flatMap(([, names, from]) =>
    namesIn(names).map((one) => itemOf(one, join(dirname(target.types), from))),
  )
  items.sort((a, b) => a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name))
  for (const { name: one, text: said } of items) {
    if (said === '') undocumented.push(`${one} of ${entry}`)
  }
  const file = `${subpath === '.' ? 'index' : basename(subpath)}.md`
  const about = proseOf(docstringAt(text, text.indexOf('*/') + 2))
  pages.push({ entry, file, about: about.split('\n\n')[0] })
  writeFileSync(join(DIRECTORY, file), page(entry, about, items))
}
writeFileSync(
  join(DIRECTORY, 'README.md'),
  [
    `# ${name} ${version}`,
    ...pages.map(
      ({ entry, file, about }) => `- [\`${entry}\`](${file}): ${about.replaceAll('\n', ' ')}`,
    ),
    '',
  ].join('\n\n'),
)
if (undocumented.length > 0) {
  process.stderr.write(`public names without a docstring: ${undocumented.join(', ')}\n`)
  process.exitCode = 1
}

function namesIn(list) {
  return list
    .split(',')
    .map((one) => one.trim().replace(/^type /, ''))
    .filter((one) => one !== '')
}

/** A public name with its docstring and its declaration; `path` is the module that it comes from. */
function itemOf(one, path) {
  const file = path.replace(/\.js$/, '.d.ts')
  const text = readFileSync(file, 'utf8')
  const starts = [...text.matchAll(new RegExp(`^export ${DECLARATION} ${one}\\b`, 'gm'))]
  if (starts.length === 0) return passedOn(one, file, text)
  const declarations = starts.map(({ index }) => declarationAt(text, index))
  const kind = /function|class|interface|type|const/.exec(declarations[0])?.[0] ?? ''
  const said = starts
    .map(({ index }) => proseOf(docstringAt(text, index)))
    .find((doc) => doc !== '')
  return { name: one, kind, text: said ?? '', declaration: declarations.join('\n') }
}

/** One that the module has from another. */
function passedOn(one, file, text) {
  const imports = text.matchAll(/^(?:import|export) (?:type )?\{([^}]*)\} from '([^']+)';/gm)
  for (const [, names, from] of imports) {
    if (namesIn(names).includes(one)) return itemOf(one, join(dirname(file), from))
  }
  throw new Error(`${file} does not declare ${one}`)
}

/** The comment that ends right before `index`. */
function docstringAt(text, index) {
  const before = text.slice(0, index).trimEnd()
  return before.endsWith('*/') ? before.slice(before.lastIndexOf('/**')) : ''
}

function proseOf(docstring) {
  return docstring
    .replace(/^\/\*\*/, '')
    .replace(/\*\/$/, '')
    .replace(/^ *\* ?/gm, '')
    .replace(/^@.*$/gm, '')
    .trim()
}

/** From `index` to the end of the declaration, without what is not for others. */
function declarationAt(text, index) {
  const rest = text.slice(index)
  const isBody = /^export (?:declare )?(?:abstract )?(?:class|interface)/.test(rest)
  const end = isBody ? rest.search(/^\}/m) + 1 : endOfStatement(rest)
  return rest
    .slice(0, end)
    .replace(/^export (?:declare )?/, '')
    .replace(/^ *(?:#private;|private .*)\n/gm, '')
    .replaceAll('    ', '  ')
}

/** Past the first semicolon outside of all brackets. */
function endOfStatement(text) {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    if ('({['.includes(text[at])) depth++
    else if (')}]'.includes(text[at])) depth--
    else if (text[at] === ';' && depth === 0) return at + 1
  }
  return text.length
}

function page(entry, about, items) {
  const sections = items.flatMap(({ name: one, text, declaration }) => [
    `## ${one}`,
    text,
    `\`\`\`ts\n${declaration}\n\`\`\``,
  ])
  return `${[`# ${entry}`, about, ...sections].join('\n\n')}\n`
}
