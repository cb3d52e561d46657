// encode.mjs <package> <encoding> <file> <rounds>: seconds of this thread's processor time in the best round of encoding the file, and its tokens.
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
  const start = process.threadCpuUsage();
  count = encode(text).length;
  const spent = process.threadCpuUsage(start);
  best = Math.min(best, (spent.user + spent.system) / 1e6);
}
console.log(best.toFixed(6), count);
