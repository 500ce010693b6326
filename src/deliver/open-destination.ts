import type { Destination } from './destination.js'
import type { DeliverySpec } from './messages.js'

/** Opens what a kind of place needs, which is loaded only now. Rejects with OperatorError. */
export async function openDestination({ place, region }: DeliverySpec): Promise<Destination> {
  switch (place.kind) {
    case 's3': {
      const { openS3 } = await import('./s3.js')
      return openS3({ ...place, region })
    }
    case 'cloudwatch-logs': {
      const { openCloudWatchLogs } = await import('./cloudwatch-logs.js')
      return openCloudWatchLogs({ ...place, region })
    }
    case 'firehose': {
      const { openFirehose } = await import('./firehose.js')
      return openFirehose({ ...place, region })
    }
    case 'nats': {
      const { openNats } = await import('./nats.js')
      return openNats(place)
    }
    case 'ipfix': {
      if (place.transport === 'udp') {
        const { openIpfixOverUdp } = await import('./ipfix-udp.js')
        return openIpfixOverUdp(place)
      }
      const { openIpfixOverTcp } = await import('./ipfix-tcp.js')
      return openIpfixOverTcp(place)
    }
  }
}
