/** Tasks that somebody looked at, or asks for: both ends included. */
export interface TaskRange {
  readonly from: number;
  readonly to: number;
}
