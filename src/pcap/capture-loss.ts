/** Why packets are in no capture file: the disk, no more files or directories for their session, another link type. */
export const CAPTURE_LOSSES = ['disk', 'no-file', 'no-directory', 'link-type'] as const

export type CaptureLoss = (typeof CAPTURE_LOSSES)[number]
