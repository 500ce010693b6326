/**
 * Makes the program, dist/cli, of a few files; the compiler has put the library beside it.
 *
 * A command needs some 120 modules, and each is a file to find, read and link: `flow-log`
 * was ready to read after 150 ms, and is after 105; a thread of its own took 100 ms to
 * start, and takes 40. Packages stay outside.
 */
import { build } from 'rolldown'

await build({
  // What starts a thread finds it beside itself by this name.
  input: {
    bin: 'src/cli/bin.ts',
    worker: 'src/thread/worker.ts',
    'table-worker': 'src/thread/table-worker.ts',
    'spool-worker': 'src/flowlog/spool-worker.ts',
  },
  platform: 'node',
  // But for what rolldown itself adds.
  external: /^(?!@oxc-project)[@a-z]/,
  resolve: { extensionAlias: { '.js': ['.ts'] } },
  output: {
    dir: 'dist/cli',
    cleanDir: true,
    sourcemap: true,
    // Else there is a file for every set of modules that the same commands need.
    codeSplitting: {
      groups: [
        { name: 'wire', test: /src\/wire\// },
        { name: 'flow', test: /src\/flow\// },
        { name: 'cli', test: /src\/(cli\/|[a-z-]+\.ts)/, minShareCount: 2 },
        { name: 'pipeline', test: /src\/(deliver|flowlog|pcap|session)\//, minShareCount: 4 },
      ],
    },
  },
})
