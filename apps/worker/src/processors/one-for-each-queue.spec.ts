import 'reflect-metadata';
import { Processor } from '@nestjs/bullmq';
import { requireOneForEachQueue } from './one-for-each-queue.js';

@Processor('bread')
class Bread {}

@Processor('milk')
class Milk {}

@Processor('milk')
class MoreMilk {}

describe('the table of queues', () => {
  it('is content with one processor for each queue', () => {
    expect(() => requireOneForEachQueue([Bread, Milk], ['bread', 'milk'])).not.toThrow();
  });

  it('names a queue without a processor, one with two, and a processor of no queue', () => {
    expect(() => requireOneForEachQueue([Milk], ['bread', 'milk'])).toThrow('bread has 0');
    expect(() => requireOneForEachQueue([Bread, Milk, MoreMilk], ['bread', 'milk'])).toThrow('milk has 2');
    expect(() => requireOneForEachQueue([Bread, Milk], ['bread'])).toThrow('milk is in no table');
  });
});
