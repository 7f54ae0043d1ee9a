// Drives the official Node SDK: one command as a line of JSON on stdin, one outcome as a line on
// stdout. Started by sdk.py with the folder of the installed packages.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/");
const { default: OpenAI, APIError } = await import(pathToFileURL(require.resolve("openai")).href);

async function call(client, { what, params }, outcome) {
  if (what === "models") {
    const page = await client.models.list();
    outcome.result = { object: page.object, data: page.data };
    return;
  }
  const place = {
    chat: client.chat.completions,
    completions: client.completions,
    embeddings: client.embeddings,
  }[what];
  const { data, response } = await place.create(params).withResponse();
  outcome.headers = Object.fromEntries(response.headers);
  if (!params.stream) {
    outcome.result = data;
    return;
  }
  outcome.chunks = [];
  for await (const chunk of data) outcome.chunks.push(chunk);
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const outcome = { headers: {} };
  try {
    const client = new OpenAI({
      baseURL: command.base,
      apiKey: command.key,
      defaultHeaders: command.headers,
      ...command.options,
    });
    await call(client, command, outcome);
  } catch (error) {
    if (!(error instanceof APIError)) {
      outcome.error = `not an APIError: ${error?.stack ?? error}`;
    } else {
      outcome.error = error.constructor.name;
      outcome.status = error.status ?? 0;
      outcome.code = error.code ?? "";
      outcome.message = error.message;
      if (error.headers) outcome.headers = Object.fromEntries(error.headers);
    }
  }
  process.stdout.write(JSON.stringify(outcome) + "\n");
}
