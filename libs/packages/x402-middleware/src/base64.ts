/** Characters that one call is given at most: the arguments of a call are limited. */
const STRIDE = 8192;

/** Base64 (standard alphabet, padded) with what every platform has. */
export function encodeBase64(bytes: Uint8Array): string {
  let characters = '';
  for (let at = 0; at < bytes.length; at += STRIDE)
    characters += String.fromCharCode(...bytes.subarray(at, at + STRIDE));
  return btoa(characters);
}

/** @throws for what is not base64. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < characters.length; at++) bytes[at] = characters.charCodeAt(at);
  return bytes;
}

export const encodeText = (text: string): string => encodeBase64(new TextEncoder().encode(text));

export const decodeText = (text: string): string => new TextDecoder().decode(decodeBase64(text));
