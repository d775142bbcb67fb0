// JSON text -> values, with what JSON.parse lacks: integers exact (as bigint), and repeated keys, fractions and
// lone surrogates refused. Entities and contexts hold 64-bit integers, which a double would change.
export type Json = null | boolean | bigint | string | Json[] | Map<string, Json>;

export class Refused extends Error {}

export function refuse(why: string): never {
  throw new Refused(why);
}

export function parseJson(text: string): Json {
  let at = 0;
  const space = () => { while (' \t\n\r'.includes(text[at] ?? 'x')) at++; };
  const expect = (c: string) => { if (text[at] !== c) refuse(`\`${c}\` is expected at ${at}`); at++; };

  function string(): string {
    const match = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
    match.lastIndex = at;
    const found = match.exec(text) ?? refuse(`a string is expected at ${at}`);
    at += found[0].length;
    const value = JSON.parse(found[0]) as string;
    if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(value)) refuse('half a character');
    return value;
  }

  function number(): bigint {
    const match = /-?(?:0|[1-9][0-9]*)(?![0-9.eE])/y;
    match.lastIndex = at;
    const found = match.exec(text) ?? refuse(`an integer is expected at ${at}`);
    at += found[0].length;
    return BigInt(found[0]);
  }

  function list(close: string, element: () => void): void {
    at++;
    space();
    if (text[at] === close) { at++; return; }
    for (;;) {
      element();
      space();
      if (text[at] === close) { at++; return; }
      expect(',');
    }
  }

  function value(): Json {
    space();
    switch (text[at]) {
      case '{': {
        const object = new Map<string, Json>();
        list('}', () => {
          space();
          const key = string();
          if (object.has(key)) refuse(`the key ${key} comes twice`);
          space();
          expect(':');
          object.set(key, value());
        });
        return object;
      }
      case '[': {
        const array: Json[] = [];
        list(']', () => { array.push(value()); });
        return array;
      }
      case '"': return string();
      default:
    }
    for (const [word, meaning] of [['true', true], ['false', false], ['null', null]] as const) {
      if (text.startsWith(word, at)) { at += word.length; return meaning; }
    }
    return number();
  }

  const result = value();
  space();
  if (at !== text.length) refuse(`text after the end, at ${at}`);
  return result;
}

// Strict access: every one refuses what is not of the kind.
export function fields(json: Json | undefined, ...names: string[]): Json[] {
  if (!(json instanceof Map)) return refuse('an object is expected');
  if (json.size !== names.length) refuse(`the keys are ${names.join(', ')}, not ${[...json.keys()].join(', ')}`);
  return names.map((name) => json.has(name) ? json.get(name)! : refuse(`the key ${name} is missing`));
}
export function asArray(json: Json | undefined): Json[] {
  return Array.isArray(json) ? json : refuse('an array is expected');
}
export function asString(json: Json | undefined): string {
  return typeof json === 'string' ? json : refuse('a string is expected');
}
export function asIndex(json: Json | undefined, limit: number): number {
  return typeof json === 'bigint' && json >= 0n && json < BigInt(limit) ? Number(json) : refuse('an index is out of range');
}
// An object with exactly one key.
export function asOne(json: Json | undefined): [string, Json] {
  if (!(json instanceof Map) || json.size !== 1) return refuse('an object with one key is expected');
  return [...json][0]!;
}
