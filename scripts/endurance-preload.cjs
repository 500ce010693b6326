/** In every receiving thread of endurance.mjs: a file with the name of the thread's index makes it crash. */
const { existsSync, rmSync } = require('node:fs')
const { isMainThread, workerData } = require('node:worker_threads')

if (!isMainThread && workerData?.receiver !== undefined) {
  const path = `${process.env.ENDURANCE_KILL}${workerData.index}`
  setInterval(() => {
    if (!existsSync(path)) return
    rmSync(path)
    throw new Error('endurance.mjs wants it to crash')
  }, 200).unref()
}
