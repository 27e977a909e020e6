// A client that asks the server where the service is, and calls it directly.
//
//     node client.mjs [URL]

import { connect } from "../../static/turntable.js";

const [url = "http://127.0.0.1:8080"] = process.argv.slice(2);
const tt = connect(url, { user: "1:12345" });
const { url: files, token, expires_in } = await tt.direct("files");
console.log(`files is at ${files}, for ${expires_in} seconds`);

const call = async (f, args) => {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const answer = await fetch(files, { method: "POST", headers, body: JSON.stringify({ f, args }) });
  return answer.json();
};
console.log("put", await call("put", "hello"));
console.log("list", await call("list"));
tt.close();
