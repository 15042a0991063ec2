import { sheet } from './call-memory.ts';

class Given {
  constructor(handle: object) {
    // biome-ignore lint/correctness/noConstructorReturn: fields of the class below are put on the object that is given
    return handle;
  }
}

/** Puts the place of a device, or a lane, on it, out of reach of others. */
export class DevicePlace extends Given {
  readonly #place: number;

  private constructor(handle: object) {
    super(handle);
    this.#place = sheet[0]!;
  }

  /** Puts its place on a device, or a lane, that has just been made. */
  static put(handle: object): void {
    new DevicePlace(handle);
  }

  /** −1: it is no device. */
  static of(value: object): number {
    return #place in value ? value.#place : -1;
  }
}
