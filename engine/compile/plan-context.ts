/** What an operator may ask while it plans: fields, data, models, names near to a mistyped one. Its problems are collected. */
import type { PlanContext, PlannedRule, Registry, SourceInfo, TopicInfo } from '../contract/operator.ts';
import type { Json } from '../contract/program.ts';
import type { DataSet } from '../contract/storage.ts';
import type { FieldType, Schema } from '../contract/types.ts';
import { nearest, nearestOrAll } from '../workflow/nearest.ts';
import type { Locate, ProblemDetails } from '../workflow/place.ts';
import { shorten } from '../workflow/place.ts';
import type { WorkflowSpec } from '../workflow/workflow-schema.ts';
import type { CompileHost } from './compile-host.ts';
import { lookUpField } from './field-type.ts';
import { rootOf } from './kernel-fields.ts';

export interface PlanInput {
  readonly spec: WorkflowSpec;
  readonly registry: Registry;
  readonly host: CompileHost;
  readonly locate: Locate;
  /** By author's name; declared but unreadable ones are undefined. */
  readonly data: ReadonlyMap<string, DataSet | undefined>;
  /** False when the section `data` could not be read as a whole, so that nothing can be said about names in it. */
  readonly dataKnown: boolean;
  /** Names of models, those with a wrong address among them. */
  readonly models: readonly string[];
}

export interface Found {
  readonly at: string;
  readonly message: string;
  readonly details: ProblemDetails;
  readonly missing?: string;
}

/** What a step reads from outside, once it was opened. */
export interface Opened {
  readonly source?: SourceInfo;
  readonly topic?: TopicInfo;
  /** By path; those that could not be read are missing. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
}

export interface StepPlace {
  readonly step: string;
  /** Fields of a record at the step. */
  readonly fields: Schema;
  readonly opened: Opened;
  /** An earlier step could not be planned, so fields may be missing. */
  readonly uncertain: boolean;
  readonly usedData: Set<string>;
  /** See PlanContext. */
  readonly rule: (step: Json, at: string) => PlannedRule | undefined;
}

/** One per step: collects what the operator reports. */
export class StepContext implements PlanContext {
  readonly step: string;
  readonly source: SourceInfo | undefined;
  readonly topic: TopicInfo | undefined;
  readonly rule: StepPlace['rule'];
  readonly models: readonly string[];
  readonly engines: PlanContext['engines'];
  private readonly input: PlanInput;
  private readonly fields: Schema;
  private readonly uncertain: boolean;
  private readonly usedData: Set<string>;
  private readonly files: ReadonlyMap<string, Uint8Array>;
  private readonly reported: Found[] = [];
  readonly warned: Found[] = [];
  private sawSchema = false;

  constructor(input: PlanInput, { step, fields, opened, uncertain, usedData, rule }: StepPlace) {
    this.input = input;
    this.step = step;
    this.fields = fields;
    this.source = opened.source;
    this.topic = opened.topic;
    this.files = opened.files ?? new Map();
    this.uncertain = uncertain;
    this.usedData = usedData;
    this.rule = rule;
    this.models = input.models;
    this.engines = input.registry.engines;
  }

  get schema(): Schema {
    this.sawSchema = true;
    return this.fields;
  }

  /** An operator that looked at a schema with holes may have stumbled over a hole. */
  get found(): readonly Found[] {
    return this.uncertain && this.sawSchema ? [] : this.reported;
  }

  file(path: string): Uint8Array | undefined {
    return this.files.get(path);
  }

  fieldType(path: string, at: string, place?: string): FieldType | undefined {
    const found = lookUpField(this.fields, path);
    if ('type' in found) return found.type;
    if (this.uncertain) return undefined;
    const where = found.inside === undefined ? 'at this step' : `in ${found.inside}`;
    const hint =
      found.among.length === 0 && found.inside === undefined
        ? 'no step before this one makes a field'
        : nearestOrAll(found.missing, found.among, 'fields');
    const missing = found.inside === undefined ? { missing: rootOf(path) } : {};
    this.reported.push({
      at,
      message: `There is no field '${shorten(found.missing)}' ${where}${place === undefined ? '' : ` (${place})`}`,
      details: { value: shorten(path), hint },
      ...missing,
    });
    return undefined;
  }

  data(name: string, at: string): DataSet | undefined {
    this.usedData.add(name);
    if (this.input.data.has(name) || !this.input.dataKnown) return this.input.data.get(name);
    const names = [...this.input.data.keys()];
    const hint = names.length === 0 ? `declare it: \`data: { ${shorten(name)}: { list: … } }\`` : nearestOrAll(name, names, 'data');
    this.reported.push({
      at,
      message: `There is no list or map '${shorten(name)}' under \`data\``,
      details: { value: shorten(name), hint },
    });
    return undefined;
  }

  problem(at: string, message: string, more: { readonly expected?: string; readonly hint?: string } = {}): void {
    // An operator that says only what is wrong still leaves the author something to try.
    const cured = more.expected !== undefined || more.hint !== undefined;
    this.reported.push({
      at,
      message,
      details: cured ? more : { hint: '`mizu operators NAME` shows the parameters of a step, and examples' },
    });
  }

  warning(at: string, message: string, more: { readonly hint: string }): void {
    this.warned.push({ at, message, details: more });
  }

  nearest(word: string, among: readonly string[]): string | undefined {
    return nearest(word, among);
  }
}
