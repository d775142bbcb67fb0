// Cedar's values, their JSON forms, and the extension types. `key` gives equal values equal text, whatever the order
// in which a set was written: it is Cedar's `==`.
import { asArray, asOne, asString, fields, Json, refuse } from './json.js';

export interface Uid { t: 'entity'; type: string; id: string }
export interface Ip { t: 'ip'; v6: boolean; prefix: number; bits: bigint }
export interface CedarSet { t: 'set'; items: Map<string, Value> }   // by key()
export interface CedarRecord { t: 'record'; fields: Map<string, Value> }
export interface Scaled { t: 'decimal' | 'datetime' | 'duration'; n: bigint }   // 1/10000, ms, ms
export type Value = boolean | bigint | string | Uid | CedarSet | CedarRecord | Ip | Scaled;

// An evaluation error: the policy that meets it is skipped.
export class Failure extends Error {}
export function fail(why: string): never {
  throw new Failure(why);
}

export function key(value: Value): string {
  if (typeof value === 'boolean') return value ? 'T' : 'F';
  if (typeof value === 'bigint') return `L${value}`;
  if (typeof value === 'string') return `S${JSON.stringify(value)}`;
  switch (value.t) {
    case 'entity': return `E${JSON.stringify([value.type, value.id])}`;
    case 'set': return `{${[...value.items.keys()].sort().join()}}`;
    case 'record': return `R{${[...value.fields].map(([n, v]) => `${JSON.stringify(n)}:${key(v)}`).sort().join()}}`;
    case 'ip': return `I${value.v6}/${value.prefix}/${value.bits}`;
    default: return `${value.t}${value.n}`;
  }
}

export function setOf(values: Value[]): CedarSet {
  return { t: 'set', items: new Map(values.map((value) => [key(value), value])) };
}
export function uidOf(json: Json | undefined): Uid {
  const [type, id] = fields(json, 'type', 'id');
  return { t: 'entity', type: asString(type), id: asString(id) };
}

const MIN = -(2n ** 63n), MAX = 2n ** 63n - 1n;
export function long(n: bigint, why = 'integer overflow'): bigint {
  return n < MIN || n > MAX ? fail(why) : n;
}

function readDecimal(text: string): Value {
  const parts = /^(-?)([0-9]+)\.([0-9]{1,4})$/.exec(text) ?? fail(`no decimal: ${text}`);
  const magnitude = BigInt(parts[2]! + parts[3]!.padEnd(4, '0'));
  return { t: 'decimal', n: long(parts[1] ? -magnitude : magnitude, 'decimal overflow') };
}

const DAY = 86400000n;
function daysInMonth(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
}
function readDatetime(text: string): Value {
  const form = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?(?:Z|([+-])(\d\d)(\d\d)))?$/;
  const parts = form.exec(text) ?? fail(`no datetime: ${text}`);
  const at = (i: number) => Number(parts[i] ?? 0);
  const [year, month, day] = [at(1), at(2), at(3)];
  if (day < 1 || day > daysInMonth(year, month)) fail(`no date: ${text}`);
  if (at(4) > 23 || at(5) > 59 || at(6) > 59 || at(9) > 23 || at(10) > 59) fail(`no time: ${text}`);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const zone = (at(9) * 60 + at(10)) * 60000 * (parts[8] === '-' ? -1 : 1);
  return { t: 'datetime', n: BigInt(date.getTime() + ((at(4) * 60 + at(5)) * 60 + at(6)) * 1000 + at(7) - zone) };
}
function readDuration(text: string): Value {
  const parts = /^(-?)(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text) ?? fail(`no duration: ${text}`);
  const units = [DAY, 3600000n, 60000n, 1000n, 1n];
  const total = units.reduce((sum, unit, i) => sum + unit * BigInt(parts[i + 2] ?? 0), 0n);
  return { t: 'duration', n: long(parts[1] ? -total : total, 'duration overflow') };
}
function readIp(text: string): Value {
  const [address, prefix, more] = text.split('/');
  const v6 = address!.includes(':');
  const limit = v6 ? 128 : 32;
  if (more !== undefined || (prefix !== undefined && (!/^(0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > limit))) fail(`no ip: ${text}`);
  const bits = v6 ? ipv6(address!) : ipv4(address!);
  return { t: 'ip', v6, prefix: prefix === undefined ? limit : Number(prefix), bits };
}
function ipv4(text: string): bigint {
  if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) fail(`no ip: ${text}`);
  return text.split('.').map(BigInt).reduce((sum, octet) => octet > 255n ? fail(`no ip: ${text}`) : sum * 256n + octet, 0n);
}
function ipv6(text: string): bigint {
  const halves = text.split('::');
  const groups = halves.map((half) => half === '' ? [] : half.split(':'));
  const count = groups.reduce((sum, half) => sum + half.length, 0);
  if (halves.length > 2 || (halves.length === 2 ? count > 7 : count !== 8)) fail(`no ip: ${text}`);
  const all = halves.length === 2 ? [...groups[0]!, ...Array<string>(8 - count).fill('0'), ...groups[1]!] : groups[0]!;
  return all.reduce((sum, g) => /^[0-9a-fA-F]{1,4}$/.test(g) ? sum * 65536n + BigInt(`0x${g}`) : fail(`no ip: ${text}`), 0n);
}

export const constructors: Record<string, (text: string) => Value> = {
  ip: readIp, decimal: readDecimal, datetime: readDatetime, duration: readDuration,
};

export function inRange(address: Ip, range: Ip): boolean {
  const shift = BigInt((range.v6 ? 128 : 32) - range.prefix);
  return address.v6 === range.v6 && address.prefix >= range.prefix && address.bits >> shift === range.bits >> shift;
}
const v6Loopback = readIp('::1') as Ip, v4Loopback = readIp('127.0.0.0/8') as Ip;
const v6Multicast = readIp('ff00::/8') as Ip, v4Multicast = readIp('224.0.0.0/4') as Ip;

type Kind = 'ip' | 'decimal' | 'datetime' | 'duration';
const since = (a: bigint, b: bigint): Value => ({ t: 'duration', n: long(a - b, 'duration overflow') });
const timeOfDay = (ms: bigint) => ((ms % DAY) + DAY) % DAY;
const num = (value: Value) => (value as Scaled).n;
const whole = (unit: bigint): [Kind[], (a: Value[]) => Value] => [['duration'], ([d]) => num(d!) / unit];   // towards zero

export const methods: Record<string, [Kind[], (args: Value[]) => Value]> = {
  isIpv4: [['ip'], ([a]) => !(a as Ip).v6],
  isIpv6: [['ip'], ([a]) => (a as Ip).v6],
  isLoopback: [['ip'], ([a]) => inRange(a as Ip, (a as Ip).v6 ? v6Loopback : v4Loopback)],
  isMulticast: [['ip'], ([a]) => inRange(a as Ip, (a as Ip).v6 ? v6Multicast : v4Multicast)],
  isInRange: [['ip', 'ip'], ([a, b]) => inRange(a as Ip, b as Ip)],
  lessThan: [['decimal', 'decimal'], ([a, b]) => num(a!) < num(b!)],
  lessThanOrEqual: [['decimal', 'decimal'], ([a, b]) => num(a!) <= num(b!)],
  greaterThan: [['decimal', 'decimal'], ([a, b]) => num(a!) > num(b!)],
  greaterThanOrEqual: [['decimal', 'decimal'], ([a, b]) => num(a!) >= num(b!)],
  offset: [['datetime', 'duration'], ([a, b]) => ({ t: 'datetime', n: long(num(a!) + num(b!), 'datetime overflow') })],
  durationSince: [['datetime', 'datetime'], ([a, b]) => since(num(a!), num(b!))],
  toDate: [['datetime'], ([a]) => ({ t: 'datetime', n: long(num(a!) - timeOfDay(num(a!)), 'datetime overflow') })],
  toTime: [['datetime'], ([a]) => ({ t: 'duration', n: timeOfDay(num(a!)) })],
  toMilliseconds: whole(1n), toSeconds: whole(1000n), toMinutes: whole(60000n), toHours: whole(3600000n), toDays: whole(DAY),
};

export function call(name: string, args: Value[]): Value {
  const read = Object.hasOwn(constructors, name) ? constructors[name]! : undefined;
  if (read) {
    if (args.length !== 1 || typeof args[0] !== 'string') return fail(`${name} takes a string`);
    return read(args[0]);
  }
  const [kinds, apply] = methods[name]!;
  const fits = args.length === kinds.length && args.every((arg, i) => typeof arg === 'object' && arg.t === kinds[i]);
  return fits ? apply(args) : fail(`${name} takes ${kinds.join(', ')}`);
}

// Cedar's data JSON, explicit forms: scalars, arrays, objects, {"__entity":…}, {"__extn":{"fn":…,"arg":…}}.
export function valueOf(json: Json): Value {
  if (json === null) return refuse('null is no Cedar value');
  if (typeof json === 'bigint') return json < MIN || json > MAX ? refuse('an integer does not fit in 64 bits') : json;
  if (Array.isArray(json)) return setOf(json.map(valueOf));
  if (!(json instanceof Map)) return json;
  if (json.has('__entity')) return uidOf(fields(json, '__entity')[0]);
  if (json.has('__extn')) {
    const extension = fields(json, '__extn')[0] as Map<string, Json>;
    if (extension.has('args')) {
      const [fn, args] = fields(extension, 'fn', 'args');
      return call(asString(fn), asArray(args).map(valueOf));
    }
    const [fn, arg] = fields(extension, 'fn', 'arg');
    return call(asString(fn), [asString(arg)]);
  }
  return { t: 'record', fields: new Map([...json].map(([name, field]) => [name, valueOf(field)])) };
}

// The literals of the table's expressions.
export function literalOf(json: Json): Value {
  const [kind, operand] = asOne(json);
  switch (kind) {
    case 'Bool': return typeof operand === 'boolean' ? operand : refuse('Bool takes true or false');
    case 'Long': {
      const text = asString(operand);
      if (!/^(0|-?[1-9][0-9]*)$/.test(text)) refuse(`no Long: ${text}`);
      return valueOf(BigInt(text));
    }
    case 'String': return asString(operand);
    case 'Entity': return uidOf(operand);
    case 'SetValue': return setOf(asArray(operand).map(literalOf));
    case 'RecordValue': {
      if (!(operand instanceof Map)) return refuse('RecordValue takes an object');
      return { t: 'record', fields: new Map([...operand].map(([name, field]) => [name, literalOf(field)])) };
    }
    default: {
      if (!Object.hasOwn(constructors, kind)) refuse(`unknown literal ${kind}`);
      try {
        return constructors[kind]!(asString(operand));
      } catch (error) {
        return refuse(String(error));
      }
    }
  }
}
