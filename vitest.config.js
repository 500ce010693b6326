import config from './test/vitest.config.js'

export default config
