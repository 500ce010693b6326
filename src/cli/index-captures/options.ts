/** The options of `index` as commander leaves them. */
export interface IndexOptions {
  json?: true
  fileMode?: number
}
