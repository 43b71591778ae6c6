import { Buffer } from 'node:buffer';

// A frame on disk: length of the payload (4 bytes, big-endian), CRC-32 of the payload (4 bytes), payload (UTF-8). What a
// crash tears fails the one or the other.

export const HEADER_BYTES = 8;
/** No event and no batch comes near it: a longer length is no length. */
const MOST_PAYLOAD_BYTES = 64 * 1024 * 1024;

export function frameOf(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes);
  frame.write(text, HEADER_BYTES);
  frame.writeUInt32BE(bytes, 0);
  frame.writeUInt32BE(crc32(frame.subarray(HEADER_BYTES)), 4);
  return frame;
}

export type FrameRead =
  | { readonly kind: 'whole'; readonly text: string; readonly next: number }
  /** The buffer ends before the frame does, which needs so many bytes. */
  | { readonly kind: 'short'; readonly bytes: number }
  | { readonly kind: 'bad' };

export function readFrame(buffer: Buffer, offset: number): FrameRead {
  if (offset + HEADER_BYTES > buffer.length) return { kind: 'short', bytes: HEADER_BYTES };
  const length = buffer.readUInt32BE(offset);
  if (length === 0 || length > MOST_PAYLOAD_BYTES) return { kind: 'bad' };
  const next = offset + HEADER_BYTES + length;
  if (next > buffer.length) return { kind: 'short', bytes: HEADER_BYTES + length };
  const payload = buffer.subarray(offset + HEADER_BYTES, next);
  if (crc32(payload) !== buffer.readUInt32BE(offset + 4)) return { kind: 'bad' };
  return { kind: 'whole', text: payload.toString('utf8'), next };
}

// CRC-32 as in ISO 3309; node:zlib has it only from Node 20.15 on.
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}
