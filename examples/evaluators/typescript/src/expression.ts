// Expressions of a table -> functions of a request. What is not an expression of format 1 is refused when it is read.
// Operands are evaluated from left to right before an operator looks at them; `&&`, `||` and `if` stop early.
import { asArray, asOne, asString, fields, Json, refuse } from './json.js';
import { call, CedarSet, constructors, fail, key, literalOf, long, methods, setOf, Uid, Value } from './values.js';

export interface Entity { attrs: Map<string, Value>; tags: Map<string, Value>; parents: Uid[]; ancestors?: Set<string> }
export type Entities = Map<string, Entity>;   // by key() of the uid
export interface Request { principal: Uid; action: Uid; resource: Uid; context: Value; entities: Entities }
export type Expression = (request: Request) => Value;

// Proper ancestors, found once: parents that are not stored count, but have no parents themselves.
function ancestorsOf(uid: string, entities: Entities): Set<string> {
  const entity = entities.get(uid);
  if (!entity) return new Set();
  if (!entity.ancestors) {
    const all = new Set<string>(), open = [entity];
    for (const next of open) {
      for (const parent of next.parents.map(key)) {
        if (all.has(parent)) continue;
        all.add(parent);
        if (entities.has(parent)) open.push(entities.get(parent)!);
      }
    }
    entity.ancestors = all;
  }
  return entity.ancestors;
}
export function isIn(descendant: Uid, ancestor: Uid, entities: Entities): boolean {
  const [from, to] = [key(descendant), key(ancestor)];
  return from === to || ancestorsOf(from, entities).has(to);
}

// Operands of one type, or the evaluation error.
const bool = (value: Value) => typeof value === 'boolean' ? value : fail('a Bool is expected');
const int = (value: Value) => typeof value === 'bigint' ? value : fail('a Long is expected');
const text = (value: Value) => typeof value === 'string' ? value : fail('a String is expected');
const entity = (value: Value) => typeof value === 'object' && value.t === 'entity' ? value : fail('an entity is expected');
const set = (value: Value): CedarSet => typeof value === 'object' && value.t === 'set' ? value : fail('a Set is expected');

function compare(a: Value, b: Value, holds: (x: bigint, y: bigint) => boolean): boolean {
  if (typeof a === 'bigint' && typeof b === 'bigint') return holds(a, b);
  if (typeof a === 'object' && typeof b === 'object' && (a.t === 'datetime' || a.t === 'duration') && a.t === b.t) {
    return holds(a.n, (b as typeof a).n);
  }
  return fail('two Longs, datetimes or durations are expected');
}

function has(value: Value, name: string, entities: Entities): boolean {
  if (typeof value === 'object' && value.t === 'record') return value.fields.has(name);
  return entities.get(key(entity(value)))?.attrs.has(name) ?? false;
}
function attribute(value: Value, name: string, entities: Entities): Value {
  if (typeof value === 'object' && value.t === 'record') return value.fields.get(name) ?? fail(`no attribute ${name}`);
  const stored = entities.get(key(entity(value))) ?? fail('the entity does not exist');
  return stored.attrs.get(name) ?? fail(`no attribute ${name}`);
}
function tag(value: Value, name: string, entities: Entities): Value {
  const stored = entities.get(key(entity(value))) ?? fail('the entity does not exist');
  return stored.tags.get(name) ?? fail(`no tag ${name}`);
}
function within(value: Value, scope: Value, entities: Entities): boolean {
  const descendant = entity(value);
  if (typeof scope === 'object' && scope.t === 'entity') return isIn(descendant, scope, entities);
  const ancestors = [...set(scope).items.values()].map(entity);   // all must be entities, even if one holds
  return ancestors.some((ancestor) => isIn(descendant, ancestor, entities));
}
// The first piece at the begin, the last at the end, those between at their leftmost places.
function like(value: string, pieces: string[]): boolean {
  const first = pieces[0]!, last = pieces[pieces.length - 1]!;
  if (pieces.length === 1) return value === first;
  if (value.length < first.length + last.length || !value.startsWith(first) || !value.endsWith(last)) return false;
  let at = first.length;
  const end = value.length - last.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = value.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

const unary: Record<string, (a: Value) => Value> = {
  '!': (a) => !bool(a),
  neg: (a) => long(-int(a)),
  isEmpty: (a) => set(a).items.size === 0,
};
const binary: Record<string, (a: Value, b: Value, entities: Entities) => Value> = {
  '==': (a, b) => key(a) === key(b),
  '<': (a, b) => compare(a, b, (x, y) => x < y),
  '<=': (a, b) => compare(a, b, (x, y) => x <= y),
  '+': (a, b) => long(int(a) + int(b)),
  '-': (a, b) => long(int(a) - int(b)),
  '*': (a, b) => long(int(a) * int(b)),
  in: within,
  hasTag: (a, b, entities) => entities.get(key(entity(a)))?.tags.has(text(b)) ?? (text(b), false),
  getTag: (a, b, entities) => tag(entity(a), text(b), entities),
  contains: (a, b) => set(a).items.has(key(b)),
  containsAll: (a, b) => { const all = set(a).items; return [...set(b).items.keys()].every((k) => all.has(k)); },
  containsAny: (a, b) => { const all = set(a).items; return [...set(b).items.keys()].some((k) => all.has(k)); },
};
const own = <T>(table: Record<string, T>, name: string): T | undefined => Object.hasOwn(table, name) ? table[name] : undefined;

function operands(json: Json, count: number): Expression[] {
  const list = asArray(json);
  return list.length === count ? list.map(expressionOf) : refuse(`${count} operands are expected`);
}
function named(json: Json): [Expression, string] {
  const list = asArray(json);
  return list.length === 2 ? [expressionOf(list[0]!), asString(list[1])] : refuse('an operand and a name are expected');
}

export function expressionOf(json: Json): Expression {
  const [op, operand] = asOne(json);
  const one = own(unary, op), two = own(binary, op);
  if (one) {
    const [a] = operands(operand, 1);
    return (request) => one(a!(request));
  }
  if (two) {
    const [a, b] = operands(operand, 2);
    return (request) => { const left = a!(request); return two(left, b!(request), request.entities); };
  }
  switch (op) {
    case 'Var': {
      const name = asString(operand);
      if (name !== 'principal' && name !== 'action' && name !== 'resource' && name !== 'context') return refuse(`no variable ${name}`);
      return (request) => request[name];
    }
    case '&&': {
      const [a, b] = operands(operand, 2);
      return (request) => bool(a!(request)) && bool(b!(request));
    }
    case '||': {
      const [a, b] = operands(operand, 2);
      return (request) => bool(a!(request)) || bool(b!(request));
    }
    case 'if': {
      const [test, then, otherwise] = operands(operand, 3);
      return (request) => bool(test!(request)) ? then!(request) : otherwise!(request);
    }
    case '.': {
      const [a, name] = named(operand);
      return (request) => attribute(a(request), name, request.entities);
    }
    case 'has': {
      const [a, name] = named(operand);
      return (request) => has(a(request), name, request.entities);
    }
    case 'is': {
      const [a, type] = named(operand);
      return (request) => entity(a(request)).type === type;
    }
    case 'like': {
      const list = asArray(operand);
      const pieces = asArray(fields(list[1], 'pieces')[0]).map(asString);
      if (list.length !== 2 || pieces.length === 0) refuse('like takes an operand and pieces');
      const a = expressionOf(list[0]!);
      return (request) => like(text(a(request)), pieces);
    }
    case 'Set': {
      const elements = asArray(operand).map(expressionOf);
      return (request) => setOf(elements.map((element) => element(request)));
    }
    case 'Record': {
      if (!(operand instanceof Map)) return refuse('Record takes an object');
      const parts = [...operand].map(([name, field]) => [name, expressionOf(field)] as const);
      return (request) => ({ t: 'record', fields: new Map(parts.map(([name, field]) => [name, field(request)])) });
    }
    case 'call': {
      const [name, ...rest] = asArray(operand);
      const fn = asString(name);
      if (!own(constructors, fn) && !own(methods, fn)) refuse(`unknown function ${fn}`);
      const args = rest.map(expressionOf);
      return (request) => call(fn, args.map((arg) => arg(request)));
    }
    default: {
      const value = literalOf(json);
      return () => value;
    }
  }
}
