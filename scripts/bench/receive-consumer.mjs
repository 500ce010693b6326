/**
 * The receiving process of `receive.mjs --what receiver`: a receiver and a consumer that
 * only counts. Arguments: receiver, receive buffer in bytes. Tells its parent the port at
 * first and its counts when told to stop.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openReceiver } from '../../dist/receive/open.js'

const [choice, receiveBufferBytes] = process.argv.slice(2)
let received = 0
let octets = 0
const receiver = await openReceiver(
  /** @type {import('../../dist/receive/open.js').ReceiverChoice} */ (choice),
  {
    host: '127.0.0.1',
    port: 0,
    receiveBufferBytes: Number(receiveBufferBytes),
    reusePort: false,
    onDatagram(datagram) {
      received++
      octets += datagram.end - datagram.start
    },
    onError(error) {
      throw error
    },
  },
)
const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()

process.on('message', async (message) => {
  if (message === 'stop') {
    await receiver.close()
    const kernelLost = receiver.kernelDrops()
    process.send?.({ received, octets, kernelLost, loopDelayMs: delay.max / 1e6 })
    process.disconnect()
  } else {
    delay.reset()
    process.send?.('reset')
  }
})
process.send?.({ port: receiver.address.port, granted: receiver.receiveBufferBytes })
