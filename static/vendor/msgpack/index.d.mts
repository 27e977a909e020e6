// What turntable's client uses of @msgpack/msgpack 3.1.3.

export interface Codec {
  tryToEncode(value: unknown): ExtData | null;
  decode(data: Uint8Array, type: number): unknown;
}
export class ExtData {
  constructor(type: number, data: Uint8Array);
}
export class Encoder {
  constructor(options?: { extensionCodec?: Codec; maxDepth?: number; ignoreUndefined?: boolean });
  encode(value: unknown): Uint8Array<ArrayBuffer>;
}
export class Decoder {
  constructor(options?: { extensionCodec?: Codec; useBigInt64?: boolean });
  decode(bytes: ArrayLike<number> | ArrayBufferView | ArrayBufferLike): unknown;
  /** The frame that is being decoded, and the position in it. */
  bytes: Uint8Array;
  pos: any;
  keyDecoder: { canBeCached(length: number): boolean; decode(bytes: Uint8Array, start: number, length: number): string };
  stateIsMapKey(): boolean;
  decodeUtf8String(length: number, header: number): string;
}
