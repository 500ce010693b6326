/**
 * Makes the program, dist/cli, of a few files; the compiler has put the library beside it.
 *
 * A command needs some 120 modules, and each is a file to find, read and link: of them
 * `flow-log` was ready to read after 150 ms, and is after 85, of which Node takes 50. A
 * thread of its own took 100 ms to start, and takes 30. CommonJS, because Node's loader
 * of modules would take 20 ms of that again. Packages stay outside.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { build } from 'rolldown'

const DIRECTORY = 'dist/cli'

/** What starts a thread finds it beside itself by its name. Each has a file with no more than it needs. */
const THREADS = [
  'src/appliance/worker.ts',
  'src/offline/table-worker.ts',
  'src/flowlog/spool-worker.ts',
  'src/deliver/delivery-worker.ts',
  'src/forward/forward-worker.ts',
  'src/search/index-worker.ts',
]

/** @satisfies {import('rolldown').InputOptions} */
const input = {
  platform: 'node',
  // Node's own modules and packages, but for what rolldown itself adds.
  external: /^(?!@oxc-project)[@a-z]/,
  resolve: { extensionAlias: { '.js': ['.ts'] } },
}
/** @satisfies {import('rolldown').OutputOptions} */
const output = { dir: DIRECTORY, format: 'cjs', sourcemap: true }

rmSync(DIRECTORY, { recursive: true, force: true })
await build([
  {
    ...input,
    input: 'src/cli/bin.ts',
    output: {
      ...output,
      codeSplitting: {
        groups: [
          { name: 'start', tags: ['$initial'], priority: 1 },
          // Else there is a file for every set of modules that the same commands need.
          {
            name: 'offline',
            test: /src\/(cli|flow|flowlog|offline|pcap|session|sink|terminal|wire)\//,
            minShareCount: 3,
          },
        ],
      },
    },
  },
  ...THREADS.map((thread) => ({ ...input, input: thread, output })),
])
// The package's own files are modules.
writeFileSync(`${DIRECTORY}/package.json`, '{ "type": "commonjs" }\n')
