import type { Provider } from '@nestjs/common';

/** For each part of a constructor, the class that stands for it. */
type Tokens<Parts extends readonly unknown[]> = {
  [Place in keyof Parts]: abstract new (...parts: never[]) => Parts[Place];
};

/** A class made of what is injected for `inject`, in the order of its constructor. */
export const built = <Parts extends readonly unknown[], Made>(
  type: new (...parts: Parts) => Made,
  ...inject: Tokens<Parts>
): Provider => ({
  provide: type,
  useFactory: (...parts: Parts): Made => new type(...parts),
  inject: [...inject],
});
