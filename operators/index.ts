/** The door of the operators: every operator there is, in one explicit list, and the data engine that their examples use. */
import type { DataEngine, Operator } from '#kernel';
import { count } from './aggregate/count.ts';
import { coverage } from './aggregate/coverage.ts';
import { dedup } from './aggregate/dedup.ts';
import { distinct } from './aggregate/distinct.ts';
import { sample } from './aggregate/sample.ts';
import { quota } from './aggregate/quota.ts';
import { summary } from './aggregate/summary.ts';
import { clip } from './correct/clip.ts';
import { extract } from './correct/extract.ts';
import { mask } from './correct/mask.ts';
import { normalize } from './correct/normalize.ts';
import { replace } from './correct/replace.ts';
import { set } from './correct/set.ts';
import { trim } from './correct/trim.ts';
import { whitespace } from './correct/whitespace.ts';
import { freeFall } from './generate/free-fall.ts';
import { inference } from './generate/inference.ts';
import { read } from './generate/read.ts';
import { simulate } from './generate/simulate.ts';
import { classify } from './judge/classify.ts';
import { judge } from './judge/judge.ts';
import { repair } from './judge/repair.ts';
import { simulateHosted } from './generate/simulate-hosted.ts';
import { expression } from './rule/expression.ts';
import { length } from './rule/length.ts';
import { oneOf } from './rule/one-of.ts';
import { pattern } from './rule/pattern.ts';
import { range } from './rule/range.ts';
import { schema } from './rule/schema.ts';
import { script } from './rule/script.ts';
import { lookup } from './select/lookup.ts';
import { random } from './select/random.ts';
import { select } from './select/select.ts';
import { template } from './template/template.ts';

export const operators: readonly Operator[] = [
  select,
  lookup,
  random,
  template,
  read,
  simulate,
  simulateHosted,
  inference,
  schema,
  length,
  range,
  oneOf,
  pattern,
  expression,
  script,
  judge,
  classify,
  repair,
  set,
  whitespace,
  normalize,
  extract,
  replace,
  trim,
  clip,
  mask,
  dedup,
  count,
  summary,
  coverage,
  distinct,
  quota,
  sample,
];

/** Data engines that need nothing but arithmetic. */
export const engines: readonly DataEngine[] = [freeFall];
