/**
 * What others ask of the orchestrator: members to join and leave, operators to pause, drain or stop. Requests that were answered stand in
 * control with their offset, so a new orchestrator goes on behind them; a member that was not answered asks again.
 */
import type { LogEntry } from '../contract/log.ts';
import type { ControlBody } from '../dispatch/control-entry.ts';
import type { RequestBody } from '../dispatch/member-entry.ts';
import { decodeRequest, readEntry, verifySigned } from '../dispatch/signed-entry.ts';
import type { ControlFold } from '../dispatch/control-fold.ts';
import type { JoinRequest } from '../dispatch/membership.ts';
import { fromHex } from '../proof/sha256.ts';
import type { LogCursor } from './log-cursor.ts';
import type { RunContext } from './run-context.ts';

/** Members that wait for a free place are remembered up to here; others ask again anyway. */
const WAITING_LIMIT = 1_000;

export class RequestDesk {
  private readonly context: RunContext;
  private readonly fold: ControlFold;
  private readonly household: ReadonlySet<string> | undefined;
  /** Members that wait for a place, by name: the newest request of each. */
  private waiting = new Map<string, JoinRequest>();

  /** @param household incarnations that may join; absent: anybody's. */
  constructor(context: RunContext, fold: ControlFold, household?: ReadonlySet<string>) {
    this.context = context;
    this.fold = fold;
    this.household = household;
  }

  /** Control entries that follow from a request at once. Requests that are not signed as they must be are passed over. */
  take(cursor: LogCursor, entry: LogEntry): ControlBody[] {
    const signed = readEntry(decodeRequest, cursor.topic, cursor.partition, entry);
    const { body } = signed;
    const key = body.type === 'join' ? fromHex(body.key) : this.keyOf(body);
    if (key === undefined || !verifySigned('mizu-request-v1', this.context.title, signed, key)) return [];
    const request = entry.offset;
    switch (body.type) {
      case 'join':
        if (this.household?.has(body.incarnation) === false) return [];
        if (this.waiting.size < WAITING_LIMIT) this.waiting.set(body.member, { request, body });
        return [];
      case 'leave': {
        if (this.waiting.get(body.member)?.body.incarnation === body.incarnation) this.waiting.delete(body.member);
        const living = this.living(body.member, body.incarnation);
        return living === undefined ? [] : [{ type: 'lost', node: living, reason: 'left' }];
      }
      case 'mode':
        return [{ type: 'mode', mode: body.mode, by: body.by, request }];
      case 'settings':
        return [{ ...body, request }];
    }
  }

  joins(): readonly JoinRequest[] {
    return [...this.waiting.values()].sort((a, b) => a.request - b.request);
  }

  keep(waiting: readonly JoinRequest[]): void {
    this.waiting = new Map(waiting.map((join) => [join.body.member, join]));
  }

  /** Who may ask for it: a member for itself, the holder of the run's key for the run. */
  private keyOf(body: Exclude<RequestBody, { type: 'join' }>): Uint8Array | undefined {
    if (body.type !== 'leave') return this.context.signer.publicKey;
    const waiting = this.waiting.get(body.member);
    if (waiting?.body.incarnation === body.incarnation) return fromHex(waiting.body.key);
    const node = this.living(body.member, body.incarnation);
    const member = node === undefined ? undefined : this.fold.members.get(node);
    return member === undefined ? undefined : fromHex(member.key);
  }

  private living(member: string, incarnation: string): number | undefined {
    const node = this.fold.numbers.get(member);
    return node !== undefined && this.fold.members.get(node)?.incarnation === incarnation ? node : undefined;
  }
}
