// encode.mjs <package> <encoding>: reads a JSON list of texts, writes the list of their lists of tokens.
import { readFileSync } from "node:fs";

const [name, encoding] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(0, "utf8"));

async function encoder() {
  if (name === "tiktoken") {
    const { get_encoding } = await import("tiktoken");
    const made = get_encoding(encoding);
    return (text) => Array.from(made.encode_ordinary(text));
  }
  const { Tiktoken } = await import("js-tiktoken/lite");
  const ranks = (await import(`js-tiktoken/ranks/${encoding}`)).default;
  const made = new Tiktoken(ranks);
  return (text) => made.encode(text, [], []);
}

const encode = await encoder();
process.stdout.write(JSON.stringify(texts.map(encode)));
