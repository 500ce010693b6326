import type { ApplicationReader } from '../application/application-reader.js'
import type { DuplicateMode } from '../session/duplicates.js'
import type { PacketObserver } from '../session/pipeline.js'

/** Has what packets say of applications read; of those that came twice once, where they count once. */
export function applicationObserver(
  reader: ApplicationReader,
  duplicates: DuplicateMode | undefined,
): PacketObserver {
  const leavesCopies = duplicates !== undefined && duplicates !== 'keep'
  return (session, packet, frame, fault, isCopy) => {
    if (fault !== undefined || (isCopy && leavesCopies)) return
    reader.read(frame, session.index, packet)
  }
}
