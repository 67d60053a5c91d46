// Where each Modbus model keeps its import counter: what the files of crates/meter/profiles say, as far as a bill needs it. A
// test of the program compares the two. `scale` turns the register into mWh; a model whose counter is not here is
// reported as unknown, never as passed.

/** @type {Record<string, {code: 3|4, address: number, type: "u32"|"f32", scale: bigint, bytesPerCount: number, isLowFirst: boolean}>} */
export const COUNTERS = {
  "dds238-2-zn-s": { code: 3, address: 0x000a, type: "u32", scale: 10_000n, bytesPerCount: 2, isLowFirst: false },
  "dds238-2-zn-sr": { code: 3, address: 0x000a, type: "u32", scale: 10_000n, bytesPerCount: 2, isLowFirst: false },
  "dtsu666": { code: 3, address: 0x101e, type: "f32", scale: 1_000_000n, bytesPerCount: 2, isLowFirst: false },
  "im1232": { code: 3, address: 0x004b, type: "u32", scale: 100n, bytesPerCount: 4, isLowFirst: false },
  "im1281b": { code: 3, address: 0x004b, type: "u32", scale: 100n, bytesPerCount: 4, isLowFirst: false },
  "lt-114": { code: 3, address: 0x004b, type: "u32", scale: 100n, bytesPerCount: 4, isLowFirst: false },
  "pzem-004t-v3": { code: 4, address: 0x0005, type: "u32", scale: 1_000n, bytesPerCount: 2, isLowFirst: true },
  "sdm120": { code: 4, address: 0x0048, type: "f32", scale: 1_000_000n, bytesPerCount: 2, isLowFirst: false },
  "sdm230": { code: 4, address: 0x0048, type: "f32", scale: 1_000_000n, bytesPerCount: 2, isLowFirst: false },
  "sdm630": { code: 4, address: 0x0048, type: "f32", scale: 1_000_000n, bytesPerCount: 2, isLowFirst: false },
  "sdm72": { code: 4, address: 0x0048, type: "f32", scale: 1_000_000n, bytesPerCount: 2, isLowFirst: false },
  "sdm72-v2": { code: 4, address: 0x0048, type: "f32", scale: 1_000_000n, bytesPerCount: 2, isLowFirst: false },
};
