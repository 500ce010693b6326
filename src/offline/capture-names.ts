import { ApplicationReader } from '../application/application-reader.js'
import { NamedAddresses } from '../application/named-addresses.js'
import type { CaptureFormat } from '../pcap/capture-writer.js'
import type { JointCapture } from '../pcap/joint-capture.js'
import { ApplicationPackets } from '../session/application-packets.js'

/** Reads from packets the names of addresses for the capture that they go into; undefined where it has none. */
export function captureNames(
  capture: JointCapture,
  format: CaptureFormat,
  isWanted: boolean,
): ApplicationPackets | undefined {
  if (!isWanted || format !== 'pcapng') return undefined
  const names = new NamedAddresses((address, name) => capture.addName(address, name))
  return new ApplicationPackets(new ApplicationReader(names), undefined)
}
