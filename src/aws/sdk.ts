import { OperatorError } from '../errors.js'

/**
 * Loads a package of the AWS SDK, which need not be installed. `task` is what it is for, such as
 * `asking EC2`. Rejects with OperatorError.
 */
export async function loadSdk<T>(from: () => Promise<T>, name: string, task: string): Promise<T> {
  // Printed to programmers whose Node is older than its next version wants; nothing an operator can act on.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  try {
    return await from()
  } catch (cause) {
    throw new OperatorError(
      `${task} needs the package ${name}, which is not installed: run npm install ${name}`,
      { cause },
    )
  }
}
