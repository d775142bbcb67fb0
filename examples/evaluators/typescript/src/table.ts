// table.json -> decisions, as docs/table-format.md says. Everything that a decision relies on is checked when the table
// is read; a table that is not exactly of format 1 is refused.
import { Entities, Entity, Expression, expressionOf, isIn, Request } from './expression.js';
import { asArray, asIndex, asOne, asString, fields, Json, refuse } from './json.js';
import { Failure, key, Uid, uidOf, Value, valueOf } from './values.js';

export interface Decision { decision: 'allow' | 'deny'; determining: string[]; errors: string[] }
type Outcome = 'true' | 'false' | 'error';
type Ask = (atom: number) => Outcome;
type Rule = (ask: Ask) => Outcome;
interface Policy { id: string; forbid: boolean }
interface Scope { op: '==' | 'in'; uid: Uid }
interface Group { principal: Scope | null; resource: Scope | null; rules: Map<number, Rule> }
interface Environment { atoms: Expression[]; groups: Group[] }
interface Row { when: [number, Outcome][]; then: Outcome }

const environmentKey = (principal: string, action: Uid, resource: string) => JSON.stringify([principal, key(action), resource]);

function policyOf(json: Json): Policy {
  const [id, effect, annotations, source] = fields(json, 'id', 'effect', 'annotations', 'source');
  if (effect !== 'permit' && effect !== 'forbid') refuse('effect is permit or forbid');
  if (!(annotations instanceof Map)) return refuse('annotations is an object');
  [...annotations.values()].forEach(asString);
  const [file, ...numbers] = fields(source, 'file', 'begin', 'end', 'line', 'column');
  asString(file);
  numbers.forEach((n) => asIndex(n, 2 ** 32 - 1));
  return { id: asString(id), forbid: effect === 'forbid' };
}

function scopeOf(json: Json): Scope | null {
  if (json === null) return null;
  const [op, uid] = asOne(json);
  return op === '==' || op === 'in' ? { op, uid: uidOf(uid) } : refuse(`unknown scope ${op}`);
}
function holds(scope: Scope | null, uid: Uid, entities: Entities): boolean {
  if (scope === null) return true;
  return scope.op === '==' ? key(uid) === key(scope.uid) : isIn(uid, scope.uid, entities);
}

function rowOf(json: Json, atoms: number): [Json, Row] {
  const [policy, when, then] = fields(json, 'policy', 'when', 'then');
  const pairs = asArray(when).map((pair): [number, Outcome] => {
    const [atom, outcome, ...more] = asArray(pair);
    if (more.length > 0 || (outcome !== 'true' && outcome !== 'false' && outcome !== 'error')) refuse('a pair is an atom and an outcome');
    return [asIndex(atom, atoms), outcome as Outcome];
  });
  if (then !== 'true' && then !== 'error') return refuse('then is "true" or "error"');
  if (pairs.slice(0, -1).some(([, outcome]) => outcome === 'error')) refuse('nothing follows an error');
  if ((pairs.at(-1)?.[1] === 'error') !== (then === 'error')) refuse('a row is an error if and only if its last pair is');
  return [policy!, { when: pairs, then }];
}
// The rows of one policy, in order: the first that settles it.
function byRows(rows: Row[]): Rule {
  return (ask) => {
    for (const { when, then } of rows) {
      const stop = when.find(([atom, outcome]) => ask(atom) !== outcome);
      if (!stop) return then;
      if (ask(stop[0]) === 'error') return 'error';
    }
    return 'false';
  };
}

function formulaOf(json: Json, atoms: number): Rule {
  const [kind, operand] = asOne(json);
  const parts = (least: number, most: number) => {
    const list = asArray(operand);
    if (list.length < least || list.length > most) refuse(`${kind} takes other operands`);
    return list.map((part) => formulaOf(part, atoms));
  };
  switch (kind) {
    case 'const': return operand === 'true' || operand === 'false' ? () => operand : refuse('const is "true" or "false"');
    case 'atom': { const atom = asIndex(operand, atoms); return (ask) => ask(atom); }
    case '!': { const [f] = parts(1, 1); return (ask) => { const o = f!(ask); return o === 'error' ? o : o === 'true' ? 'false' : 'true'; }; }
    case '&&':
    case '||': {
      const goesOn: Outcome = kind === '&&' ? 'true' : 'false';
      const list = parts(2, Infinity);
      return (ask) => {
        let last: Outcome = goesOn;
        for (const f of list) if ((last = f(ask)) !== goesOn) break;
        return last;
      };
    }
    case 'if': {
      const [test, then, otherwise] = parts(3, 3);
      return (ask) => { const o = test!(ask); return o === 'error' ? o : o === 'true' ? then!(ask) : otherwise!(ask); };
    }
    default: return refuse(`unknown formula ${kind}`);
  }
}

function groupOf(json: Json, atoms: number, policies: number, placed: Set<number>): Group {
  const [principal, resource, rows, exprs] = fields(json, 'principal', 'resource', 'rows', 'exprs');
  const rules = new Map<number, Rule>();
  let last = -1, open: Row[] = [];
  for (const [index, row] of asArray(rows).map((row) => rowOf(row, atoms))) {
    const policy = asIndex(index, policies);
    if (policy !== last) {
      if (placed.has(policy)) refuse('the rows of a policy lie together, in one group');
      placed.add(policy);
      rules.set(policy, byRows(open = []));
      last = policy;
    }
    open.push(row);
  }
  for (const expr of asArray(exprs)) {
    const [index, formula] = fields(expr, 'policy', 'formula');
    const policy = asIndex(index, policies);
    if (placed.has(policy)) refuse('the policy has a place already');
    placed.add(policy);
    rules.set(policy, formulaOf(formula!, atoms));
  }
  return { principal: scopeOf(principal!), resource: scopeOf(resource!), rules };
}

function entityMap(list: [Uid, Entity][]): Entities {
  return new Map(list.map(([uid, entity]) => [key(uid), entity]));
}

// Cedar's entities JSON in its explicit form.
export function readEntities(json: Json): Entities {
  return entityMap(asArray(json).map((element) => {
    if (!(element instanceof Map)) return refuse('an entity is an object');
    const part = (name: string) => {
      const value = valueOf(element.get(name) ?? new Map());
      return typeof value === 'object' && value.t === 'record' ? value.fields : refuse(`${name} is an object`);
    };
    return [uidOf(element.get('uid')), { attrs: part('attrs'), tags: part('tags'), parents: asArray(element.get('parents') ?? []).map(uidOf) }];
  }));
}

export class Table {
  private readonly policies: Policy[];
  private readonly actions: Entities;
  private readonly environments = new Map<string, Environment>();

  constructor(json: Json) {
    if (json instanceof Map && json.get('format') !== 'kerf-table') refuse('not a decision table');
    if (json instanceof Map && json.get('version') !== 1n) refuse('this evaluator reads format version 1');
    const [, , policies, actions, environments] = fields(json, 'format', 'version', 'policies', 'actions', 'environments');
    this.policies = asArray(policies).map(policyOf);
    if (new Set(this.policies.map((policy) => policy.id)).size !== this.policies.length) refuse('two policies have one id');
    this.actions = entityMap(asArray(actions).map((action) => {
      const [uid, parents] = fields(action, 'uid', 'parents');
      return [uidOf(uid), { attrs: new Map<string, Value>(), tags: new Map<string, Value>(), parents: asArray(parents).map(uidOf) }];
    }));
    for (const element of asArray(environments)) this.addEnvironment(element);
  }

  private addEnvironment(json: Json): void {
    const [principal, action, resource, atoms, groups] = fields(json, 'principal', 'action', 'resource', 'atoms', 'groups');
    const uid = uidOf(action);
    if (!this.actions.has(key(uid))) refuse('the action is not among `actions`');
    const name = environmentKey(asString(principal), uid, asString(resource));
    if (this.environments.has(name)) refuse('another environment has the same principal, action and resource');
    const expressions = asArray(atoms).map(expressionOf);
    const placed = new Set<number>(), scopes = new Set<string>();
    const read = asArray(groups).map((group) => groupOf(group, expressions.length, this.policies.length, placed));
    for (const { principal: p, resource: r } of read) {
      const both = JSON.stringify([p, r]);
      if (scopes.has(both)) refuse('another group has the same scopes');
      scopes.add(both);
    }
    this.environments.set(name, { atoms: expressions, groups: read });
  }

  decide(principal: Uid, action: Uid, resource: Uid, context: Value, stored: Entities): Decision {
    const environment = this.environments.get(environmentKey(principal.type, action, resource.type));
    if (!environment) throw new Error('the request is not valid: no environment fits it');
    const entities: Entities = new Map([...stored, ...this.actions]);   // the table answers for its actions
    const request: Request = { principal, action, resource, context, entities };
    const known = new Map<number, Outcome>();
    const ask: Ask = (atom) => {
      if (!known.has(atom)) known.set(atom, outcomeOf(environment.atoms[atom]!, request));
      return known.get(atom)!;
    };
    const found: Record<Outcome, number[]> = { true: [], false: [], error: [] };
    for (const group of environment.groups) {
      if (!holds(group.principal, principal, entities) || !holds(group.resource, resource, entities)) continue;
      for (const [policy, rule] of group.rules) found[rule(ask)].push(policy);
    }
    const ids = (list: number[]) => list.sort((a, b) => a - b).map((policy) => this.policies[policy]!.id);
    const forbids = found.true.filter((policy) => this.policies[policy]!.forbid);
    const allow = forbids.length === 0 && found.true.length > 0;
    return { decision: allow ? 'allow' : 'deny', determining: ids(allow ? found.true : forbids), errors: ids(found.error) };
  }
}

function outcomeOf(atom: Expression, request: Request): Outcome {
  try {
    const value = atom(request);
    return typeof value === 'boolean' ? (value ? 'true' : 'false') : 'error';
  } catch (error) {
    if (error instanceof Failure) return 'error';
    throw error;
  }
}
