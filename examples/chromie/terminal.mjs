// The client in a terminal.
//
//     node terminal.mjs USERNAME PASSWORD [URL] [TRANSPORT]

import { begin } from "./client.mjs";

const [username, password, url = "http://127.0.0.1:8080", transport] = process.argv.slice(2);

const $av = begin(
  url,
  {
    showAuthDialog(login, error) {
      if (error) {
        console.log(`not authenticated: ${error.message}`);
        process.exitCode = 1;
        return;
      }
      login({ username, password });
    },

    start(av) {
      process.exitCode = 0;
      console.log(`authenticated as ${av.user}, username ${av.get("username")}`);
      av.chat.onDisable(() => console.log("the chat is closed"));
      av.chat.onEnable(() => console.log("the chat is open"));
      av.watch("confirmed", (email) => console.log(`the server has confirmed ${email}`));
      av.set({ email: `${username.toLowerCase()}@example.org` }, () => console.log("email is set"));
      av.forum.createPost({ title: "test post", body: "something" }, (r, error) => {
        console.log(error ? `no post: ${error.message}` : `post ${r.number}`);
      });
      av.chat.join().then((names) => {
        console.log(`in the chat: ${names.join(", ")}`);
        return av.chat.say({ text: `hello from ${username}` });
      });
    },

    chat: {
      sendMessage({ from, text }) {
        console.log(`${from}: ${text}`);
      },
      sendFile() {},
    },

    friends: {
      newFriend({ name, why }) {
        console.log(`new friend ${name}: ${why}`);
        return `hello ${name}`;
      },
    },
  },
  transport && { transports: [transport] },
);
