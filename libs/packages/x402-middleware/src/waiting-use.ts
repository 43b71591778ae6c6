/** A total that is not covered yet. It knows whether somebody awaits it: a promise of the platform could not tell. */
export class WaitingUse implements PromiseLike<boolean> {
  readonly #answer: Promise<boolean>;
  #resolve: (isCovered: boolean) => void = () => undefined;
  #isHeeded = false;

  constructor(
    readonly total: string,
    private readonly onHeeded: () => void,
  ) {
    this.#answer = new Promise((resolve) => (this.#resolve = resolve));
  }

  get isHeeded(): boolean {
    return this.#isHeeded;
  }

  answer(isCovered: boolean): void {
    this.#resolve(isCovered);
  }

  then<Covered = boolean, Failed = never>(
    onCovered?: ((isCovered: boolean) => Covered | PromiseLike<Covered>) | null,
    onFailed?: ((reason: unknown) => Failed | PromiseLike<Failed>) | null,
  ): Promise<Covered | Failed> {
    if (!this.#isHeeded) {
      this.#isHeeded = true;
      this.onHeeded();
    }
    return this.#answer.then(onCovered, onFailed);
  }
}
