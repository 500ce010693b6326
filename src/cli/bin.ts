#!/usr/bin/env node
import { WriteError } from '../sink/write-error.js'
import { main } from './main.js'
import { sayBug, sayProblem } from './process/console.js'
import { leaveWhereHung } from './process/leave.js'
import { takeReportSignals } from './process/report-signal.js'
import { guardStandardError } from './process/standard-error.js'

/** What standard error may take to be read, once there is nothing else to do. */
const LAST_WORDS_MS = 1000

const settled = guardStandardError()
takeReportSignals()

// Node would show it as it is.
process.on('uncaughtException', (error) => {
  sayBug(error)
  process.exit(1)
})

let isUnwritten = false
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader such as `head` that has seen enough is not an error.
  if (error.code === 'EPIPE') return
  if (!isUnwritten) sayProblem(new WriteError('-', error).message)
  isUnwritten = true
  process.exitCode = 1
})

void main(process.argv.slice(2)).then(async (code) => {
  process.exitCode = isUnwritten ? 1 : code
  await settled(LAST_WORDS_MS)
  await leaveWhereHung()
})
