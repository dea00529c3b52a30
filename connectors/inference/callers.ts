/**
 * Who asks, and how much. A caller is known by its bearer token (RFC 6750), compared in constant time with those of all callers. State, owned by this
 * object: what each caller has on its way, its requests of the last minute, and its tokens of the last day, which it is told (see caller-usage.ts).
 */
import { timingSafeEqual } from 'node:crypto';
import { type CallerConfig, MizuError, sha256, utf8 } from '#engine';
import { CALLER_TOKEN_MIN_CHARACTERS, TOKEN_WINDOW_HOURS } from './limits.ts';
import type { Timing } from './timing.ts';

export interface Caller {
  readonly name: string;
  readonly config: CallerConfig;
}

/** Why a request is put off, and when to come back. */
export interface PutOff {
  readonly code: 'too_many_calls' | 'too_many_requests' | 'too_many_tokens';
  readonly message: string;
  readonly retryAfterSeconds: number;
}

/** What a caller does now; `end` is called once. */
export interface Admission {
  end(): void;
}

interface Known extends Caller {
  /** SHA-256 of its token: equally long for all. */
  readonly digest: Uint8Array;
  running: number;
  /** Requests that it may make now, refilled with time. */
  allowance: number;
  filledAt: number;
  /** Tokens by hour since 1970. */
  readonly tokens: Map<number, number>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** What a bearer token is made of (RFC 6750 section 2.1). */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

export class Callers {
  private readonly known: Known[] = [];
  private readonly clock: Pick<Timing, 'now' | 'date'>;

  /** @param tokens by caller's name. @throws USAGE naming callers whose token is none, never the token. */
  constructor(callers: Readonly<Record<string, CallerConfig>>, tokens: ReadonlyMap<string, string>, clock: Pick<Timing, 'now' | 'date'>) {
    this.clock = clock;
    const problems: string[] = [];
    for (const [name, config] of Object.entries(callers)) {
      const token = tokens.get(name) ?? '';
      const from = config.tokenEnv === undefined ? `the file ${config.tokenFile ?? ''}` : `the environment variable ${config.tokenEnv}`;
      if (token === '') problems.push(`caller '${name}': ${from} holds no token`);
      else if (!TOKEN.test(token)) problems.push(`caller '${name}': ${from} holds characters that no bearer token has`);
      else if (token.length < CALLER_TOKEN_MIN_CHARACTERS)
        problems.push(`caller '${name}': the token in ${from} has fewer than ${CALLER_TOKEN_MIN_CHARACTERS} characters`);
      const digest = sha256(utf8(token));
      const same = this.known.find((other) => token !== '' && timingSafeEqual(other.digest, digest));
      if (same !== undefined) problems.push(`callers '${same.name}' and '${name}' have the same token`);
      this.known.push({ name, config, digest, running: 0, allowance: config.perMinute, filledAt: clock.now(), tokens: new Map() });
    }
    if (problems.length === 0) return;
    throw new MizuError('USAGE', `A token is missing: ${problems.join('; ')}`, {
      component: 'callers',
      hint: 'Make one with `openssl rand -hex 32`. Tokens are read at the start and never written anywhere.',
      problems: problems.map((message) => ({ path: 'callers', message })),
    });
  }

  /** @param header value of `Authorization`. Undefined for a token of nobody. */
  find(header: string | undefined): Caller | undefined {
    const token = /^Bearer +([^\s]+) *$/i.exec(header ?? '')?.[1] ?? '';
    const digest = sha256(utf8(token));
    // All are compared, so that time does not tell which one was near.
    let found: Caller | undefined;
    for (const known of this.known) if (timingSafeEqual(known.digest, digest)) found = known;
    return found;
  }

  /**
   * Takes a request in that needs an answer, or says why not. @param paid somebody asks its question already, so its answer takes no tokens more. A
   * request whose answer is recorded is never put off, nor counted: it is not brought here.
   */
  admit(caller: Caller, paid = false): Admission | PutOff {
    const known = this.known.find((one) => one.name === caller.name);
    if (known === undefined) throw new MizuError('INTERNAL', `There is no caller '${caller.name}'`);
    const refused = this.refusal(known) ?? (paid ? undefined : this.spent(known));
    if (refused !== undefined) return refused;
    known.running++;
    known.allowance--;
    let ended = false;
    return {
      end: () => {
        if (ended) return;
        ended = true;
        known.running--;
      },
    };
  }

  /** Counts tokens of a new answer; gives the hour that they count in, and undefined where nothing is counted: no tokens, or no limit of them. */
  use(name: string, tokens: number): number | undefined {
    const known = this.known.find((one) => one.name === name);
    if (known?.config.tokensPerDay === undefined || tokens === 0) return undefined;
    const hour = Math.floor(this.clock.date() / HOUR_MS);
    this.remember(name, hour, tokens);
    return hour;
  }

  /** Counts tokens of an hour; those of who is no caller any more, or that are a day old, are left out. */
  remember(name: string, hour: number, tokens: number): void {
    const known = this.known.find((one) => one.name === name);
    if (known === undefined || hour <= Math.floor(this.clock.date() / HOUR_MS) - TOKEN_WINDOW_HOURS) return;
    known.tokens.set(hour, (known.tokens.get(hour) ?? 0) + tokens);
  }

  private refusal(known: Known): PutOff | undefined {
    const { calls, perMinute } = known.config;
    const now = this.clock.now();
    known.allowance = Math.min(perMinute, known.allowance + ((now - known.filledAt) / MINUTE_MS) * perMinute);
    known.filledAt = now;
    if (known.running >= calls)
      return {
        code: 'too_many_calls',
        message: `${known.running} requests of '${known.name}' are on their way, at most ${calls} may be`,
        retryAfterSeconds: 1,
      };
    if (known.allowance < 1) {
      const retryAfterSeconds = Math.max(1, Math.ceil(((1 - known.allowance) / perMinute) * 60));
      return { code: 'too_many_requests', message: `'${known.name}' may make ${perMinute} requests per minute`, retryAfterSeconds };
    }
    return undefined;
  }

  private spent(known: Known): PutOff | undefined {
    const { tokensPerDay } = known.config;
    if (tokensPerDay === undefined) return undefined;
    const date = this.clock.date();
    const hour = Math.floor(date / HOUR_MS);
    for (const old of known.tokens.keys()) if (old <= hour - TOKEN_WINDOW_HOURS) known.tokens.delete(old);
    const used = [...known.tokens.values()].reduce((sum, tokens) => sum + tokens, 0);
    if (used < tokensPerDay) return undefined;
    const first = Math.min(...known.tokens.keys());
    const retryAfterSeconds = Math.max(1, Math.ceil(((first + TOKEN_WINDOW_HOURS) * HOUR_MS - date) / 1_000));
    return {
      code: 'too_many_tokens',
      message: `'${known.name}' used ${used} of its ${tokensPerDay} tokens of 24 hours`,
      retryAfterSeconds,
    };
  }
}
