// encode.mjs <package> <encoding> <file> <rounds>: seconds of the best round of encoding the file, and its tokens.
import { readFileSync } from "node:fs";

const [name, encoding, file, rounds] = process.argv.slice(2);
const text = readFileSync(file, "utf8");
let encode;
if (name === "gpt-tokenizer") {
  ({ encode } = await import(`gpt-tokenizer/encoding/${encoding}`));
} else {
  const made = (await import("tiktoken")).get_encoding(encoding);
  encode = (input) => made.encode_ordinary(input);
}
let best = Infinity, count = 0;
for (let round = 0; round < Number(rounds); round++) {
  const start = process.hrtime.bigint();
  count = encode(text).length;
  best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e9);
}
console.log(best.toFixed(6), count);
