/** An invariant of the books as a question to the database. */
export interface BookCheck {
  /** As the invariants are numbered in the README of this lib. */
  readonly invariant: string;
  readonly says: string;
  /** Answers `n`: how many rows were looked at. */
  readonly counted: string;
  /** Answers `fault`: a sentence for each row that breaks the invariant; empty when it holds. */
  readonly faults: string;
}
