/** Damages a workflow as a tree: nodes are swapped, doubled, taken out, given other kinds, tags and names, or come from another workflow. */
import {
  Alias,
  type Document,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Pair,
  parseDocument,
  Scalar,
  visit,
  YAMLMap,
  YAMLSeq,
} from 'yaml';
import { ODD_NUMBERS, oddText, pickOf, type Choices } from './odd-values.ts';

/** A place where a node stands. */
interface Slot {
  readonly holder: YAMLMap | YAMLSeq;
  readonly index: number;
}

function slotsOf(document: Document): Slot[] {
  const slots: Slot[] = [];
  visit(document, {
    Collection: (_key, holder) => {
      if (isMap(holder) || isSeq(holder)) holder.items.forEach((_item, index) => void slots.push({ holder, index }));
    },
  });
  return slots;
}

function valueAt({ holder, index }: Slot): unknown {
  const item: unknown = holder.items[index];
  return isPair(item) ? item.value : item;
}

function putAt({ holder, index }: Slot, value: unknown): void {
  const item: unknown = holder.items[index];
  if (isPair(item)) item.value = value;
  else holder.items[index] = value;
}

function copyOf(value: unknown): unknown {
  return isCollection(value) || isScalar(value) ? value.clone() : value;
}

/** A scalar or collection that does not belong there. */
function oddNode(choices: Choices): unknown {
  const scalar = (source: string): Scalar => {
    const node = parseDocument(source).contents;
    return isScalar(node) ? node : new Scalar(source);
  };
  const kinds: readonly (() => unknown)[] = [
    () => scalar(pickOf(choices, ODD_NUMBERS) ?? '0'),
    () => new Scalar(oddText(choices)),
    () => new Scalar(oddText(choices)),
    () => new Scalar(pickOf(choices, [null, true, false])),
    () => new YAMLMap(),
    () => new YAMLSeq(),
    () => listOf(Array.from({ length: choices.whole(1, 300) }, (_, n) => new Scalar(choices.whole(0, 1) === 0 ? n : 'x'))),
    () => {
      let node: unknown = new Scalar(1);
      for (let depth = choices.whole(2, 80); depth > 0; depth--) node = listOf([node]);
      return node;
    },
  ];
  return pickOf(choices, kinds)?.();
}

function listOf(items: readonly unknown[]): YAMLSeq {
  const list = new YAMLSeq();
  list.items.push(...items);
  return list;
}

function mapOf(key: string, value: unknown): YAMLMap {
  const map = new YAMLMap();
  map.items.push(new Pair(new Scalar(key), value));
  return map;
}

const TAGS = [
  '!x',
  '!!int',
  '!!float',
  '!!str',
  '!!bool',
  '!!null',
  '!!seq',
  '!!map',
  '!!set',
  '!!omap',
  '!!binary',
  '!!timestamp',
  '!<tag:x>',
];

type TreeMutation = (slot: Slot, choices: Choices, slots: readonly Slot[], others: readonly Slot[]) => void;

const otherOf = (choices: Choices, slots: readonly Slot[], slot: Slot): Slot => pickOf(choices, slots) ?? slot;

const TREE_MUTATIONS: readonly TreeMutation[] = [
  ({ holder, index }) => void holder.items.splice(index, 1),
  // Doubled: a second step of one id, a key that stands twice.
  (slot) => {
    const item: unknown = slot.holder.items[slot.index];
    const twin = isPair(item) ? new Pair(copyOf(item.key), copyOf(item.value)) : copyOf(item);
    slot.holder.items.splice(slot.index, 0, twin as never);
  },
  // Changed places with another of the same list or map, or with any other.
  ({ holder, index }, choices) => {
    const to = choices.whole(0, holder.items.length - 1);
    [holder.items[index], holder.items[to]] = [holder.items[to] as never, holder.items[index] as never];
  },
  (slot, choices, slots) => {
    const other = otherOf(choices, slots, slot);
    const [mine, its] = [copyOf(valueAt(slot)), copyOf(valueAt(other))];
    putAt(slot, its);
    putAt(other, mine);
  },
  (slot, choices, slots) => putAt(slot, copyOf(valueAt(otherOf(choices, slots, slot)))),
  (slot, choices) => putAt(slot, oddNode(choices)),
  (slot, choices) => putAt(slot, oddNode(choices)),
  (slot, choices, _slots, others) => putAt(slot, copyOf(valueAt(otherOf(choices, others, slot)))),
  // A step or an entry of another workflow.
  ({ holder, index }, choices, _slots, others) => {
    const items = others.filter((other) => isMap(other.holder) === isMap(holder));
    const from = pickOf(choices, items);
    const item: unknown = from?.holder.items[from.index];
    if (item !== undefined)
      holder.items.splice(index, 0, (isPair(item) ? new Pair(copyOf(item.key), copyOf(item.value)) : copyOf(item)) as never);
  },
  // Another name.
  ({ holder, index }, choices, slots) => {
    const item: unknown = holder.items[index];
    if (!isPair(item)) return;
    const from = otherOf(choices, slots, { holder, index });
    const borrowed: unknown = from.holder.items[from.index];
    item.key = isPair(borrowed) && choices.whole(0, 2) > 0 ? copyOf(borrowed.key) : new Scalar(oddText(choices));
  },
  // Another kind: in a list, in a map, out of its list or map, as text.
  (slot) => putAt(slot, listOf([copyOf(valueAt(slot))])),
  (slot, choices) => putAt(slot, mapOf(oddText(choices), copyOf(valueAt(slot)))),
  (slot) => {
    const value = valueAt(slot);
    if (isCollection(value) && value.items.length > 0) putAt(slot, copyOf(valueAt({ holder: value as Slot['holder'], index: 0 })));
  },
  (slot) => {
    const value = valueAt(slot);
    putAt(slot, new Scalar(isScalar(value) ? String(value.value) : JSON.stringify(value)));
  },
  (slot, choices) => {
    const value = valueAt(slot);
    if (isScalar(value) || isCollection(value)) value.tag = pickOf(choices, TAGS) ?? '!x';
  },
  // Anchors and aliases, also of what holds the alias.
  (slot, choices, slots) => {
    const target = otherOf(choices, slots, slot);
    const value = valueAt(target);
    if (!isScalar(value) && !isCollection(value)) return;
    value.anchor = 'a';
    putAt(slot, new Alias('a'));
  },
];

/** Some changes of the tree; the text as it was where it can't be read as one, or the changed tree can't be written. */
export function mutateTree(text: string, choices: Choices, other: string, changes: number): string {
  const document = parseDocument(text, { uniqueKeys: false });
  if (document.errors.length > 0) return text;
  const others = slotsOf(parseDocument(other, { uniqueKeys: false }));
  for (let n = 0; n < changes; n++) {
    const slots = slotsOf(document);
    const slot = pickOf(choices, slots);
    if (slot === undefined) break;
    pickOf(choices, TREE_MUTATIONS)?.(slot, choices, slots, others);
  }
  try {
    return document.toString({ lineWidth: 0, ...(choices.whole(0, 3) === 0 ? { collectionStyle: 'flow' as const } : {}) });
  } catch {
    // An alias stands before its anchor, or a tag says what its value is not.
    return text;
  }
}
