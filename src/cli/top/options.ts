/** The options of `top` as commander leaves them. */
export interface TopOptions {
  api: string
  credentials?: string
  profile?: string
  region: string
  link?: boolean
  updates?: number
}
