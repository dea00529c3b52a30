/** The broker of a benchmark and the tool that works on its topics. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { startBroker } from '../../support/parts/jvm-broker.ts';
import { W1_PARTITIONS } from '../w1/generator.ts';
import type { BenchOptions } from './bench.ts';
import { javaClasspath } from './java.ts';
import { cpuSecondsOf } from './process-tree.ts';

const BROKER_HEAP_MB = 1024;

export interface BenchKafka {
  readonly address: string;
  /** In the name of every topic of this benchmark. */
  readonly id: string;
  readonly classpath: string;
  /** For files of this benchmark; removed with it. */
  readonly folder: string;
  readonly tool: KafkaTool;
  /** The broker's process, where it is known. */
  readonly pid: number | undefined;
  /** CPU seconds of the broker since it started; 0 where its process is not known. */
  brokerCpuSeconds(): number;
}

/** Starts what is missing; all of it ends with the cleanup. */
export async function openKafka(options: BenchOptions): Promise<BenchKafka> {
  const { cleanup } = options;
  const classpath = javaClasspath(options.note);
  const folder = mkdtempSync(join(tmpdir(), 'mizu-bench-'));
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  const { address, pid } = options.broker ?? (await ownBroker(options));
  const id = `bench${process.pid}`;
  const tool = new KafkaTool(classpath, address);
  cleanup.add(() => tool.close());
  cleanup.add(async () => {
    const topics = await tool.ask<string[]>('topics', id);
    if (topics.length > 0) await tool.ask('delete', ...topics);
  });
  return { address, id, classpath, folder, tool, pid, brokerCpuSeconds: () => (pid === undefined ? 0 : cpuSecondsOf(pid)) };
}

async function ownBroker({ cleanup, note }: BenchOptions): Promise<{ readonly address: string; readonly pid: number }> {
  note('starting a broker');
  const broker = await startBroker({ heapMb: BROKER_HEAP_MB, jvm: 'bench' });
  cleanup.add(() => broker.remove());
  return { address: broker.brokers, pid: broker.pid };
}

/** The Java program `KafkaTool`, asked line by line. */
export class KafkaTool {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly waiting = new Map<number, { resolve(text: string): void; reject(error: Error): void }>();
  private next = 1;
  private ended = false;

  constructor(classpath: string, address: string) {
    const log = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
    this.child = spawn('java', ['-Xmx768m', '-XX:+UseSerialGC', log, '-cp', classpath, 'mizu.bench.KafkaTool', address], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // Ctrl-C reaches the whole group, and the tool is still needed to clean up.
      detached: true,
    });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.answered(line));
    this.child.once('exit', () => {
      this.ended = true;
      for (const { reject } of this.waiting.values()) reject(new Error('the topic tool ended'));
    });
  }

  /** @throws with what the tool says. */
  async ask<T = unknown>(command: string, ...args: readonly (string | number)[]): Promise<T> {
    if (this.ended) throw new Error('the topic tool ended');
    const number = this.next++;
    const reply = new Promise<string>((resolve, reject) => this.waiting.set(number, { resolve, reject }));
    this.child.stdin.write(`${[number, command, ...args].join(' ')}\n`);
    return JSON.parse(await reply) as T;
  }

  close(): void {
    this.child.stdin.end();
  }

  private answered(line: string): void {
    const [, number = '', text = ''] = /^(\d+) (.*)$/s.exec(line) ?? [];
    const waiting = this.waiting.get(Number(number));
    this.waiting.delete(Number(number));
    if (text.startsWith('!')) waiting?.reject(new Error(`topic tool: ${text.slice(1)}`));
    else waiting?.resolve(text);
  }
}

/** A topic of W1's form with the file's lines in it. */
export async function loadTopic(kafka: BenchKafka, topic: string, file: string, lines: number): Promise<void> {
  await kafka.tool.ask('create', topic, W1_PARTITIONS);
  await kafka.tool.ask('load', file, topic, lines);
}
