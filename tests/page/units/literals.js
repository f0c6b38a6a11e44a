// The string literals of a JavaScript source, each with where it stands. A reader of tokens, not of the whole language.

/** `[{text, call, argument, name}]`: the text, the function that it is an argument of, which argument (from 0), and the
 *  name of the property or variable that it is the value of; null where there is none. A template gives its plain parts.
 */
export function literalsOf(source) {
  const found = [];
  const open = [{ call: null, argument: 0 }];
  let before = ""; // the code before a token, without literals and comments
  let place = 0;
  const isDivision = () => /[\w$)\]}]\s*$/.test(before) && !/\b(return|typeof|case)\s*$/.test(before);
  const note = (text) => {
    const { call, argument } = open.at(-1);
    const name = /(?:"([\w-]+)"|([\w$-]+))\s*(?::|(?<![=!<>])=)\s*(?:[^,;{}()]*[?:]\s*)?$/.exec(before);
    found.push({ text, call, argument, name: name?.[1] ?? name?.[2] ?? null });
  };

  while (place < source.length) {
    const char = source[place];
    const rest = source.slice(place);
    const skipped = /^(?:\/\/.*|\/\*[\s\S]*?\*\/)/.exec(rest)?.[0];
    if (skipped) place += skipped.length;
    else if (char === '"' || char === "'") {
      const literal = /^(["'])(?:\\[\s\S]|(?!\1).)*\1/.exec(rest)[0];
      note(literal.slice(1, -1));
      // The name of a property may be a literal itself.
      before += /^\s*:/.test(source.slice(place + literal.length)) && /[{,]\s*$/.test(before) ? `"${literal.slice(1, -1)}"` : '""';
      place += literal.length;
    } else if (char === "/" && !isDivision()) {
      const regexp = /^\/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+\/\w*/.exec(rest)[0];
      before += "x";
      place += regexp.length;
    } else if (char === "`" || (char === "}" && open.at(-1).isTemplate)) {
      if (char === "}") open.pop();
      const part = /^[`}]((?:\\[\s\S]|(?!\$\{)[^`\\])*)(`|\$\{)/.exec(rest);
      note(part[1]);
      if (part[2] === "${") open.push({ call: null, argument: 0, isTemplate: true });
      else before += '""';
      place += part[0].length;
    } else {
      if ("([{".includes(char)) {
        const call = char === "(" ? (/([\w$]+)\s*$/.exec(before)?.[1] ?? null) : null;
        open.push({ call, argument: 0 });
      } else if (")]}".includes(char)) open.pop();
      else if (char === ",") open.at(-1).argument += 1;
      before = (before + char).slice(-200);
      place += 1;
    }
  }
  return found;
}
