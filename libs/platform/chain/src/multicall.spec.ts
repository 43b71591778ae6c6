import fc from 'fast-check';
import { decodeFunctionData, encodeFunctionResult, parseAbi, toHex } from 'viem';
import { decodeReturns, encodeCalls } from './multicall.js';

const abi = parseAbi([
  'function tryAggregate(bool requireSuccess, (address target, bytes callData)[] calls) returns ((bool success, bytes returnData)[])',
]);

const bytes = fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array).toString('hex'));
const target = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((array) => toHex(array));

describe('many calls in one', () => {
  it('are read back by a general decoder as what was written', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ target, data: bytes }), { maxLength: 40 }), (calls) => {
        const { args } = decodeFunctionData({ abi, data: encodeCalls(calls) });
        const read = args[1].map((call) => ({ target: call.target.toLowerCase(), data: call.callData.slice(2) }));
        expect(args[0]).toBe(false);
        expect(read).toEqual(calls);
      }),
    );
  });

  it('give back what a general encoder wrote', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ success: fc.boolean(), data: bytes }), { maxLength: 40 }), (returned) => {
        const result = returned.map(({ success, data }) => ({ success, returnData: `0x${data}` as const }));
        const text = encodeFunctionResult({ abi, result });
        expect(decodeReturns(text, returned.length)).toEqual(returned);
      }),
    );
  });

  it.each([['0x'], ['0x00'], [''], [undefined], [{}], [`0x${'f'.repeat(640)}`]])(
    'are unavailable, not wrong, when the answer is %p',
    (text) => {
      expect(() => decodeReturns(text, 1)).toThrow(expect.objectContaining({ code: 'unavailable' }));
    },
  );
});
