// The public types speak of Symbol.dispose and AbortSignal, whatever libraries the user names. Every entry of the
// package comes here, most by way of the device.
/// <reference lib="esnext.disposable" preserve="true" />
declare global {
  interface AbortSignal {
    readonly aborted: boolean;
  }
}

export {};
