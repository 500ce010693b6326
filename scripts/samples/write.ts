import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SAMPLES } from './samples.js'

/** Writes every sample into the directory named on the command line. */
const directory = process.argv[2]!
for (const [name, make] of Object.entries(SAMPLES)) writeFileSync(join(directory, name), make())
