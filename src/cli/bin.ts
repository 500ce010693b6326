#!/usr/bin/env node
import { main } from './main.js'
import { takeReportSignals } from './process/report-signal.js'

takeReportSignals()

// A reader such as `head` that has seen enough is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})
