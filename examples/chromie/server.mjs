// The server setup: who may come, what an avatar begins with, and the services.
//
//     node server.mjs [URL] [MANAGEMENT] [PORT] [PAGE_PORT]

import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import * as chromie from "../../static/turntable-portal.js";
import { service as chatService } from "./chatService.mjs";
import { service as forumService } from "./forumService.mjs";
import { checkCookie, checkPassword, service as accountService } from "./users.mjs";

const [url = "http://127.0.0.1:8080", management = "http://127.0.0.1:8181", port = 9000, pagePort = 9001] = process.argv.slice(2);

const portal = new chromie.Portal(url, {
  management,
  token: process.env.SERVICE_TOKEN ?? "change-me",
  secret: process.env.WEBHOOK_SECRET ?? "whsec_Y2hyb21pZSBjaHJvbWllIGNocm9taWUgY2hyb21pZSE=",
});
portal.credentialCheckers = [checkCookie, checkPassword];
portal.avatarFactory = function (user, avatar) {
  avatar.addService("forum", forumService);
  avatar.addService("chat", chatService);
  avatar.addService("account", accountService);

  // Live attributes at both ends.
  avatar.set({ username: user.username, email: user.email });
  avatar.watch("email", sendEmailConfirmation);

  // What the server can: call functions of the client, and set attributes.
  avatar.watch("email", (email) => {
    avatar.friends.newFriend({ name: "Melanie", why: `${email} is known to her` }, (answer, error) => {
      console.log(error ? `no friend: ${error.code}` : `${user.username} says: ${answer}`);
    });
    avatar.set({ confirmed: email });
  });
};

function sendEmailConfirmation(email) {
  console.log(`confirmation sent to ${email}`);
}

// Services that avatars were given before a restart of this program are there again.
portal.addService("forum", forumService);
portal.addService("chat", chatService);
portal.addService("account", accountService);

// What the server asks is on a port of its own: clients that reach it could guess passwords.
const app = createServer(portal.listener);
app.listen(Number(port), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${app.address().port}/`));
const page = createServer(serveFile);
page.listen(Number(pagePort), "127.0.0.1", () => console.log(`the page is at http://127.0.0.1:${page.address().port}/`));

// Lines of the terminal: `disable chat`, `enable chat`, to fix a bug of the chat, say; and for
// one user alone `disable chat 1:pomke`, `enable chat 1:pomke`.
process.stdin.setEncoding("utf8").on("data", async (text) => {
  for (const line of text.split("\n").filter(Boolean)) {
    const [command, name, user] = line.split(" ");
    const of = user ? portal.avatar(user) : portal;
    try {
      if (command === "disable") await of.disableService(name);
      else if (command === "enable") await of.enableService(name);
      else throw new Error("accepted are: disable NAME [USER], enable NAME [USER]");
      console.log(`${name} is ${command}d${user ? ` for ${user}` : ""}`);
    } catch (error) {
      console.log(error.message);
    }
  }
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await portal.close();
    process.exit();
  });
}

/** The page of the example, and the library. */
function serveFile(request, response) {
  const TYPES = { ".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
  const refuse = () => response.writeHead(404).end();
  let [path, file] = ["", ""];
  try {
    const { pathname } = new URL(request.url, "http://page");
    path = pathname === "/" ? "/examples/chromie/index.html" : normalize(pathname);
    file = fileURLToPath(new URL(`../..${path}`, import.meta.url));
  } catch {
    // No URL, or one with an encoded slash.
    return refuse();
  }
  const type = TYPES[extname(path)];
  const isServed = path.startsWith("/static/") || /^\/examples\/chromie\/(index\.html|page\.mjs|client\.mjs|style\.css)$/.test(path);
  if (!type || !isServed) return refuse();
  const content = createReadStream(file);
  content.on("error", refuse).once("open", () => {
    response.writeHead(200, { "Content-Type": `${type}; charset=utf-8` });
    content.pipe(response);
  });
}
